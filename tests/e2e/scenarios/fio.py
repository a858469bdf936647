# SPDX-License-Identifier: Apache-2.0
"""fio finds what it wrote, on a cached and a direct disk at once, with discard and flush."""

import devices
from devices import CACHED, DIRECT, IMAGES
from linux2 import expect

MIB = 4
# Beside what is verified, a part that was written before is discarded, block by block.
TRIM_AT = 8
WRITE = (f"--rw=randwrite --bsrange=4k-32k --size={MIB}m --iodepth=16 --fsync=32 "
         "--verify=crc32c --verify_fatal=1 --verify_backlog=64 --verify_state_save=0")
TRIM = f"--rw=randtrim --bs=64k --offset={TRIM_AT}m --size={MIB}m --iodepth=4"


def scenario(board):
    devices.start(board)
    before = {disk: devices.requests(board, disk) for disk in IMAGES}
    for disk in IMAGES:
        devices.run(board, f"dd if=/dev/urandom of={disk} bs=1M seek={TRIM_AT} count={MIB} conv=fsync")
    devices.fio(board, " ".join(f"--name=write --filename={disk} {WRITE} --name=trim --filename={disk} {TRIM}"
                                for disk in IMAGES), 180)
    for disk, image in IMAGES.items():
        after = devices.requests(board, disk)
        for kind, number in after.items():
            expect(number > before[disk][kind], f"fio sent no {kind} to {disk}")
        # What the zone reads is in the file, whatever way it went.
        seen = devices.run(board, f"echo 3 >/proc/sys/vm/drop_caches; {devices.read_disk(disk, TRIM_AT + MIB)} | md5sum")
        kept = board.check(f"head -c {(TRIM_AT + MIB) << 20} {image} | md5sum")
        expect(seen == kept, f"{image} has not got what the zone reads from {disk}")
        board.check(f"dd if={image} bs=1M skip={TRIM_AT} count={MIB} status=none | cmp -n {MIB << 20} - /dev/zero")
    for depth in (1, 16) if board.measures else ():
        figures = [f"{name} {rate(board, disk, depth)}" for name, disk in (("cached", CACHED), ("direct", DIRECT))]
        board.figure(f"random reads of 4 KiB a second, depth {depth}: {', '.join(figures)}")


def rate(board, disk, depth):
    """Random reads of 4 KiB a second from what was written before."""
    return int(devices.fio(board, f"--rw=randread --bs=4k --size={MIB}m --time_based --runtime=2 "
                           f"--iodepth={depth} --name=rate --filename={disk}")[0][7])

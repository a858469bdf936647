# SPDX-License-Identifier: Apache-2.0
"""A driver that is not Linux's: U-Boot boots from the disk and copies sectors on it.

Its block driver polls and takes no interrupt. U-Boot finds the boot script in
the disk's ext4 by its default search, and its commands leave their marks in
sectors outside of the file system.
"""

import base64
import struct
import zlib

import linux2
from linux2 import expect

NAME = "uboot"
SECONDS = 120
SECTOR = 512
# Sectors of the file system, and of the gap before it that the script copies in.
PARTITION, PARTITION_SECTORS = 2048, 30720
FROM, TO, COUNT = 256, 512, 64
COPY = f"virtio read 44000000 {FROM:x} {COUNT:x} && virtio write 44000000 {TO:x} {COUNT:x}\n"
IMAGE = f"{linux2.FOLDER}/uboot.img"
COMPARE = f"dd if={IMAGE} bs={SECTOR} skip={TO} count={COUNT} status=none | cmp - /run/marker"


def scenario(board):
    make_disk(board, COPY + "poweroff\n")
    board.check(f"hvisorctl zone start {NAME}", linux2.BOOT_SECONDS)
    board.check(f"for i in $(seq {SECONDS * 2}); do hvisorctl zone list | grep -q '{NAME} *running' || exit 0; "
                "sleep 0.5; done; exit 1", SECONDS + 30)
    same = board.run(COMPARE)
    expect(same.status == 0, f"U-Boot did not copy the sectors: {same.output.strip()}")


def start(board):
    """Start the zone and wait until the script on its disk has copied the sectors."""
    board.check(f"dd if=/dev/zero of={IMAGE} bs={SECTOR} seek={TO} count={COUNT} conv=notrunc status=none && "
                f"hvisorctl zone start {NAME}", linux2.BOOT_SECONDS)
    board.check(f"for i in $(seq {SECONDS * 5}); do {COMPARE} >/dev/null && exit 0; sleep 0.2; done; exit 1",
                SECONDS + 30)


def make_disk(board, script):
    """The zone's disk, with a script that U-Boot finds by its default search."""
    put(board, "/run/boot.scr", boot_script(script))
    put(board, "/run/table", partition_table())
    board.check(f"""set -e
        cd {linux2.FOLDER}
        rm -f /run/part {IMAGE}
        mke2fs -q -t ext4 -O ^has_journal,^metadata_csum,^64bit /run/part {PARTITION_SECTORS // 2}
        debugfs -w -R 'write /run/boot.scr boot.scr' /run/part
        truncate -s $((({PARTITION} + {PARTITION_SECTORS}) * {SECTOR})) {IMAGE}
        dd if=/run/table of={IMAGE} conv=notrunc status=none
        dd if=/run/part of={IMAGE} bs={SECTOR} seek={PARTITION} conv=notrunc,sparse status=none
        head -c {COUNT * SECTOR} /dev/urandom >/run/marker
        dd if=/run/marker of={IMAGE} bs={SECTOR} seek={FROM} conv=notrunc status=none""")


def put(board, path, content):
    """Write a small file of the root zone."""
    board.check(f"echo {base64.b64encode(content).decode()} | base64 -d >{path}")


def boot_script(text):
    """A script as U-Boot's mkimage wraps it: a header, then a list of one length."""
    data = text.encode()
    body = struct.pack(">II", len(data), 0) + data
    linux, arm64, script = 5, 22, 6

    def header(checksum):
        return struct.pack(">7I4B32s", 0x27051956, checksum, 0, len(body), 0, 0, zlib.crc32(body),
                           linux, arm64, script, 0, b"hvisord")
    return header(zlib.crc32(header(0))) + body


def partition_table():
    """An MBR with one partition, which is marked as the one to boot."""
    entry = struct.pack("<B3sB3sII", 0x80, bytes(3), 0x83, bytes(3), PARTITION, PARTITION_SECTORS)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"

# SPDX-License-Identifier: Apache-2.0
"""Devices change while their zone runs: another image, one that hangs, the cable out, one less, one more."""

import devices
from devices import CACHED, IMAGES, NAME, ON_BRIDGE
from linux2 import FOLDER, expect
from scenarios import rebind

DISK = "block-a003400"
NET = "net-a003000"
OTHER = f"{FOLDER}/other.img"
OTHER_MIB = 8
# Where a file system is mounted that can be frozen, and its image.
FROZEN = "/run/frozen"
# A disk counts as stalled after ten.
STALL_SECONDS = 40


def scenario(board):
    devices.start(board)
    board.check(f"head -c {OTHER_MIB << 20} /dev/urandom >{OTHER}")
    swap(board)
    stall(board)
    link(board)
    replace(board)


def read(board, mib):
    """Checksum of the beginning of the disk, from behind the zone's cache."""
    return devices.run(board, f"echo 3 >/proc/sys/vm/drop_caches; {devices.read_disk(CACHED, mib)} | md5sum")


def swap(board):
    """The zone's kernel takes size and contents of the other image, and of the old one again."""
    give(board, OTHER)
    expect(read(board, OTHER_MIB) == board.check(f"md5sum <{OTHER}"), "the zone reads something else than other.img")
    board.check(f"hvisorctl device swap {NAME} {DISK} {IMAGES[CACHED]}")
    kept = board.check(f"head -c 1M {IMAGES[CACHED]} | md5sum")
    expect(read(board, 1) == kept, "the zone does not read its own image again")


def give(board, image):
    """Let the zone's disk be this image of OTHER_MIB; its kernel has heard of it then."""
    board.check(f"hvisorctl device swap {NAME} {DISK} {image}")
    devices.run(board, f"for try in $(seq 50); do [ $(cat /sys/block/vdc/size) != {OTHER_MIB << 11} ] || break; "
                f"sleep 0.1; done; [ $(cat /sys/block/vdc/size) = {OTHER_MIB << 11} ]")


def stall(board):
    """A disk that does not answer is named, holds up nothing else, and goes on when it answers."""
    board.check(f"""set -e
        truncate -s 32M {FROZEN}.ext4
        mke2fs -q -t ext4 {FROZEN}.ext4
        mkdir -p {FROZEN}
        mount -o loop {FROZEN}.ext4 {FROZEN}
        truncate -s {OTHER_MIB}M {FROZEN}/disk.img""")
    give(board, f"{FROZEN}/disk.img")
    board.check(f"fsfreeze --freeze {FROZEN}")
    devices.run(board, f"dd if=/dev/zero of={CACHED} bs=4k count=1 conv=fsync 2>/dev/null & true")
    shown = f"hvisorctl device show {NAME} {DISK} | grep -q 'does not answer'"
    board.check(f"timeout {STALL_SECONDS} sh -c \"until {shown}; do sleep 0.5; done\"", STALL_SECONDS + 30)
    for who, asked in (("STATUS", "systemctl show -P StatusText hvisord"), ("the journal", "journalctl -b -u hvisord")):
        # They are told within a second, and whoever asks about the device at once.
        told = board.run(f"for i in $(seq 50); do {asked} | grep answer | grep -q {DISK} && exit; sleep 0.1; done; exit 1")
        expect(told.status == 0, f"{who} does not name the disk that hangs")
    expect(devices.run(board, "head -c 4096 /dev/vdd | wc -c") == "4096", "the other disk hangs, too")
    board.check(f"fsfreeze --unfreeze {FROZEN}")
    devices.run(board, "wait")
    board.check(f"timeout {STALL_SECONDS} sh -c \"while {shown}; do sleep 0.5; done\"", STALL_SECONDS + 30)
    board.check(f"hvisorctl device swap {NAME} {DISK} {IMAGES[CACHED]} && umount {FROZEN}")


def link(board):
    """The zone's kernel sees the carrier go and come, and frames pass again."""
    for state, carrier in ("down", 0), ("up", 1):
        board.check(f"hvisorctl device link {NAME} {NET} {state}")
        devices.run(board, f"for try in $(seq 50); do [ $(cat /sys/class/net/eth0/carrier) != {carrier} ] || break; "
                    f"sleep 0.1; done; [ $(cat /sys/class/net/eth0/carrier) = {carrier} ]")
        answer = board.run(f"busybox ping -c 2 -i 0.2 -W {1 + 4 * carrier} {ON_BRIDGE[1]}")
        expect((answer.status == 0) == (carrier == 1), f"with the link {state} ping says {answer.output!r}")


def replace(board):
    """Its driver lets go of a disk, which makes room for another one in its place."""
    refused = board.run(f"hvisorctl device detach {NAME} {DISK}")
    expect(refused.status != 0 and "unbind" in refused.output, f"detaching a disk in use says {refused.output!r}")
    let_go, take = rebind.transport(rebind.DISK)
    devices.run(board, let_go)
    board.check(f"hvisorctl device detach {NAME} {DISK}")
    # Nothing is there for a driver.
    devices.run(board, f"! {take}; [ ! -e {CACHED} ]")
    board.check(f"""cat >{FOLDER}/other.json <<'END'
{{ "type": "blk", "addr": "0xa003400", "len": "0x200", "irq": 74, "img": "other.img", "serial": "cached" }}
END""")
    attached = board.check(f"hvisorctl device attach {NAME} {FOLDER}/other.json")
    expect(attached == DISK, f"the device is called {attached!r}")
    devices.run(board, take)
    expect(read(board, OTHER_MIB) == board.check(f"md5sum <{OTHER}"), "the zone reads something else than other.img")

# SPDX-License-Identifier: Apache-2.0
"""Devices change while their zone runs: another image, the cable out, one less, one more."""

import devices
from devices import CACHED, IMAGES, NAME, ON_BRIDGE
from linux2 import FOLDER, expect
from scenarios import rebind

DISK = "block-a003400"
NET = "net-a003000"
OTHER = f"{FOLDER}/other.img"
OTHER_MIB = 8


def scenario(board):
    devices.start(board)
    board.check(f"head -c {OTHER_MIB << 20} /dev/urandom >{OTHER}")
    swap(board)
    link(board)
    replace(board)


def read(board, mib):
    """Checksum of the beginning of the disk, from behind the zone's cache."""
    return devices.run(board, f"echo 3 >/proc/sys/vm/drop_caches; head -c {mib << 20} {CACHED} | md5sum")


def swap(board):
    """The zone's kernel takes size and contents of the other image, and of the old one again."""
    board.check(f"hvisorctl device swap {NAME} {DISK} {OTHER}")
    devices.run(board, f"for try in $(seq 50); do [ $(cat /sys/block/vdc/size) != {OTHER_MIB << 11} ] || break; "
                f"sleep 0.1; done; [ $(cat /sys/block/vdc/size) = {OTHER_MIB << 11} ]")
    expect(read(board, OTHER_MIB) == board.check(f"md5sum <{OTHER}"), "the zone reads something else than other.img")
    board.check(f"hvisorctl device swap {NAME} {DISK} {IMAGES[CACHED]}")
    kept = board.check(f"head -c 1M {IMAGES[CACHED]} | md5sum")
    expect(read(board, 1) == kept, "the zone does not read its own image again")


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

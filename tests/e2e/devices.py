# SPDX-License-Identifier: Apache-2.0
"""Zone "devices" of the board: zone 1 with a device of every kind, and its tools."""

import shlex

import linux2
from board import Board
from linux2 import expect

NAME = "devices"
# Its id; the zone calls it hvc1.
SECOND_CONSOLE = "console-a002a00"
IMAGE_MIB = 64
# In the zone, by what serves them: their image through the page cache, or past it.
CACHED = "/dev/vdc"
DIRECT = "/dev/vdd"
IMAGES = {CACHED: f"{linux2.FOLDER}/cached.img", DIRECT: f"{linux2.FOLDER}/direct.img"}

# Addresses of the root zone and the zone on either network.
ON_BRIDGE = ("10.1.0.1", "10.1.0.2")
ON_TAP = ("10.2.0.1", "10.2.0.2")
BRIDGE = "zones"
TAP = "zone1b"

# The zone's disk of tools, for the root zone; its libraries come along.
ROOT_TOOLS = "/run/tools"

# The command that mounts that disk in the zone, and loads the modules of devices.
TAKE_TOOLS = ("mount -o ro /dev/vdb /tools && "
              "for module in $(cat /tools/modules/order); do insmod /tools/modules/$module || break; done")


def start(board: Board):
    """Start the zone with empty disks; nothing to do while it runs already."""
    if linux2.states(board).get(NAME) == "running":
        return
    nonce = linux2.new_disk(board)
    board.check(f"""set -e
        rm -f {' '.join(IMAGES.values())}
        truncate -s {IMAGE_MIB}M {' '.join(IMAGES.values())}
        if [ ! -e /sys/class/net/{BRIDGE} ]; then
            modprobe bridge
            busybox brctl addbr {BRIDGE}
            busybox ip address add {ON_BRIDGE[0]}/24 dev {BRIDGE}
            busybox ip link set {BRIDGE} up
        fi
        if [ ! -e {ROOT_TOOLS} ]; then
            mkdir {ROOT_TOOLS}
            modprobe loop
            mount -o loop,ro {linux2.FOLDER}/tools.ext4 {ROOT_TOOLS}
        fi""")
    linux2.start(board, nonce, NAME)
    board.check(f"busybox ip address add {ON_TAP[0]}/24 dev {TAP}")
    run(board, f"{TAKE_TOOLS} && {set_up('eth0', ON_BRIDGE[1])} && {set_up('eth1', ON_TAP[1])}")


def set_up(interface: str, address: str) -> str:
    """The command that gives a network interface of the zone its address."""
    return f"ip address add {address}/24 dev {interface} && ip link set {interface} up"


def read_disk(disk: str, mib: int) -> str:
    """The command that reads the first MiB of a disk of the zone; busybox's head does so byte by byte."""
    return f"dd if={disk} bs=1M count={mib} 2>/dev/null"


def run(board: Board, command: str, seconds: int = 60) -> str:
    """Run a command in the zone; what it prints."""
    return linux2.run(board, command, seconds, NAME)


def root_tool(name: str) -> str:
    """The command that runs a program of the disk of tools in the root zone."""
    return f"{ROOT_TOOLS}/lib/ld-linux-aarch64.so.1 --library-path {ROOT_TOOLS}/lib {ROOT_TOOLS}/bin/{name}"


def fio(board: Board, options: str, seconds: int = 120) -> list[list[str]]:
    """Run fio in the zone; for each job the fields of its terse output, version 3.

    An error of fio, a wrong checksum among them, fails the scenario.
    """
    common = "--output-format=terse --terse-version=3 --ioengine=libaio --direct=1 --thread"
    output = run(board, f"fio {common} {options}", seconds)
    jobs = [line.split(";") for line in output.splitlines() if line.startswith("3;fio-")]
    expect(bool(jobs) and all(job[4] == "0" for job in jobs), f"fio {options} reports an error: {output[-600:]}")
    return jobs


def requests(board: Board, disk: str) -> dict[str, int]:
    """How many requests the zone's kernel has sent to a disk, by kind."""
    fields = run(board, f"cat /sys/block/{shlex.quote(disk.removeprefix('/dev/'))}/stat").split()
    return {"reads": int(fields[0]), "writes": int(fields[4]), "discards": int(fields[11]), "flushes": int(fields[15])}

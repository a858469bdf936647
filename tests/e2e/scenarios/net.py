# SPDX-License-Identifier: Apache-2.0
"""Ping and TCP both ways, over a bridge and over a tap by itself."""

import json
import re

import devices
from devices import ON_BRIDGE, ON_TAP
from linux2 import expect

PORT = 5001
MIB = 1
PINGS = 20
# Of TCP each way: long enough to be a figure, and to be sure that it flows.
SECONDS = 3
BRIEFLY = 1


def scenario(board):
    devices.start(board)
    master = board.check("readlink /sys/class/net/zone1a/master")
    expect(master.endswith(devices.BRIDGE), f"zone1a is a port of {master}")
    for interface, last in (("eth0", "0a"), ("eth1", "0b")):
        address = devices.run(board, f"cat /sys/class/net/{interface}/address")
        expect(address == f"02:00:00:00:01:{last}", f"{interface} has the address {address}")

    for name, (root, zone) in (("bridge", ON_BRIDGE), ("tap", ON_TAP)):
        ping(board, f"{name}, root zone to zone", lambda command: board.check(f"busybox {command}"), zone)
        ping(board, f"{name}, zone to root zone", lambda command: devices.run(board, command), root)
        copy(board, root, zone)
    for direction, option in (("into the zone", ""), ("out of the zone", "-R")):
        board.figure(f"TCP {direction}: {speed(board, option):.0f} Mbit/s")


def ping(board, label, run, address):
    """No answer is missing."""
    output = run(f"ping -c {PINGS} -i 0.2 -W 5 {address}")
    expect(" 0% packet loss" in output, f"{label}: {output.splitlines()[-2:]}")
    least, mean, most = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+) ms", output).groups()
    board.figure(f"ping, {label}: {least}, {mean}, {most} ms (least, mean, most)")


def copy(board, root, zone):
    """A file to the zone and back comes as it went."""
    sent = board.check(f"head -c {MIB << 20} /dev/urandom >/run/sent && md5sum </run/sent")
    devices.run(board, f"nc -l -p {PORT} -e dd of=/tmp/copy bs=64k & true")
    board.check(f"for try in $(seq 20); do busybox nc {zone} {PORT} </run/sent && exit; sleep 0.2; done; exit 1")
    expect(devices.run(board, "wait; md5sum </tmp/copy") == sent, f"{zone} received another file than was sent")

    board.check(f"rm -f /run/back; busybox nc -l -p {PORT} -e busybox dd of=/run/back bs=64k >/dev/null 2>&1 & true")
    devices.run(board, f"for try in $(seq 20); do nc {root} {PORT} </tmp/copy && break; sleep 0.2; done")
    # The last bytes may still be in their socket.
    board.check(f"for try in $(seq 50); do [ $(stat -c %s /run/back) != {MIB << 20} ] || exit 0; sleep 0.1; done; exit 1")
    expect(board.check("md5sum </run/back") == sent, f"{root} received another file than was sent")


def speed(board, option):
    """Mbit/s that arrive, by iperf3."""
    devices.run(board, "iperf3 -s -1 -D >/dev/null; sleep 1")
    report = json.loads(board.check(f"{devices.root_tool('iperf3')} -J -t {SECONDS if board.measures else BRIEFLY} {option} -c {ON_BRIDGE[1]}"))
    return report["end"]["sum_received"]["bits_per_second"] / 1e6

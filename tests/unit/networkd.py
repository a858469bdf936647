#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""systemd-networkd makes a bridge of configs/networkd/ that taps of the ready zone files and the wire join.

    networkd.py SYSTEMD-NETWORKD CONFIGS

Runs networkd in namespaces of its own; exits with 77 where that is not possible.
"""

import fcntl
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import time

SECONDS = 20
WIRES = ["eth0", "end0", "eno1", "enp1s0", "enp0s3f0"]
# Not for the bridge: a second port, a VPN, a container's end.
OTHERS = ["eth1", "vpn0", "tap-peer"]

# <linux/if_tun.h>
TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI = 2, 0x1000
IFF_UP = 1


def enter_namespaces():
    """A network without links, folders of networkd without files, and no udev, whose links it would wait for."""
    os.unshare(os.CLONE_NEWNS | os.CLONE_NEWNET)
    for arguments in (["--make-rprivate", "/"], ["-t", "sysfs", "-o", "ro", "sysfs", "/sys"],
                      *(["-t", "tmpfs", "tmpfs", folder]
                        for folder in ("/run", "/etc/systemd/network", "/usr/lib/systemd/network"))):
        subprocess.run(["mount", *arguments], check=True)
    pathlib.Path("/run/systemd").mkdir()


def configure(name, text):
    path = pathlib.Path("/etc/systemd/network", name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def install(folder):
    """As the README there says, and links for a machine that has none."""
    for file in [*folder.glob("*.netdev"), *folder.glob("*.network")]:
        configure(f"60-{file.name}", file.read_text(encoding="utf-8"))
    for wire in [*WIRES, "eth1"]:
        peer = "tap-peer" if wire == "eth1" else f"peer-{wire}"
        configure(f"10-{wire}.netdev", f"[NetDev]\nName={wire}\nKind=veth\n[Peer]\nName={peer}\n")
    # Only a machine's own links have no kind.
    configure("60-hvisor-uplink.network.d/kind.conf", "[Match]\nKind=\nKind=veth\n")


def make_tap(name):
    """The descriptor, with which the link goes."""
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def taps_of(configs):
    """Names in the ready zone files, without a bridge of their own."""
    def devices(value):
        if isinstance(value, dict):
            if "tap" in value and "bridge" not in value:
                yield value["tap"]
            value = list(value.values())
        if isinstance(value, list):
            for each in value:
                yield from devices(each)

    # Comments are whole lines there, or behind what they are about.
    texts = (file.read_text(encoding="utf-8") for file in configs.glob("*/*/*.json"))
    lines = (("\n".join(line.split(" //")[0] for line in text.splitlines() if not line.lstrip().startswith("//")))
             for text in texts)
    return {tap for text in lines for tap in devices(json.loads(text))}


def master(name):
    link = pathlib.Path("/sys/class/net", name, "master")
    return link.readlink().name if link.is_symlink() else ""


def is_up(name):
    flags = pathlib.Path("/sys/class/net", name, "flags")
    return flags.exists() and int(flags.read_text(encoding="ascii"), 16) & IFF_UP != 0


def wait_until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def problems(taps):
    """What networkd has not done, while it runs."""
    if not wait_until(lambda: is_up("br0") and all(master(wire) == "br0" for wire in WIRES)):
        return ["a wire has not joined the bridge"]
    if not wait_until(lambda: all(os.path.exists(f"/sys/class/net/{name}") for name in OTHERS if name != "vpn0")):
        return ["networkd made no links for this test"]
    # A zone starts.
    made = [make_tap(name) for name in ["vpn0", *sorted(taps)]]
    found = [] if wait_until(lambda: all(master(tap) == "br0" and is_up(tap) for tap in taps)) else [
        f"not all of {taps} have joined the bridge"]
    found += [f"{other} is a port of {master(other)}" for other in OTHERS if master(other)]
    for tap in made:
        os.close(tap)
    return found


def main(networkd, configs):
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        sys.exit(77)
    configs = pathlib.Path(configs)
    taps = taps_of(configs)
    assert taps, "no ready zone file has a tap"
    enter_namespaces()
    install(configs / "networkd")
    with tempfile.TemporaryFile("w+") as log:
        with subprocess.Popen([networkd], stdout=log, stderr=log,
                              env=os.environ | {"SYSTEMD_LOG_TARGET": "console"}) as process:
            try:
                found = problems(taps)
            finally:
                process.terminate()
                process.wait(SECONDS)
        log.seek(0)
        said = log.read()
    # What it does not understand it says, with the line.
    found += re.findall(r"^/etc/systemd/network/\S+:\d+:.*$", said, re.M)
    if found:
        sys.exit("\n".join([*found, said]))


main(*sys.argv[1:])

# SPDX-License-Identifier: Apache-2.0
"""Devices change while their zone runs: by hvisorctl and by busctl, and the signals of it.

    changes.py HVISORD HVISORCTL
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile

from jeepney import HeaderFields, MatchRule, message_bus
from messages import NAME, ROOT, Connection, method

import support

ROOMY = support.ZONE.replace('"virtual_start": "0xa003c00", "size": "0x200"',
                             '"virtual_start": "0xa003c00", "size": "0x400"')
DEVICE = '{ "type": "blk", "addr": "0xa003e00", "len": "0x200", "irq": 78, "img": "more.img" }'


def main(hvisord, hvisorctl):
    hvisorctl = os.path.abspath(hvisorctl)
    with support.Daemon(hvisord, zone=ROOMY), tempfile.TemporaryDirectory() as folder:
        for name, size in ("more.img", 8192), ("other.img", 131072):
            with open(f"{folder}/{name}", "wb") as file:
                file.truncate(size)
        with open(f"{folder}/more.json", "w", encoding="utf-8") as file:
            file.write(DEVICE)

        def ctl(*arguments, status=0):
            result = subprocess.run([hvisorctl, "--bus=session", *arguments], check=False, cwd=folder,
                                    capture_output=True, text=True, stdin=subprocess.DEVNULL)
            assert result.returncode == status, f"{arguments}: {result}"
            return result

        def devices():
            return {device["Id"]: device for device in json.loads(ctl("-o", "json", "device", "list").stdout)}

        # While it does not run there is nothing to change.
        assert "does not run" in ctl("device", "attach", "guest1", "more.json", status=7).stderr
        ctl("zone", "start", "guest1")
        with support.Monitor(hvisorctl) as monitor:
            support.wait_until(lambda: ctl("status").returncode == 0, "no status")
            assert ctl("device", "attach", "guest1", "more.json").stdout == "block-a003e00\n"
            assert devices()["block-a003e00"]["Size"] == 8192
            # Relative names count from the folder of the file, and the daemon opens none of them.
            assert devices()["block-a003e00"]["Backend"] == "more.img"
            said = ctl("device", "attach", "guest1", "more.json", status=8).stderr
            assert "more.json:1:26: /addr: " in said and "overlaps that of block-a003e00" in said and "/img: more.img is a disk of zone guest1" in said, said

            assert ctl("device", "swap", "guest1", "block-a003e00", "other.img").stdout == "131072 bytes\n"
            changed = devices()["block-a003e00"]
            assert (changed["Size"], changed["Backend"]) == (131072, f"{folder}/other.img"), changed
            assert "another zone or program" in ctl(
                "device", "swap", "guest1", "block-a003c00", "other.img", status=7).stderr
            assert "is no disk" in ctl("device", "swap", "guest1", "console-a003800", "more.img", status=3).stderr
            assert "none.img" in ctl("device", "swap", "guest1", "block-a003e00", "none.img", status=3).stderr
            assert "no network device" in ctl("device", "link", "guest1", "block-a003e00", "up", status=3).stderr
            ctl("device", "link", "guest1", "block-a003e00", "sideways", status=2)

            line = ctl("--verbose", "device", "detach", "guest1", "block-a003e00").stderr.splitlines()[-1]
            assert line.endswith("org.syswonder.hvisor1.Device Detach a{sv} 0"), line
            assert "block-a003e00" not in devices()
            assert "has no device" in ctl("device", "detach", "guest1", "block-a003e00", status=3).stderr
            # What it says that busctl would do, busctl does.
            ctl("device", "attach", "guest1", "more.json")
            subprocess.run(shlex.split(line), check=True)
            assert "block-a003e00" not in devices()
            ctl("device", "attach", "guest1", "more.json")
            detach_in_order()
            events = monitor.events()
        for event in "added guest1 block-a003e00", "Backend", "Size", "removed guest1 block-a003e00":
            assert event in events, events

        # Killed and shut down are the same where there is no agent to ask.
        ctl("zone", "shutdown", "guest1", "--timeout", "5")
        ctl("zone", "start", "guest1")
        assert "block-a003e00" not in devices()
        line = ctl("--verbose", "zone", "kill", "guest1").stderr.splitlines()[-1]
        assert line.endswith("org.syswonder.hvisor1.Zone Kill a{sv} 0"), line
        assert "does not run" in ctl("zone", "kill", "guest1", status=7).stderr
        ctl("zone", "shutdown", "guest1", "--timeout", "-1", status=2)

    if support.can_have_taps():
        pull_cable(hvisord, hvisorctl)


def detach_in_order():
    """A device's object goes when its last call has been answered: an answer is checked against
    the signature that the object has for it. The next call does not find it any more."""
    connection = Connection()
    connection.call(message_bus.AddMatch(MatchRule(type="signal", member="InterfacesRemoved", path=ROOT)))
    path = f"{ROOT}/zone/guest1/device/block_2da003e00"
    call = connection.send(method(path, f"{NAME}.Device", "Detach", "a{sv}", ({},)))
    heard = []
    while len(heard) < 2:
        message = connection.receive(10)
        assert message is not None, heard
        if message.header.fields.get(HeaderFields.reply_serial) == call:
            # At once, without waiting for the signal.
            objects, = connection.call(method(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"))
            heard += ["answered", "listed" if path in objects else "not listed"]
        elif message.header.fields[HeaderFields.member] == "InterfacesRemoved":
            heard.append("removed")
    assert heard == ["answered", "not listed"], heard
    connection.close()


def pull_cable(hvisord, hvisorctl):
    """The link of a network device follows the command, and is told to clients."""
    device = "/org/syswonder/hvisor1/zone/guest1/device/net_2da003000"

    def prop(name):
        command = ["busctl", "--user", "get-property", "org.syswonder.hvisor1", device,
                   "org.syswonder.hvisor1.Device.Net", name]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    with support.Daemon(hvisord, prefix=support.NETWORK, zone=support.NET_ZONE, virtio=support.NET_VIRTIO):
        subprocess.run([hvisorctl, "--bus=session", "zone", "start", "guest1"], check=True)
        assert prop("Mac") == 's "02:00:00:00:01:0a"', prop("Mac")
        support.wait_until(lambda: prop("LinkUp") == "b true", "the link is not up")
        for state, word in ("down", "false"), ("up", "true"):
            subprocess.run([hvisorctl, "--bus=session", "device", "link", "guest1", "net-a003000", state], check=True)
            assert prop("Plugged") == f"b {word}"
            assert prop("LinkUp") == f"b {word}"
        shown = subprocess.run([hvisorctl, "--bus=session", "device", "show", "guest1", "net-a003000"], check=True,
                               capture_output=True, text=True).stdout
        assert "up, 02:00:00:00:01:0a, MTU 1500" in shown, shown


main(*sys.argv[1:])

# SPDX-License-Identifier: Apache-2.0
"""Keyboards and pointers of a zone whose guest has no driver yet: what hvisorctl and the bus
say of them. What a guest hears of keys is seen by the unit test zone_devices, and on the
emulated board.

    input.py HVISORD HVISORCTL
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time

import support

ZONE = "/org/syswonder/hvisor1/zone/guest1"
KEYBOARD = f"{ZONE}/device/input_2da003200"
INTERFACE = "org.syswonder.hvisor1.Device.Input"
HEADER = "/usr/include/linux/input-event-codes.h"
SECOND = """{ "type": "input", "addr": "0xa003400", "len": "0x200", "irq": 75, "model": "evdev",
  "path": "/dev/input/event9999" }"""
REGION = """{ "type": "virtio", "physical_start": "0xa003400", "virtual_start": "0xa003400", "size": "0x200" },"""


def busctl(*arguments, status=0):
    result = subprocess.run(["busctl", "--user", *arguments], check=False, capture_output=True, text=True)
    assert (result.returncode == 0) == (status == 0), f"{arguments}: {result}"
    return result.stdout + result.stderr


def send(*arguments):
    """What SendKeys refuses them with."""
    return busctl("call", "org.syswonder.hvisor1", ZONE, "org.syswonder.hvisor1.Zone", "SendKeys", "aqa{sv}", *arguments,
                  status=1)


def prop(name):
    return busctl("get-property", "org.syswonder.hvisor1", KEYBOARD, INTERFACE, name).strip()


def main(hvisord, hvisorctl):
    hvisorctl = os.path.abspath(hvisorctl)
    zone, virtio = support.with_inputs(support.ZONE, support.VIRTIO)
    zone = zone.replace('"memory_regions": [', f'"memory_regions": [{REGION}')
    with support.Daemon(hvisord, zone=zone, virtio=virtio), tempfile.TemporaryDirectory() as folder:
        def ctl(*arguments, status=0, **how):
            result = subprocess.run([hvisorctl, "--bus=session", *arguments], check=False, cwd=folder, text=True,
                                    **({"capture_output": True, "stdin": subprocess.DEVNULL} | how))
            assert result.returncode == status, f"{arguments}: {result}"
            return result

        names(ctl)
        assert "does not run" in ctl("zone", "send-key", "guest1", "a", status=3).stderr
        ctl("zone", "start", "guest1")

        assert prop("Model") == 's "keyboard"' and prop("Name") == 's "hvisor keyboard"', prop("Name")
        assert prop("Leds") == "as 0" and prop("EventsDropped") == "t 0"
        device = json.loads(ctl("-o", "json", "device", "show", "guest1", "input-a003600").stdout)
        assert device["Type"] == "input" and device["Backend"] == "tablet", device
        assert device["Model"] == "tablet" and device["Leds"] == [] and device["EventsDropped"] == 0, device
        shown = ctl("device", "show", "guest1", "input-a003200").stdout
        assert "Input:         hvisor keyboard\n" in shown, shown
        metrics = ctl("-o", "openmetrics", "stats").stdout
        assert 'hvisor_input_events_dropped_total{zone="guest1",device="input-a003200",type="input"} 0' in metrics, metrics

        keys(ctl)
        changes(ctl, folder)
        # There is a keyboard, and nobody who would hear of its power key: it takes no time to find that out.
        begin = time.monotonic()
        ctl("zone", "shutdown", "guest1", "--timeout=60")
        assert time.monotonic() - begin < 20


def names(ctl):
    """All keys of the kernel's header have their names."""
    listed = ctl("zone", "send-key", "--list").stdout.split()
    assert {"a", "leftctrl", "f12", "power", "1", "102nd", "hanguel", "hangeul"} <= set(listed), listed
    assert not {"max", "cnt", "reserved", "min_interesting"} & set(listed)
    if os.path.exists(HEADER):
        with open(HEADER, encoding="utf-8") as header:
            defined = set(re.findall(r"^#define KEY_(\w+)", header.read(), re.M))
        assert set(listed) == {name.lower() for name in defined} - {"max", "cnt", "reserved", "min_interesting"}


def keys(ctl):
    """What may be sent, and what is said where it cannot be."""
    said = ctl("--verbose", "zone", "send-key", "guest1", "leftctrl", "KEY_LEFTALT", "Delete", "1", "200", "--hold=5",
               status=7).stderr
    call = "org.syswonder.hvisor1.Zone SendKeys aqa{sv} 5 29 56 111 2 200 1 hold-usec t 5000"
    assert any(line.endswith(call) for line in said.splitlines()), said
    assert "no driver of the zone uses its keyboard" in said, said
    assert "SendKeys aqa{sv} 1 30 0" in ctl("--verbose", "zone", "send-key", "1", "a", status=7).stderr
    assert "kei is no key; hvisorctl zone send-key --list has all" in ctl("zone", "send-key", "guest1", "kei", status=2).stderr
    assert "SendKeys aqa{sv} 1 11 0" in ctl("--verbose", "zone", "send-key", "guest1", "0", status=7).stderr  # a key, no number
    for wrong in (["guest1"], [], ["guest1", "65536"], ["guest1", "-1"], ["guest1", "a", "--hold=10001"],
                  ["guest1", *["a"] * 17]):
        ctl("zone", "send-key", *wrong, status=2)
    assert "has no key 272" in ctl("zone", "send-key", "guest1", "272", status=8).stderr
    assert "name or number 'nobody'" in ctl("zone", "send-key", "nobody", "a", status=3).stderr

    assert "0 keys; expected 1 to 16" in send("0", "0")
    assert "17 keys" in send("17", *["30"] * 17, "0")
    assert "at most 10000000" in send("1", "30", "1", "hold-usec", "t", "10000001")
    assert "must be of type 't'" in send("1", "30", "1", "hold-usec", "s", "long")
    assert "knows no option 'holds'" in send("1", "30", "1", "holds", "t", "1")
    assert "no driver of the zone uses its keyboard" in send("1", "30", "0")


def changes(ctl, folder):
    """They come and go while the zone runs."""
    with open(f"{folder}/second.json", "w", encoding="utf-8") as file:
        file.write(SECOND)
    said = ctl("device", "attach", "guest1", "second.json", status=3).stderr
    assert "/path: /dev/input/event9999: No such file or directory" in said, said
    with open(f"{folder}/second.json", "w", encoding="utf-8") as file:
        file.write(SECOND.replace("evdev", "mouse").replace("path", "Path"))
    assert "/path" in ctl("device", "attach", "guest1", "second.json", status=8).stderr.lower()
    with open(f"{folder}/second.json", "w", encoding="utf-8") as file:
        file.write(re.sub(r",\s*\"path\".*?\"(?= })", "", SECOND.replace("evdev", "mouse"), flags=re.S))
    assert ctl("device", "attach", "guest1", "second.json").stdout == "input-a003400\n"
    ctl("device", "detach", "guest1", "input-a003200")
    said = ctl("zone", "send-key", "guest1", "a", status=3).stderr
    assert "the zone has no keyboard of its own" in said and '"keyboard"' in said, said
    ctl("device", "detach", "guest1", "input-a003400")


main(*sys.argv[1:])

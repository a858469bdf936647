# SPDX-License-Identifier: Apache-2.0
"""Displays of a zone whose guest has not begun to draw: what hvisorctl and the bus say of them.
What a guest draws is seen by the unit test zone_devices, and on the emulated board.

    display.py HVISORD HVISORCTL
"""

import json
import os
import pty
import subprocess
import sys
import tempfile

import support

DEVICE = "/org/syswonder/hvisor1/zone/guest1/device/gpu_2da003400"
INTERFACE = "org.syswonder.hvisor1.Device.Gpu"
SECOND = '{ "type": "gpu", "addr": "0xa003400", "len": "0x200", "irq": 74, "backend": "headless" }'


def busctl(*arguments, status=0):
    result = subprocess.run(["busctl", "--user", *arguments], check=False, capture_output=True, text=True)
    assert (result.returncode == 0) == (status == 0), f"{arguments}: {result}"
    return result.stdout + result.stderr


def call(member, *arguments, status=0):
    return busctl("call", "org.syswonder.hvisor1", DEVICE, INTERFACE, member, *arguments, status=status)


def prop(name):
    return busctl("get-property", "org.syswonder.hvisor1", DEVICE, INTERFACE, name).strip()


def main(hvisord, hvisorctl):
    hvisorctl = os.path.abspath(hvisorctl)
    zone, virtio = support.with_gpu(support.ZONE, support.VIRTIO)
    with support.Daemon(hvisord, zone=zone, virtio=virtio), tempfile.TemporaryDirectory() as folder:
        def ctl(*arguments, status=0, **how):
            result = subprocess.run([hvisorctl, "--bus=session", *arguments], check=False, cwd=folder, text=True,
                                    **({"capture_output": True, "stdin": subprocess.DEVNULL} | how))
            assert result.returncode == status, f"{arguments}: {result}"
            return result

        assert ctl("display", "list").stdout.split() == "ZONE DISPLAY CONNECTOR MODE STATE FPS VNC VIEWERS".split()
        assert "has no display" in ctl("screenshot", "root-linux", status=3).stderr
        ctl("zone", "start", "guest1")

        # Each as it was configured, and nothing drawn.
        table = [line.split() for line in ctl("--no-legend", "display", "list", "guest1").stdout.splitlines()]
        assert table == [["guest1", "0", "headless", "1280x800", "60", "Hz", "off", "0", "-", "0"],
                         ["guest1", "1", "headless", "640x480", "60", "Hz", "off", "0", "-", "0"]], table
        rows = json.loads(ctl("-o", "json", "display", "list").stdout)
        assert rows[1] == {"Zone": "guest1", "Device": "gpu-a003400", "Display": 1, "Connector": "", "Connected": True,
                           "On": False, "Width": 640, "Height": 480, "Refresh": 60000, "Frames": 0,
                           "FramesPerSecond": 0, "Vnc": "", "Viewers": 0, "Renderer": ""}, rows
        assert prop("Displays") == 'a(sbbuuu) 2 "" true false 1280 800 60000 "" true false 640 480 60000', prop("Displays")
        assert prop("Frames") == "a(tu) 2 0 0 0 0"
        assert prop("Renderer") == 's ""'
        assert prop("MemoryUsed") == "t 0" and prop("MemoryLimit") == f"t {256 << 20}"
        shown = ctl("device", "show", "guest1", "gpu-a003400").stdout
        assert "Display 1:     headless, 640 by 480, off, 0 frames" in shown, shown
        device = json.loads(ctl("-o", "json", "device", "show", "guest1", "gpu-a003400").stdout)
        assert device["Type"] == "gpu" and device["Backend"] == "headless", device
        assert device["Displays"][0] == ["", True, False, 1280, 800, 60000] and device["Frames"] == [[0, 0], [0, 0]], device
        metrics = ctl("-o", "openmetrics", "stats").stdout
        assert 'hvisor_display_frames_total{zone="guest1",device="gpu-a003400",type="gpu",display="1"} 0' in metrics, metrics
        connectors = json.loads(ctl("-o", "json", "display", "connectors").stdout)
        assert isinstance(connectors, list), connectors

        screenshots(ctl, folder)
        resizing(ctl, hvisorctl)

        # One of them is enough.
        with open(f"{folder}/second.json", "w", encoding="utf-8") as file:
            file.write(SECOND)
        said = ctl("device", "attach", "guest1", "second.json", status=7).stderr
        assert "second.json:1:11: /type: the zone has a device of this type already" in said, said
        ctl("device", "detach", "guest1", "gpu-a003400")
        assert ctl("--no-legend", "display", "list").stdout == ""
        assert ctl("device", "attach", "guest1", "second.json").stdout == "gpu-a003400\n"
        assert len(ctl("--no-legend", "display", "list").stdout.splitlines()) == 1
        ctl("zone", "shutdown", "guest1")
        # It is kept for its console, and its screens are not.
        assert "the display is off" in ctl("screenshot", "guest1", status=7).stderr
        assert "the zone has stopped" in ctl("display", "resize", "guest1", "640x480", status=7).stderr
        ctl("zone", "start", "guest1")
        assert len(ctl("--no-legend", "display", "list").stdout.splitlines()) == 2


def screenshots(ctl, folder):
    """There is nothing to be seen, and no file is left of it."""
    said = ctl("screenshot", "guest1", status=7).stderr
    assert "the display is off" in said, said
    assert "no display 2" in ctl("screenshot", "guest1", "--display", "2", status=3).stderr
    ctl("screenshot", "guest1", "--display", "-1", status=2)
    ctl("screenshot", status=2)
    assert os.listdir(folder) == []
    line = ctl("--verbose", "screenshot", "guest1", "a.png", "--cursor", "--display=1", status=7).stderr.splitlines()
    assert any(each.endswith(f"{DEVICE} {INTERFACE} Screenshot ua{{sv}} 1 1 cursor b true") for each in line), line
    # A terminal gets no picture, and the daemon is not asked for one.
    main, terminal = pty.openpty()
    said = ctl("screenshot", "guest1", "-", status=2, capture_output=False, stdout=terminal, stderr=subprocess.PIPE).stderr
    assert "nothing for a terminal" in said, said
    os.close(main)
    os.close(terminal)
    said = call("Screenshot", "ua{sv}", "0", "1", "pointer", "b", "true", status=1)
    assert "knows no option 'pointer'" in said, said
    assert "must be of type 'b'" in call("Screenshot", "ua{sv}", "0", "1", "cursor", "s", "yes", status=1)
    assert "no display 4294967295" in call("Screenshot", "ua{sv}", "4294967295", "0", status=1)


def resizing(ctl, hvisorctl):
    """Another size is told to clients."""
    with support.Monitor(hvisorctl) as monitor:
        support.wait_until(lambda: ctl("status").returncode == 0, "no status")
        line = ctl("--verbose", "display", "resize", "guest1", "1920x1080", "--display", "1").stderr.splitlines()[-1]
        assert line.endswith(f"{INTERFACE} Resize uuua{{sv}} 1 1920 1080 0"), line
        support.wait_until(lambda: "1920 1080" in prop("Displays"), "the display keeps its size")
        events = monitor.events()
    assert 'changed guest1 gpu-a003400 "Displays"' in events and "1920" in events, events
    assert "1280 800" in prop("Displays")
    for size in "1920", "1920x", "x1080", "1920x1080x2", "axb", "4294967296x1":
        assert "expected a size such as 1280x800" in ctl("display", "resize", "guest1", size, status=2).stderr, size
    assert "32 to 8192" in ctl("display", "resize", "guest1", "1x1", status=8).stderr
    assert "no display 7" in ctl("display", "resize", "guest1", "800x600", "--display", "7", status=3).stderr


main(*sys.argv[1:])

# SPDX-License-Identifier: Apache-2.0
"""A zone's screen by VNC: hvisord, hvisor-vnc as it runs without systemd, and a viewer.
What a viewer sees is the unit test vnc's; here it is who can, where, and what is said.

    vnc.py HVISORD HVISORCTL HVISOR-VNC
"""

import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import support

DEVICE = "/org/syswonder/hvisor1/zone/guest1/device/gpu_2da003400"
INTERFACE = "org.syswonder.hvisor1.Device.Gpu"
BANNER = b"RFB 003.008\n"


def connect(path):
    """A viewer that has been greeted."""
    viewer = socket.socket(socket.AF_UNIX)
    viewer.settimeout(30)
    viewer.connect(str(path))
    assert viewer.recv(len(BANNER), socket.MSG_WAITALL) == BANNER
    return viewer


def prop():
    return subprocess.run(["busctl", "--user", "get-property", "org.syswonder.hvisor1", DEVICE, INTERFACE, "Viewers"],
                          check=True, capture_output=True, text=True).stdout.strip()


def main(hvisord, hvisorctl, hvisor_vnc):
    hvisorctl = os.path.abspath(hvisorctl)
    zone, virtio = support.with_gpu(support.ZONE, support.VIRTIO, '[{ "vnc": {} }]')

    def ctl(*arguments, status=0, **how):
        result = subprocess.run([hvisorctl, "--bus=session", *arguments], check=False, text=True,
                                capture_output=True, stdin=subprocess.DEVNULL, **how)
        assert result.returncode == status, f"{arguments}: {result}"
        return result

    with tempfile.TemporaryDirectory() as runtime:
        screen = Path(runtime, "vnc", "guest1")
        with (subprocess.Popen([hvisor_vnc, f"--listen={runtime}/vnc-server", "--user=root"]) as helper,
              support.Daemon(hvisord, environment={"RUNTIME_DIRECTORY": runtime}, zone=zone, virtio=virtio)):
            support.wait_until(Path(runtime, "vnc-server").exists, "hvisor-vnc does not listen")
            ctl("zone", "start", "guest1")
            assert stat.S_IMODE(screen.stat().st_mode) == 0o660
            assert prop() == f'a(su) 1 "{screen}" 0', prop()
            viewer = connect(screen)
            support.wait_until(lambda: prop() == f'a(su) 1 "{screen}" 1', "the viewer is not counted")
            row = ctl("--no-legend", "display", "list").stdout.split()
            assert row[-2:] == [str(screen), "1"], row
            row = json.loads(ctl("-o", "json", "display", "list").stdout)[0]
            assert (row["Vnc"], row["Viewers"]) == (str(screen), 1), row
            viewer.close()
            support.wait_until(lambda: prop().endswith(" 0"), "the viewer is counted still")

            # With the zone goes the screen, and comes with it.
            viewer = connect(screen)
            ctl("zone", "shutdown", "guest1")
            assert viewer.recv(1) == b""
            assert not screen.exists()
            ctl("zone", "start", "guest1")
            connect(screen).close()

            # And with the device.
            ctl("device", "detach", "guest1", "gpu-a003400")
            assert not screen.exists()
            Path(runtime, "gpu.json").write_text('{ "type": "gpu", "addr": "0xa003400", "len": "0x200", "irq": 74, '
                                                 '"backend": "headless", "vnc": { "password_file": "secret" } }',
                                                 encoding="ascii")
            secret = Path(runtime, "secret")
            secret.write_text("123456789\n", encoding="ascii")
            secret.chmod(0o600)
            said = ctl("device", "attach", "guest1", "gpu.json", status=8, cwd=runtime).stderr
            assert "the first line has 9 characters" in said and "/vnc/password_file" in said, said
            assert not screen.exists()
            secret.write_text("12345678\n", encoding="ascii")
            ctl("device", "attach", "guest1", "gpu.json", cwd=runtime)
            viewer = connect(screen)
            viewer.sendall(BANNER)
            # One way to prove who it is, which is VNC's own (RFC 6143, 7.2.2).
            assert viewer.recv(2, socket.MSG_WAITALL) == b"\x01\x02"
            viewer.close()
            helper.terminate()
        assert not screen.exists()


main(*sys.argv[1:])

# SPDX-License-Identifier: Apache-2.0
"""A zone's 3D: hvisord, and hvisor-gpu-render as it runs without systemd. What it draws
is the unit test virgl's; here it is what is said of it, and that a zone starts without it.

    render.py HVISORD HVISORCTL HVISOR-GPU-RENDER
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import support

SKIPPED = 77
DEVICE = "/org/syswonder/hvisor1/zone/guest1/device/gpu_2da003400"
INTERFACE = "org.syswonder.hvisor1.Device.Gpu"


def prop():
    return subprocess.run(["busctl", "--user", "get-property", "org.syswonder.hvisor1", DEVICE, INTERFACE, "Renderer"],
                          check=True, capture_output=True, text=True).stdout.strip()


def main(hvisord, hvisorctl, hvisor_gpu_render):
    hvisorctl = os.path.abspath(hvisorctl)
    zone, virtio = support.with_gpu(support.ZONE, support.VIRTIO, "[{}]")
    virtio = virtio.replace('"backend": "headless"', '"backend": "headless", "renderer": "virgl"')

    def ctl(*arguments, status=0, **how):
        result = subprocess.run([hvisorctl, "--bus=session", *arguments], check=False, text=True,
                                capture_output=True, stdin=subprocess.DEVNULL, **how)
        assert result.returncode == status, f"{arguments}: {result}"
        return result

    with tempfile.TemporaryDirectory() as runtime:
        socket = Path(runtime, "gpu-render")
        with support.Daemon(hvisord, environment={"RUNTIME_DIRECTORY": runtime}, zone=zone, virtio=virtio):
            # Without it there are two dimensions.
            ctl("zone", "start", "guest1")
            assert prop() == 's ""', prop()
            assert "3D:" not in ctl("device", "show", "guest1", "gpu-a003400").stdout
            ctl("zone", "shutdown", "guest1")

            with subprocess.Popen([hvisor_gpu_render, f"--listen={socket}", "--user=root"]) as helper:
                try:
                    support.wait_until(socket.exists, "hvisor-gpu-render does not listen")
                    ctl("zone", "start", "guest1")
                    if prop() == 's ""':
                        print("skipped: Mesa has nothing to draw with here")
                        sys.exit(SKIPPED)
                    assert prop().startswith('s "virgl ('), prop()
                    renderer = prop().removeprefix('s "').removesuffix('"')
                    shown = ctl("device", "show", "guest1", "gpu-a003400").stdout
                    assert f"3D:            {renderer}" in shown, shown
                    row = json.loads(ctl("-o", "json", "display", "list").stdout)[0]
                    assert row["Renderer"] == renderer, row
                    # An end and a beginning have another process.
                    ctl("zone", "restart", "guest1")
                    assert prop() == f's "{renderer}"', prop()
                finally:
                    helper.terminate()
            socket.unlink()
            # What goes does not take the zone along.
            assert "running" in ctl("zone", "list").stdout
            ctl("device", "detach", "guest1", "gpu-a003400")
            Path(runtime, "gpu.json").write_text('{ "type": "gpu", "addr": "0xa003400", "len": "0x200", "irq": 74, '
                                                 '"backend": "headless", "renderer": "virgl" }', encoding="ascii")
            ctl("device", "attach", "guest1", "gpu.json", cwd=runtime)
            assert prop() == 's ""', prop()


main(*sys.argv[1:])

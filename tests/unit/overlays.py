#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Apply every root zone's overlay to a board of its architecture.

    overlays.py DTC FDTOVERLAY FDTGET CONFIGS

Each must compile without a warning, and give the board the node that the
kernel module looks for, with its interrupt, and memory for zones.
"""

import pathlib
import subprocess
import sys
import tempfile

# The least a board has for an overlay to apply to; labels as the overlays name them.
BOARD = """/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    interrupt-parent = <&gic>;
    gic: gic { interrupt-controller; #interrupt-cells = <3>; #address-cells = <0>; };
    plic: plic { interrupt-controller; #interrupt-cells = <1>; #address-cells = <0>; };
    aplic: aplic { interrupt-controller; #interrupt-cells = <2>; #address-cells = <0>; };
    cpuintc: cpuintc { interrupt-controller; #interrupt-cells = <1>; #address-cells = <0>; };
};
"""

# What hvisor wakes the root zone by (aarch64: SPI 0x20, edge; loongarch64: HWI2).
WAKEUP = {
    "aarch64": [0, 0x20, 1],
    "riscv64": [0x20],
    "loongarch64": [4],
}


def run(*command) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode != 0 or done.stderr:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


def cells(fdtget, tree, node, name) -> list[int]:
    return [int(cell, 16) for cell in run(fdtget, "-t", "x", tree, node, name).split()]


def check(tools, overlay: pathlib.Path, folder: pathlib.Path):
    dtc, fdtoverlay, fdtget = tools
    board, blob, root = folder / "board.dtb", folder / "overlay.dtbo", folder / "root.dtb"
    run(dtc, "-q", "-@", "-O", "dtb", "-o", board, folder / "board.dts")
    # Who uses the root node's cells and its interrupt controller dtc does not see here.
    run(dtc, "-O", "dtb", "-o", blob, "-W", "no-interrupts_property",
        "-W", "no-avoid_unnecessary_addr_size", overlay)
    run(fdtoverlay, "-i", board, "-o", root, blob)

    node = "/hvisor_virtio_device"
    assert run(fdtget, root, node, "compatible").strip() == "hvisor"
    architecture = overlay.parent.parent.name
    properties = run(fdtget, "-p", root, node).split()
    if "interrupts-extended" in properties:
        interrupt = cells(fdtget, root, node, "interrupts-extended")[1:]
    else:
        interrupt = cells(fdtget, root, node, "interrupts")
    expected = WAKEUP[architecture] + ([4] if overlay.parent.name == "qemu-aia" else [])
    assert interrupt == expected, f"wake-up interrupt {interrupt}, expected {expected}"

    ranges = []
    for name in run(fdtget, "-l", root, "/reserved-memory").split():
        child = f"/reserved-memory/{name}"
        assert "no-map" in run(fdtget, "-p", root, child).split(), f"{child} is not no-map"
        high, low, size_high, size_low = cells(fdtget, root, child, "reg")
        address, size = high << 32 | low, size_high << 32 | size_low
        assert name == f"zones@{address:x}", f"{child} starts at {address:#x}"
        assert address % 4096 == 0 and size % 4096 == 0 and size > 0, f"{child}: no whole pages"
        ranges.append((address, size))
    assert ranges, "no memory for zones"
    ranges.sort()
    for (address, size), (following, _) in zip(ranges, ranges[1:]):
        assert address + size <= following, f"memory at {address:#x} reaches into that at {following:#x}"


def main(tools, configs: pathlib.Path) -> int:
    overlays = sorted(configs.glob("*/*/root-overlay.dtso"))
    failed = 0 if overlays else 1
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "board.dts").write_text(BOARD)
        for overlay in overlays:
            try:
                check(tools, overlay, folder)
            except (AssertionError, RuntimeError, KeyError) as error:
                failed += 1
                print(f"{overlay.relative_to(configs)}: {error}")
    print(f"{len(overlays)} overlays, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:4], pathlib.Path(sys.argv[4])))

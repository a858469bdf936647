# SPDX-License-Identifier: Apache-2.0
"""Zones of one file on the board, their device trees made for them."""

import json

import linux2
from board import Board

CONSOLE = 0xa003800
DISK = 0xa003c00
# Those of linux2: of the console, of the disk.
INTERRUPTS = 76, 78


def configure(board: Board, name: str, number: int, cpus: list[int], ram: tuple[int, int], disk: str,
              interrupts: tuple[int, int] = INTERRUPTS, ports: tuple[str, ...] = (), devices: tuple[dict, ...] = (),
              **more):
    """Configure a Linux zone with a console, a disk and further devices, which have their
    "addr" and "irq"; `more` goes into the file as it is."""
    address, size = ram
    console_interrupt, disk_interrupt = interrupts
    addresses = [hex(CONSOLE), hex(DISK), *(device["addr"] for device in devices)]
    windows = [{"type": "virtio", "physical_start": at, "virtual_start": at, "size": "0x200"} for at in addresses]
    zone = {
        "name": name,
        "zone_id": number,
        "cpus": cpus,
        "memory_regions": [
            {"type": "ram", "physical_start": hex(address), "virtual_start": hex(address), "size": hex(size)},
            *windows],
        "interrupts": [*interrupts, *(device["irq"] for device in devices)],
        "kernel_filepath": "Image",
        "kernel_load_paddr": hex(address + 0x400000),
        "entry_point": hex(address + 0x400000),
        "dtb": "generate",
        "dtb_load_paddr": hex(address),
        "initrd_filepath": "initramfs.cpio",
        "initrd_load_paddr": hex(address + 0x8000000),
        "cmdline": "console=hvc0 root=/dev/vda",
        "arch_config": {"gicd_base": "0x8000000", "gicd_size": "0x10000",
                        "gicr_base": "0x80a0000", "gicr_size": "0xf60000"},
        "devices": [
            {"type": "console", "addr": hex(CONSOLE), "len": "0x200", "irq": console_interrupt,
             "ports": [{"name": port} for port in ports]},
            {"type": "blk", "addr": hex(DISK), "len": "0x200", "irq": disk_interrupt, "img": disk},
            *({"len": "0x200", **device} for device in devices)],
        **more,
    }
    board.check(f"cat >{linux2.FOLDER}/{name}.json <<'END'\n{json.dumps(zone, indent=1)}\nEND")

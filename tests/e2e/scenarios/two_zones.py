# SPDX-License-Identifier: Apache-2.0
"""Two zones at once, a CPU and half of the memory each, at the same windows."""

import linux2
import zone_file
from linux2 import expect

HALF = 0x18000000
# hvisor makes the interrupts of devices itself, so zones may use the same numbers. The
# test hypervisor takes those of the board's own controller, where one belongs to one zone.
ZONES = {
    "left": {"number": 1, "cpus": [2], "ram": (0x50000000, HALF)},
    "right": {"number": 2, "cpus": [3], "ram": (0x50000000 + HALF, HALF), "interrupts": (72, 74)},
}


def scenario(board):
    nonces = {}
    for name, zone in ZONES.items():
        disk = f"{linux2.FOLDER}/{name}.ext4"
        nonces[name] = linux2.new_disk(board, disk)
        zone_file.configure(board, name, disk=disk, **zone)
        board.check(f"hvisorctl zone start {name}", linux2.BOOT_SECONDS)
    for name, nonce in nonces.items():
        linux2.wait_marker(board, nonce, name)

    states = linux2.states(board)
    expect(all(states[name] == "running" for name in ZONES), f"not both zones run: {states}")
    for name in ZONES:
        expect(linux2.run(board, "nproc", zone=name) == "1", f"zone {name} has not one CPU")
        # Each writes to its own disk while the other does.
        linux2.run(board, f"echo {name} >/data/name && sync", zone=name)
    for name in ZONES:
        written = linux2.run(board, "cat /data/name", zone=name)
        expect(written == name, f"the disk of zone {name} has {written}")

    # One ends, the other does not notice.
    board.check("hvisorctl zone shutdown left")
    expect(linux2.run(board, "cat /data/name", zone="right") == "right", "zone right went with zone left")
    board.check("hvisorctl zone shutdown right")

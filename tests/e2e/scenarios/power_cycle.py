# SPDX-License-Identifier: Apache-2.0
"""Zones that are enabled come up by themselves when the board gets its power back, in the
order that After= says, and the unit of one that fails says so."""

import json

import linux2
import zone_file
from linux2 import expect

FIRST, SECOND = "first", "second"
HALF = 0x18000000
# A guest that reads where it has nothing: mov x0, #0; ldr w1, [x0]; b .
LOST_GUEST = r"\000\000\200\322\001\000\100\271\000\000\000\024"


def unit(zone):
    return f"hvisor-zone@{zone}.service"


def configure_lost(board, name):
    """A zone without devices whose guest fails as soon as it runs."""
    start = hex(0x50000000 + HALF)
    zone = {"name": name, "zone_id": 2, "arch": "arm64", "cpus": [3], "interrupts": [], "devices": [],
            "memory_regions": [{"type": "ram", "physical_start": start, "virtual_start": start, "size": "0x100000"}],
            "kernel_filepath": "lost.bin", "kernel_load_paddr": start, "entry_point": start,
            "arch_config": {"gicd_base": "0x8000000", "gicd_size": "0x10000",
                            "gicr_base": "0x80a0000", "gicr_size": "0xf60000"}}
    board.check(f"""set -e
        printf '{LOST_GUEST}' >{linux2.FOLDER}/lost.bin
        cat >{linux2.FOLDER}/{name}.json <<'END'\n{json.dumps(zone)}\nEND""")


def scenario(board):
    nonce = linux2.new_disk(board)
    zone_file.configure(board, FIRST, 1, [2], (0x50000000, HALF), linux2.DISK)
    configure_lost(board, SECOND)
    after = f"/etc/systemd/system/{unit(SECOND)}.d"
    board.check(f"""set -e
        mkdir -p {after}
        printf '[Unit]\\nAfter={unit(FIRST)}\\n' >{after}/order.conf
        systemctl enable {unit(FIRST)} {unit(SECOND)}""")
    states = linux2.states(board)
    expect(states[FIRST] == states[SECOND] == "defined", f"zones that nobody has started are {states}")

    # The power goes, not the system down in good order.
    board.check("sync")
    board.power_cycle()

    board.check(f"systemctl is-active --wait {unit(FIRST)} || systemctl is-active {unit(FIRST)}", linux2.BOOT_SECONDS)
    linux2.wait_marker(board, nonce, FIRST)
    # When hvisord could be asked, one zone ran, and the other one began to start.
    ready, ran, began = (int(board.check(f"systemctl show -P {name} {of}")) for name, of in
                         (("ActiveEnterTimestampMonotonic", "hvisord.service"),
                          ("ActiveEnterTimestampMonotonic", unit(FIRST)),
                          ("InactiveExitTimestampMonotonic", unit(SECOND))))
    expect(0 < ready <= ran <= began, f"hvisord was ready at {ready}, the first zone ran at {ran}, the second "
                                      f"one began at {began}")

    board.check(f"for i in $(seq 60); do systemctl is-failed --quiet {unit(SECOND)} && exit; sleep 0.5; done; exit 1", 60)
    said = board.check(f"systemctl show -P Result {unit(SECOND)}; journalctl -b -o cat -u {unit(SECOND)}")
    expect(said.startswith("exit-code") and f"zone {SECOND} has failed: " in said, f"of a zone that failed is said {said}")
    expect(linux2.states(board)[SECOND] == "failed", "the zone that failed is not listed as such")

    # Going down in good order takes the zone first.
    board.check("systemctl stop hvisor-zones.target")
    expect(linux2.states(board).get(FIRST) != "running", "the target has stopped and the zone runs")
    expect(board.run(f"systemctl is-failed {unit(FIRST)}").output.strip() == "inactive", "the zone's unit is not inactive")

    # What has failed keeps its CPU for who looks into it, until it is taken away.
    board.check(f"hvisorctl zone kill {SECOND}")
    expect(linux2.states(board)[SECOND] == "stopped", "the zone that failed is not stopped after it was killed")

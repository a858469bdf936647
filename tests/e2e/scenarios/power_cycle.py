# SPDX-License-Identifier: Apache-2.0
"""A zone that is enabled comes up by itself when the board gets its power back."""

import linux2
from linux2 import expect

# Who power-cycles a board wants its disk to stay.
KEEPS_DISK = True

UNIT = f"hvisor-zone@{linux2.NAME}.service"


def scenario(board):
    nonce = linux2.new_disk(board)
    board.check(f"systemctl enable {UNIT}")
    state = linux2.states(board)[linux2.NAME]
    expect(state == "defined", f"the zone that nobody has started is {state}")

    # The power goes, not the system down in good order.
    board.check("sync")
    board.power_cycle()

    board.check(f"systemctl is-active --wait {UNIT} || systemctl is-active {UNIT}", linux2.BOOT_SECONDS)
    linux2.wait_marker(board, nonce)
    active = board.check(f"systemctl show -P ActiveEnterTimestampMonotonic {UNIT} hvisord.service")
    zone, daemon = (int(line) for line in active.split())
    expect(zone >= daemon, "the zone's unit became active before hvisord did")

    # Going down in good order takes the zone first.
    board.check("systemctl stop hvisor-zones.target")
    expect(linux2.states(board).get(linux2.NAME) != "running", "the target has stopped and the zone runs")
    expect(board.run(f"systemctl is-failed {UNIT}").output.strip() == "inactive", "the zone's unit is not inactive")

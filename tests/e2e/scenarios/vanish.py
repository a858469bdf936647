# SPDX-License-Identifier: Apache-2.0
"""A guest that powers itself off ends its unit, and leaves nothing busy behind."""

import linux2
from linux2 import expect

UNIT = f"hvisor-zone@{linux2.NAME}.service"


def scenario(board):
    nonce = linux2.new_disk(board)
    board.check(f"systemctl start {UNIT}", linux2.BOOT_SECONDS)
    linux2.wait_marker(board, nonce)
    expect(board.check(f"systemctl is-active {UNIT}") == "active", "the zone runs and its unit is not active")

    # A daemon that is asked in the meantime does not take the zone for gone.
    board.run(f"printf 'poweroff -f\\n' | timeout 5 hvisorctl zone console {linux2.NAME}")
    board.check(f"for i in $(seq 60); do systemctl is-active --quiet {UNIT} || exit 0; sleep 0.5; done; exit 1", 60)
    state = board.check(f"systemctl show -P ActiveState -P Result {UNIT}")
    expect(set(state.split()) == {"inactive", "success"}, f"the unit of a zone that powered itself off is {state}")
    expect(linux2.states(board).get(linux2.NAME) == "stopped", "the zone is still listed as there")

    # Its disk is free for others, which it is not while a zone has it.
    board.check(f"e2fsck -fn {linux2.DISK} >/dev/null; flock -n {linux2.DISK} true")

    # The same zone, once more: its CPUs and memory are free, its devices new.
    board.check(f"systemctl start {UNIT}", linux2.BOOT_SECONDS)
    linux2.wait_marker(board, nonce)
    board.check(f"systemctl stop {UNIT}", 60)
    expect(linux2.states(board).get(linux2.NAME) != "running", "the unit has stopped and the zone runs")

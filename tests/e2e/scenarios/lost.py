# SPDX-License-Identifier: Apache-2.0
"""Disk and console work although the hypervisor loses interrupts on purpose."""

from contextlib import contextmanager

import linux2
from linux2 import expect
from scenarios import console, disk

PARAMETERS = "/sys/module/testvisor_ctl/parameters"
NEEDS_TESTVISOR = True
# Some thousand interrupts, of which a fifth and more is lost.
MIB = 16
# Form of loss: the parameter to set, its value, and the counter that proves it.
FORMS = {
    "injections": ("lose_injections", 5, "lost_injections"),
    "active": ("lose_active", 1, "lost_active"),
    "wakeups": ("lose_wakeups", 5, "lost_wakeups"),
}


def scenario(board, form):
    parameter, value, counter = FORMS[form]
    with losing(board, parameter, value, counter):
        nonce = linux2.new_disk(board)
        linux2.start(board, nonce)
        console.talk(board, nonce)
        written = disk.write(board, MIB)
        # Not what the zone's kernel remembers, but what its disk has.
        linux2.run(board, "echo 3 >/proc/sys/vm/drop_caches")
        expect(disk.read(board) == written, "the zone does not read the bytes that it wrote")
        linux2.shutdown(board)
        expect(disk.seen_outside(board) == written, "the root zone does not see the bytes that the zone wrote")


@contextmanager
def losing(board, parameter, value, counter):
    """Lose as said; something must have been lost in the end."""
    board.check("modprobe testvisor_ctl")
    board.check("for p in lose_injections lose_active lose_wakeups; do "
                f"echo 0 >{PARAMETERS}/$p || exit 1; done; echo {value} >{PARAMETERS}/{parameter}")
    before = int(board.check(f"cat {PARAMETERS}/{counter}"))
    try:
        yield
    finally:
        if not board.fault:
            board.run(f"echo 0 >{PARAMETERS}/{parameter}; grep . {PARAMETERS}/*")
    lost = int(board.check(f"cat {PARAMETERS}/{counter}")) - before
    expect(lost > 0, "nothing was lost, so nothing was tested")

# SPDX-License-Identifier: Apache-2.0
"""A command typed through `hvisorctl zone console` is answered; the history stays."""

import re

import linux2
from linux2 import expect

LINES = 300


def scenario(board):
    nonce = linux2.new_disk(board)
    linux2.start(board, nonce)
    talk(board, nonce)
    # The zone's kernel warns on the same console when the host is slow.
    expect(linux2.run(board, "echo '<4>a warning' >/dev/kmsg; echo word") == "word",
           "a warning of the zone's kernel is taken for what a command prints")

    # What scripts of the older tool look for, and the terminal that it names.
    lines = board.check("journalctl -b -u hvisord -o cat | grep -o 'char device redirected to /dev/pts/[0-9]*'")
    terminal = lines.splitlines()[-1].split()[-1]
    answer = board.check(f"""
        exec 3<>{terminal}
        echo 'echo pts-$((6 * 7))' >&3
        timeout 20 grep -m 1 -a '^pts-42' <&3""")
    expect(answer.startswith("pts-42"), f"{terminal} answered {answer!r}")
    linux2.shutdown(board)


def talk(board, nonce):
    """Ask the zone for what only it knows, leave, and find it in the history."""
    expect(linux2.run(board, "cat /nonce") == nonce, "the zone does not know its disk's nonce")
    expect("hvc0" in linux2.run(board, "tty"), "the zone's shell is not on hvc0")
    # A line is a round trip: the guest's console driver waits for each.
    lines = linux2.run(board, f"seq 1 {LINES} | sed 's/$/ of many lines/'", 90).splitlines()
    expect(lines == [f"{n} of many lines" for n in range(1, LINES + 1)],
           f"of {LINES} lines through the console {len(lines)} came, or in disorder")

    history = board.check(f"timeout 3 hvisorctl zone console {linux2.NAME} --read-only; [ $? = 124 ]")
    expect(re.search(rf"^{LINES} of many lines", history, re.MULTILINE) is not None,
           "the history has not got the last lines")
    part = board.check(f"timeout 3 hvisorctl zone console {linux2.NAME} --read-only --replay 100; [ $? = 124 ]")
    expect(len(part) <= 200, f"--replay 100 brought {len(part)} bytes")

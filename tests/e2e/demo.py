# SPDX-License-Identifier: Apache-2.0
"""The board for people: what tests/demo runs."""

import os
import select
import sys
import termios
import time
import tty

import artefacts
import linux2
from board import Board, BoardFault, CommandFailed

# As in QEMU's own console: Ctrl-A, then x.
QUIT = b"\x01x"

HINTS = f"""
This is the root zone's shell. Some things to try:

    hvisorctl zone console {linux2.NAME}       the second Linux; ^] three times to come back
    hvisorctl zone show {linux2.NAME}          its devices, and what they are doing
    busctl tree org.syswonder.hvisor1   the same over D-Bus

`poweroff` switches the board off, Ctrl-A and then x does so at once.
"""


def say(text: str):
    """Tell what happens, with the time it happened."""
    print(f"[{time.monotonic() - STARTED:5.1f} s] {text}", flush=True)


def show(board: Board, command: str, timeout: float = 60) -> str:
    """Run a command of the root zone as if its user had typed it."""
    print(f"root@board:~# {command}", flush=True)
    output = board.check(command, timeout)
    if output:
        print(output, flush=True)
    return output


def start_zone(board: Board):
    """Start the second Linux and show that it lives."""
    nonce = linux2.new_disk(board)
    say(f"zone 1's disk has a nonce that only this run knows: {nonce}")
    show(board, "systemctl start hvisord")
    show(board, f"hvisorctl zone start {linux2.NAME}")
    say("waiting for the zone's first words on its virtio console")
    print(linux2.wait_marker(board, nonce), flush=True)
    say("the zone runs from its virtio disk")
    show(board, "hvisorctl zone list")


def hand_over(board: Board):
    """Connect the user's terminal with the serial port until they have enough."""
    print(HINTS, flush=True)
    stdin, stdout = sys.stdin.fileno(), sys.stdout.fileno()
    settings = termios.tcgetattr(stdin)
    rows, columns = os.get_terminal_size(stdin).lines, os.get_terminal_size(stdin).columns
    # A new shell with line editing, in place of the one set up for scripts.
    board.type(f"stty echo rows {rows} columns {columns}; exec bash --login\n")
    board.listen(lambda chunk: os.write(stdout, chunk))
    last = b""
    tty.setraw(stdin)
    try:
        while not board.fault:
            if not select.select([stdin], [], [], 0.5)[0]:
                continue
            data = os.read(stdin, 4096)
            if not data:
                break
            if QUIT in last + data:
                break
            last = data[-1:]
            board.send(data)
    finally:
        board.listen(None)
        termios.tcsetattr(stdin, termios.TCSADRAIN, settings)
    print()
    if board.fault:
        say(f"the board is off: {board.fault}")


def main() -> int:
    """Build, boot, start, show."""
    files = artefacts.build()
    folder = files.parent / "logs" / "demo"
    say("switching the board on: QEMU, hypervisor, root zone with systemd")
    with Board(files, folder) as board:
        try:
            board.boot()
            say("the root zone is up")
            start_zone(board)
            if sys.stdin.isatty():
                hand_over(board)
        except (BoardFault, CommandFailed, linux2.Unexpected) as error:
            say(f"failed: {error}")
            say(f"logs: {folder}")
            return 1
    return 0


STARTED = time.monotonic()

if __name__ == "__main__":
    sys.exit(main())

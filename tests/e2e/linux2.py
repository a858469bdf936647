# SPDX-License-Identifier: Apache-2.0
"""Zone 1 of the board as scenarios use it: its disk, its console, its life."""

import re
import secrets
import shlex

from board import Board, CommandFailed

NAME = "linux2"
FOLDER = "/etc/hvisor/zones"
DISK = f"{FOLDER}/linux2.ext4"
CLEAN_DISK = "/usr/local/share/linux2.ext4"
# Under emulation on a loaded host; on an idle one it takes about five.
BOOT_SECONDS = 90


class Unexpected(Exception):
    """Something is not as the scenario says it must be."""


def expect(condition: bool, message: str):
    """Fail the scenario unless the condition holds."""
    if not condition:
        raise Unexpected(message)


def new_disk(board: Board, disk: str = DISK) -> str:
    """Give a zone a fresh disk with a nonce of this moment; return the nonce."""
    nonce = secrets.token_hex(8)
    board.check(f"""set -e
        cp --sparse=always {CLEAN_DISK} {disk}
        echo {nonce} >/run/nonce
        debugfs -w -R 'write /run/nonce nonce' {disk}""")
    return nonce


def start(board: Board, nonce: str, zone: str = NAME):
    """Start the configured zone and wait for the marker with the nonce."""
    board.check(f"hvisorctl zone start {zone}", BOOT_SECONDS)
    wait_marker(board, nonce, zone)


def wait_marker(board: Board, nonce: str, zone: str = NAME) -> str:
    """Wait until the zone has printed what only its disk can have told it; the line."""
    output = console_until(board, r"^zone-marker: [0-9a-z]+$", BOOT_SECONDS, zone)
    found = re.findall(r"^zone-marker: (\S+)$", output, re.MULTILINE)
    expect(found[-1] == nonce, f"the zone's marker has {found[-1]}, its disk {nonce}")
    return output.splitlines()[-1]


def console_until(board: Board, pattern: str, seconds: int, zone: str = NAME) -> str:
    """Read the zone's console, history included, until a line matches."""
    return board.check(f"zone-expect {zone} {seconds} {shlex.quote(pattern)}", seconds + 30)


def run(board: Board, command: str, seconds: int = 30, zone: str = NAME) -> str:
    """Run a command in the zone, through its console; what it prints.

    The console stays attached, but for linux2, whose console is itself what is tested.
    """
    keep = "" if zone == NAME else "--keep "
    result = board.run(f"zone-run {keep}{zone} {seconds} {shlex.quote(command)}", seconds + 30)
    if result.status != 0:
        raise CommandFailed(f"in the zone, `{command}` ended with exit status {result.status}: "
                            f"{result.output[-600:].strip()}")
    return result.output.strip()


def shutdown(board: Board, zone: str = NAME):
    """Shut a zone down; it must not run then."""
    board.check(f"hvisorctl zone shutdown {zone}", 60)
    expect(states(board).get(zone) != "running", f"{zone} is still running after its shutdown")


def states(board: Board) -> dict[str, str]:
    """State by zone name, from `hvisorctl zone list`."""
    rows = [line.split() for line in board.check("hvisorctl zone list").splitlines()[1:]]
    return {row[1]: row[2] for row in rows}

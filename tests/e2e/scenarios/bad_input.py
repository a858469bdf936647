# SPDX-License-Identifier: Apache-2.0
"""Wrong input is refused with a sentence that names file and key, and leaves nothing."""

from dataclasses import dataclass

import linux2
from linux2 import expect


@dataclass
class Case:
    """A change to the good configuration, and what the refusal must say."""
    name: str
    edit: str  # a sed script, for both files
    words: tuple[str, ...]
    status: tuple[int, ...]  # of hvisorctl


CASES = (
    Case("missing kernel", "s|./Image|./no-such-kernel|", ("kernel_filepath", "no-such-kernel"), (3,)),
    Case("broken JSON", "s|\"cpus\": .2, 3.,|\"cpus\": [2, 3,|", ("bad.json:6:",), (8,)),
    Case("zone id 0", "s|\"zone_id\": 1|\"zone_id\": 0|", ("zone_id",), (8,)),
    Case("CPUs of the root zone", "s|\"cpus\": .2, 3.|\"cpus\": [0, 1]|", ("cpus",), (7, 8)),
    Case("RAM outside reserved memory", r"s/\(physical_start\|_paddr\|zone0_ipa\)\": \"0x5/\1\": \"0x9/g",
         ("memory_regions/0", "0x90000000"), (7, 8)),
)


def scenario(board):
    # The first message opens the journal for good.
    refused(board, "unknown zone", "hvisorctl zone start no-such-zone", ("no-such-zone",), (3,))
    before = holdings(board)
    for case in CASES:
        board.check(f"""cd {linux2.FOLDER} || exit
            for end in json virtio.json; do sed '{case.edit}' linux2.$end >bad.$end; done
            ! cmp -s linux2.json bad.json""")
        refused(board, case.name, f"cd {linux2.FOLDER} && hvisorctl zone start bad.json --virtio bad.virtio.json",
                ("bad.json", *case.words), case.status)
        # The same by name, where the daemon opens the files.
        refused(board, case.name, "hvisorctl zone start bad", ("bad.json", *case.words), case.status)
        expect(holdings(board) == before, f"{case.name}: something is left behind in hvisord")

    refused(board, "unknown zone", "hvisorctl zone shutdown no-such-zone", ("no-such-zone",), (3,))
    refused(board, "unknown zone", "hvisorctl zone console 17", ("17",), (3,))
    refused(board, "no verb", "hvisorctl zone", (), (2,))
    expect(holdings(board) == before, "something is left behind in hvisord")

    nonce = linux2.new_disk(board)
    linux2.start(board, nonce)
    refused(board, "a second start", f"hvisorctl zone start {linux2.NAME}", (linux2.NAME,), (7,))
    expect(linux2.run(board, "cat /nonce") == nonce, "a refused second start harmed the running zone")
    linux2.shutdown(board)


def refused(board, name, command, words, statuses):
    """The command fails with one of the statuses and says each of the words."""
    result = board.run(command)
    expect(result.status in statuses, f"{name}: exit status {result.status}, not {statuses}: {result.output.strip()}")
    for word in words:
        expect(word in result.output, f"{name}: the message does not name {word}: {result.output.strip()}")


def holdings(board):
    """What hvisord could leave behind: zones, open files, mappings of guest RAM.

    Not the bad zone as it is listed because there is a file of it, nor the jobs of
    the last ten seconds.
    """
    return board.check("pid=$(systemctl show -P MainPID hvisord); hvisorctl zone list | grep -v ' bad  *defined'; "
                       "ls /proc/$pid/fd | wc -l; grep -c /dev/hvisor /proc/$pid/maps; "
                       "busctl tree --list org.syswonder.hvisor1 | grep -v -e '/zone/bad$' -e '/job$' -e '/job/'")

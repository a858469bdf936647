# SPDX-License-Identifier: Apache-2.0
"""Twenty starts and shutdowns leave no memory and no file behind in hvisord."""

import re

import linux2
from linux2 import expect
from scenarios import uboot

CYCLES = 20
# One cycle of these is Linux's. U-Boot, on a disk of the same kind, is up in a third of the time.
LINUX_EVERY = 10
WARM = 5
GROWTH_KIB = 256


def scenario(board):
    nonce = linux2.new_disk(board)
    uboot.make_disk(board, uboot.COPY + "while true; do sleep 1; done\n")
    process = board.check("systemctl show -P MainPID hvisord")
    for cycle in range(1, CYCLES + 1):
        if cycle % LINUX_EVERY == 1:
            linux2.start(board, nonce)
            name = linux2.NAME
        else:
            uboot.start(board)
            name = uboot.NAME
        board.check(f"hvisorctl zone shutdown {name}")
        memory, files = usage(board, process)
        board.note(f"cycle {cycle}: {memory} KiB anonymous, {files} files")
        if cycle == WARM:
            warm_memory, warm_files = memory, files
    expect(memory - warm_memory <= GROWTH_KIB,
           f"anonymous memory grew by {memory - warm_memory} KiB between cycles {WARM} and {CYCLES}")
    expect(files == warm_files, f"{files - warm_files} files more are open than after cycle {WARM}")


def usage(board, process):
    """Anonymous memory of hvisord in KiB, and its open files."""
    text = board.check(f"grep RssAnon /proc/{process}/status; ls /proc/{process}/fd | wc -l")
    memory, files = re.search(r"RssAnon:\s+(\d+) kB\n(\d+)", text).groups()
    return int(memory), int(files)

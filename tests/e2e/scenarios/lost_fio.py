# SPDX-License-Identifier: Apache-2.0
"""fio ends every time, and at nearly full speed, while interrupts are lost."""

import statistics

import devices
from devices import CACHED
from linux2 import expect
from scenarios import lost

NEEDS_TESTVISOR = True
DEPTHS = (16, 32)
RUNS = 20
# A lost interrupt costs milliseconds; a run that lives on a kernel's patience takes half a minute.
RUN_SECONDS = 60
# Of the speed with one interrupt in LOSS lost, as a share of that with none lost.
LOSS = 100
SHARE = 0.8
# Measurements of each kind, and how many more there may be.
ROUNDS = (3, 9)


def scenario(board, form):
    devices.start(board)
    # The first run also loads fio and its libraries.
    rate(board, DEPTHS[0])
    if form == "speed":
        for depth in DEPTHS:
            compare_speed(board, depth)
        return
    with lost.losing(board, *lost.FORMS[form]):
        for depth in DEPTHS:
            for _ in range(RUNS):
                devices.fio(board, f"--rw=randrw --bs=4k --size=4m --iodepth={depth} --verify=crc32c "
                            f"--verify_fatal=1 --verify_state_save=0 --name=lost --filename={CACHED}", RUN_SECONDS)
    board.figure(f"{RUNS} of {RUNS} runs of fio at each of the depths {DEPTHS}")


def compare_speed(board, depth):
    """Medians of reads a second without and with loss, measured in turn.

    What else runs on the host changes such figures by more than what is looked
    for; so a comparison that looks bad gets more rounds before it counts.
    """
    parameter, _, counter = lost.FORMS["injections"]
    without, with_loss = [], []
    share = 0
    while len(without) < ROUNDS[0] or (share < SHARE and len(without) < ROUNDS[1]):
        without.append(rate(board, depth))
        with lost.losing(board, parameter, LOSS, counter):
            with_loss.append(rate(board, depth))
        share = statistics.median(with_loss) / statistics.median(without)
    board.figure(f"depth {depth}: {statistics.median(without):.0f} reads/s, with 1 of {LOSS} interrupts lost "
                 f"{statistics.median(with_loss):.0f}, {share:.0%} (medians of {len(without)})")
    expect(share >= SHARE, f"at depth {depth} the loss of 1 in {LOSS} leaves {share:.0%}: of {without} {with_loss}")


def rate(board, depth):
    """Random reads of 4 KiB a second."""
    job = devices.fio(board, f"--rw=randread --bs=4k --size=32m --time_based --runtime=2 --iodepth={depth} "
                      f"--name=rate --filename={CACHED}")[0]
    return int(job[7])

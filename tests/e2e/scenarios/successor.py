# SPDX-License-Identifier: Apache-2.0
"""hvisord is restarted, killed and upgraded again and again while two zones work, which do not notice.

Disks of both are written and verified. One is pinged, and prints a stream on a
console; the other draws on a screen. Whoever is attached to a console stays so. A
connection by vsock ends at both ends, and the next one works.
"""

import random
import re
import statistics
from collections import Counter

import at_work
from events import KILL, RESTART, UPGRADE
from linux2 import expect

ROUNDS = 5
UPGRADE_EVERY, UPGRADE_FIRST = 10, 2
# Of the same work without any of it, for comparison.
CALM_SECONDS = 5
NAMES = {RESTART: "restart", KILL: "kill", UPGRADE: "upgrade"}


def scenario(board):
    work(board, range(ROUNDS))


def work(board, numbers, floods=False):
    """The rounds. A flood of pings takes CPU time that another board of this host would have."""
    at_work.start(board)
    gone_on = goings_on(board)
    consoles = attached_consoles(board)
    screen, stream, connection = at_work.Screen(board), at_work.Stream(board), at_work.Connection(board)
    fios = [at_work.Fio(board, zone) for zone in at_work.DISKS]
    pings = at_work.Pings(board)
    flood = at_work.Flood(board) if floods else None
    calm = pings.gap(*happen(board, f"sleep {CALM_SECONDS}", 0))

    chance = random.Random(1)
    stalls, files = {event: [] for event in NAMES}, None
    for number in numbers:
        event = event_of(number)
        screen.begin()
        stream.begin()
        begin, end = happen(board, event, chance.uniform(0.2, 1.5))
        stream.check()
        screen.check(f"after round {number}")
        stalls[event].append(pings.gap(begin, end))
        # The first one has opened by then what is opened when it is needed, such as a ring for frames.
        files = files or open_files(board)

    for fio in fios:
        fio.enough()
    connection.check_ended()
    check_disks(board, fios)
    report(board, stalls, calm)
    if flood:
        board.figure(flood.end())
    board.figure(pings.end())
    rounds = sum(map(len, stalls.values()))
    for zone, times in goings_on(board).items():
        expect(times - gone_on[zone] == rounds, f"{times - gone_on[zone]} of {rounds} daemons went on with {zone}")
    expect(attached_consoles(board) == consoles, "a client of a console had to attach again")
    check_files(board, files)
    at_work.stop(board)


def check_disks(board, fios):
    """No disk has lost or changed anything, and no kernel complains."""
    times = " and ".join(str(fio.check()) for fio in fios)
    board.figure(f"the two zones ran fio {times} times, and verified what it wrote")
    for zone in at_work.DISKS:
        at_work.check_kernel(board, zone)


def check_files(board, before):
    """No round has left a file open."""
    now = open_files(board)
    expect(now.total() <= before.total(), f"more files are open than after the first round: {dict(now - before)}")


def event_of(number):
    """What happens in a round: an upgrade now and then, else a restart or a kill in turns."""
    if number % UPGRADE_EVERY == UPGRADE_FIRST:
        return UPGRADE
    return (RESTART, KILL)[number % 2]


def happen(board, event, delay):
    """Let it happen after so many seconds; when it began and when it had ended, by the root zone's clock."""
    return board.check(f"""sleep {delay:.2f}
        echo $EPOCHREALTIME
        (
            {event}
        ) >/run/event 2>&1
        status=$?
        echo $EPOCHREALTIME
        [ $status = 0 ] || cat /run/event
        exit $status""", 240).split()


def report(board, stalls, calm):
    """For how long the worker did not answer, which on an emulated board is no part of the verdict."""
    every = [stall for of_kind in stalls.values() for stall in of_kind]
    kinds = ", ".join(f"{NAMES[event]} {milliseconds(statistics.median(of_kind))} (of {len(of_kind)})"
                      for event, of_kind in stalls.items() if of_kind)
    board.figure(f"{len(every)} times another hvisord; longest time between two answers to pings, in ms: "
                 f"median {milliseconds(statistics.median(every))}, worst {milliseconds(max(every))}; "
                 f"medians of {kinds}; without any of it {milliseconds(calm)}")


def milliseconds(seconds):
    return f"{1000 * seconds:.0f}"


def goings_on(board):
    """How often a daemon has gone on with each of the zones, whatever ran before."""
    said = board.check("journalctl -b -o cat -u hvisord | grep 'goes on with its devices' || true")
    return {zone: sum(zone in line for line in said.splitlines()) for zone in at_work.DISKS}


def attached_consoles(board):
    """The processes that commands of the zones go through, one a zone."""
    for zone in at_work.DISKS:
        at_work.run(board, zone, "true")
    return board.check("cat /run/zone-run/*/console")


def open_files(board):
    """How many of each kind hvisord has open, and systemd keeps for it."""
    process, kept = board.check("systemctl show -P MainPID -P NFileDescriptorStore hvisord").split()
    links = board.check(f"find /proc/{process}/fd -type l -printf '%l\\n'").splitlines()
    # Those of sockets and pipes end with a number of their own.
    return Counter(re.sub(r":\[\d+\]$", "", link) for link in links) + Counter(kept=int(kept))

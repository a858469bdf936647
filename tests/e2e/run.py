#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run scenarios on the emulated board:

    tests/env tests/e2e/run.py [SCENARIO...]

Without a name all of them run, on one board for each CPU of this machine. Several
share a boot; one that fails costs the others a new one. The last line is
`N passed, N failed`, or with `, N skipped`.
"""

import importlib
import os
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import artefacts
from board import Board, BoardFault, CommandFailed
from linux2 import Unexpected

# By boot, those that take longest first, but the one that has to see the power come on: the
# next one starts where that has booted. A name is scenarios/NAME.py with '_' for '-', and after
# ':' what is handed to it.
BOOTS = (
    ("boot", "zone", "console", "disk", "bad-input", "input", "restart"),
    ("power-cycle", "vanish", "one-file", "two-zones", "upstream-abi"),
    ("no-daemon", "lost:injections", "lost:active", "lost:wakeups"),
    ("fio", "net", "console-raw", "rng", "vsock", "rebind", "change",
     "lost-fio:injections", "lost-fio:active", "lost-fio:speed"),
    ("successor", "soak"),
    ("uboot", "display", "uefi", "vnc"),
)

# Only when asked for: an hour of restarts and kills, and twenty verified runs for each way to
# lose, which are verbs of their own, and a comparison of speeds, at the mercy of what else runs on the host.
WHEN_ASKED = ("soak", "lost-fio:injections", "lost-fio:active", "lost-fio:speed")

ZONES = "$(hvisorctl zone list | awk '$1 ~ /^[1-9]/ { print $2 }')"

# What helps to understand a failure, while the board still answers.
DIAGNOSIS = (
    "hvisorctl zone list",
    f"for zone in {ZONES}; do hvisorctl zone show $zone; done",
    f"for zone in {ZONES}; do timeout 3 hvisorctl zone console $zone --read-only | tail -n 40; done",
    "journalctl -b -u hvisord --no-pager | tail -n 60",
    "dmesg | tail -n 40",
)


class Ticker:
    """A line every ten seconds while something takes long."""

    def __init__(self, label: str):
        self._label = label
        self._started = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def _tick(self):
        while not self._done.wait(10):
            print(f"...  {self._label} {self.seconds():.0f} s", flush=True)

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()


class Verdicts:
    """Counts verdicts and prints them; any thread."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self._lock = threading.Lock()

    def ok(self, text: str, figures: list[str]):
        """One more has passed; what it measured is printed below."""
        with self._lock:
            self.passed += 1
            print("\n     ".join([f"ok   {text}", *figures]), flush=True)

    def fail(self, text: str, folder: Path):
        """One more has failed; its logs are in the folder."""
        with self._lock:
            self.failed += 1
            print(f"FAIL {text}\n     logs: {folder}", flush=True)

    def skip(self, text: str):
        """One more can't be run here."""
        with self._lock:
            self.skipped += 1
            print(f"skip {text}", flush=True)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


class Booted:
    """The first board that has booted, kept for those that come later: they start where it was."""

    def __init__(self, place: Path):
        self._place = place
        self._lock = threading.Lock()
        self._is_there = False

    def power_on(self, board: Board, needs_power_on: bool):
        """Have the board ready, sooner than by booting it where one is kept."""
        with self._lock:
            # Whoever waits here waits for less than a boot beside another takes.
            if not self._is_there:
                board.boot()
                board.keep(self._place)
                self._is_there = True
                return
        if needs_power_on:
            board.boot()
        else:
            board.resume(self._place)

    def close(self):
        """Keep it no longer."""
        shutil.rmtree(self._place, ignore_errors=True)


class Boot:
    """Runs the scenarios that share a boot."""

    def __init__(self, files: Path, logs: Path, verdicts: Verdicts, booted: Booted, is_alone: bool):
        self._files = files
        self._logs = logs
        self._verdicts = verdicts
        self._booted = booted
        self._is_alone = is_alone
        self._boots = 0
        self._board = None
        self._stopped = False

    def run(self, names):
        """Run the scenarios one after the other."""
        try:
            for name in names:
                if not self._stopped:
                    self._run(name)
        finally:
            self._power_off()

    def stop(self):
        """Give up, whatever runs; any thread."""
        self._stopped = True
        if board := self._board:
            board.close()

    def _run(self, name: str):
        file, _, argument = name.partition(":")
        label = f"{file} ({argument})" if argument else file
        module = importlib.import_module(f"scenarios.{file.replace('-', '_')}")
        if os.environ.get("HYPERVISOR") and getattr(module, "NEEDS_TESTVISOR", False):
            self._verdicts.skip(f"{label}: only the test hypervisor misbehaves on demand")
            return
        with Ticker(label) as ticker:
            error = self._verdict(module, name, [argument] if argument else [])
            seconds = ticker.seconds()
        if self._stopped:
            return
        if error is None:
            self._verdicts.ok(f"{label} {seconds:.1f} s", self._board.figures if self._is_alone else [])
            return
        self._verdicts.fail(f"{label} {seconds:.1f} s: {error}", self._board.folder)
        # Whatever state this left the board in is nobody else's trouble.
        self._power_off()

    def _verdict(self, module, name, arguments):
        try:
            if self._board is None:
                self._power_on(getattr(module, "NEEDS_POWER_ON", False))
            self._board.note(f"\n==== {name}")
            self._board.figures.clear()
            module.scenario(self._board, *arguments)
        except BoardFault as fault:
            return fault
        except (CommandFailed, Unexpected) as error:
            self._board.note(f"---- {error}")
            self._diagnose()
            return error
        return self._board.fault or None

    def _power_on(self, needs_power_on):
        self._boots += 1
        self._board = Board(self._files, self._logs / f"boot-{self._boots}", self._is_alone)
        self._booted.power_on(self._board, needs_power_on)
        print(f"     board ready in {self._board.boot_seconds:.1f} s", flush=True)

    def _power_off(self):
        if self._board:
            self._board.close()
            self._board = None

    def _diagnose(self):
        try:
            for command in DIAGNOSIS:
                self._board.run(command, 30)
        except BoardFault:
            pass


def chosen(arguments):
    """The boots with only the wanted scenarios; a name takes all its forms."""
    known = [name for boot in BOOTS for name in boot]
    for argument in arguments:
        if not any(argument in (name, name.partition(":")[0]) for name in known):
            sys.exit(f"run.py: no scenario {argument}; there are {', '.join(known)}")
    for boot in BOOTS:
        names = [name for name in boot
                 if name in arguments or name.partition(":")[0] in arguments
                 or (not arguments and name not in WHEN_ASKED)]
        if names:
            yield names


def run_all(boots: list[tuple[Boot, list[str]]]):
    """Run boots side by side; one of a board's four CPUs is busy most of the time."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        try:
            for done in as_completed([pool.submit(boot.run, names) for boot, names in boots]):
                done.result()
        except BaseException:
            for boot, _ in boots:
                boot.stop()
            raise


def main():
    """Build, run, count."""
    wanted = list(chosen(sys.argv[1:]))
    files = artefacts.build()
    logs = files.parent / "logs" / "e2e"
    shutil.rmtree(logs, ignore_errors=True)
    verdicts = Verdicts()
    booted = Booted(logs / "booted")
    try:
        run_all([(Boot(files, logs / names[0].replace(":", "-"), verdicts, booted, len(wanted) == 1), names)
                 for names in wanted])
    finally:
        booted.close()
    print(verdicts)
    return 1 if verdicts.failed else 0


if __name__ == "__main__":
    sys.exit(main())

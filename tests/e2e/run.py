#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run scenarios on the emulated board:

    tests/env tests/e2e/run.py [SCENARIO...]

Without a name all of them run. Several share a boot; one that fails costs the
others a new one. The last line is `N passed, N failed`, or with `, N skipped`.
"""

import importlib
import os
import shutil
import sys
import threading
import time
from pathlib import Path

import artefacts
from board import Board, BoardFault, CommandFailed
from linux2 import Unexpected

# By boot; a name is scenarios/NAME.py with '_' for '-', and after ':' what is
# handed to it.
BOOTS = (
    ("boot", "zone", "console", "disk", "bad-input", "restart"),
    ("no-daemon", "upstream-abi", "uboot"),
    ("power-cycle", "vanish", "one-file", "two-zones"),
    ("lost:injections", "lost:active", "lost:wakeups"),
    ("fio", "net", "console-raw", "rng", "vsock", "rebind",
     "lost-fio:injections", "lost-fio:active", "lost-fio:speed"),
)

# Only when asked for: a comparison of speeds is at the mercy of what else runs on the host.
WHEN_ASKED = ("lost-fio:speed",)

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


class Runner:
    """Runs scenarios and counts verdicts."""

    def __init__(self, files: Path):
        self.files = files
        self.logs = files.parent / "logs" / "e2e"
        self.passed = self.failed = self.skipped = 0
        self._boots = 0
        self._board = None
        shutil.rmtree(self.logs, ignore_errors=True)

    def run_boot(self, names):
        """Run the scenarios of one boot."""
        try:
            for name in names:
                self._run(name)
        finally:
            self._power_off()

    def _run(self, name: str):
        file, _, argument = name.partition(":")
        label = f"{file} ({argument})" if argument else file
        module = importlib.import_module(f"scenarios.{file.replace('-', '_')}")
        if os.environ.get("HYPERVISOR") and getattr(module, "NEEDS_TESTVISOR", False):
            self.skipped += 1
            print(f"skip {label}: only the test hypervisor misbehaves on demand", flush=True)
            return
        with Ticker(label) as ticker:
            error = self._verdict(module, name, [argument] if argument else [])
            seconds = ticker.seconds()
        if error is None:
            self.passed += 1
            print(f"ok   {label} {seconds:.1f} s", flush=True)
            for figure in self._board.figures:
                print(f"     {figure}", flush=True)
            return
        self.failed += 1
        print(f"FAIL {label} {seconds:.1f} s: {error}\n     logs: {self._board.folder}", flush=True)
        # Whatever state this left the board in is nobody else's trouble.
        self._power_off()

    def _verdict(self, module, name, arguments):
        try:
            if self._board is None:
                self._power_on(getattr(module, "KEEPS_DISK", False))
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

    def _power_on(self, keeps_disk):
        self._boots += 1
        self._board = Board(self.files, self.logs / f"boot-{self._boots}", keeps_disk)
        self._board.boot()
        print(f"     board booted in {self._board.boot_seconds:.1f} s", flush=True)

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


def main():
    """Build, run, count."""
    boots = list(chosen(sys.argv[1:]))
    runner = Runner(artefacts.build())
    for names in boots:
        runner.run_boot(names)
    skipped = f", {runner.skipped} skipped" if runner.skipped else ""
    print(f"{runner.passed} passed, {runner.failed} failed{skipped}")
    return 1 if runner.failed else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""A console on a terminal: raw mode while it is open, the terminal as it was
after it, however it ends. Tables on a terminal.

    terminal.py HVISORD HVISORCTL
"""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time

import support


class Session:
    """hvisorctl zone console on a pseudoterminal of its own."""

    def __init__(self, hvisorctl, zone):
        self._main, terminal = pty.openpty()
        self.before = termios.tcgetattr(terminal)
        self._terminal = terminal
        self._process = subprocess.Popen([hvisorctl, "--bus=session", "zone", "console", zone],
                                         stdin=terminal, stdout=terminal, stderr=terminal)
        self.output = b""

    def wait_for(self, text):
        deadline = time.monotonic() + 20
        while text not in self.output:
            if not select.select([self._main], [], [], deadline - time.monotonic())[0]:
                sys.exit(f"{text} did not come, only {self.output}")
            self.output += os.read(self._main, 4096)

    def modes(self):
        return termios.tcgetattr(self._terminal)

    def is_raw(self):
        return not self.modes()[3] & (termios.ECHO | termios.ICANON | termios.ISIG)

    def send(self, data):
        os.write(self._main, data)

    def resize(self, rows, width):
        termios.tcsetwinsize(self._main, (rows, width))
        # The kernel tells only those whose controlling terminal it is.
        self.signal(signal.SIGWINCH)

    def signal(self, number):
        self._process.send_signal(number)

    def end(self):
        status = self._process.wait(20)
        if self.modes() != self.before:
            sys.exit("the terminal is not as it was")
        os.close(self._main)
        os.close(self._terminal)
        return status


def columns(zone):
    """How wide the zone's console is, as the daemon says."""
    ports = subprocess.run(
        ["busctl", "--user", "get-property", "org.syswonder.hvisor1",
         f"/org/syswonder/hvisor1/zone/{zone}/device/console_2da003800", "org.syswonder.hvisor1.Device.Console", "Ports"],
        check=True, capture_output=True, text=True).stdout.split()
    return int(ports[ports.index('"Columns"') + 2])


def shown(command, width, **environment):
    """What a command prints to a terminal of that many columns."""
    main, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (25, width))
    subprocess.run(command, check=True, stdout=terminal, env=os.environ | {"TERM": "xterm"} | environment)
    os.close(terminal)
    text = b""
    try:
        while part := os.read(main, 4096):
            text += part
    except OSError:  # no other end any more
        pass
    os.close(main)
    return text.decode()


def tables(command):
    """States have colours where a person looks who wants them, and lines end at the edge."""
    green = "\033[32mrunning\033[0m"
    assert green in shown(command, 80), shown(command, 80)
    assert green in shown(command, 80, NO_COLOR="")
    for environment in {"NO_COLOR": "1"}, {"TERM": "dumb"}:
        assert "running" in shown(command, 80, **environment) and "\033" not in shown(command, 80, **environment)
    # "ID  NAME        STATE": what is cut has no colour, and the line is not longer for it.
    cut = shown(command, 20)
    assert "\033" not in cut and "..." in cut and max(map(len, cut.splitlines())) == 20, cut
    assert "\033" not in subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main(hvisord, hvisorctl):
    endings = {
        "the escape": lambda session: session.send(b"ls\r\x1d\x1d\x1d"),
        "SIGTERM": lambda session: session.signal(signal.SIGTERM),
        "SIGHUP": lambda session: session.signal(signal.SIGHUP),
    }

    def ctl(*arguments):
        subprocess.run([hvisorctl, "--bus=session", *arguments], check=True)

    with support.Daemon(hvisord) as daemon:
        ctl("zone", "start", daemon.zone)
        tables([hvisorctl, "--bus=session", "zone", "list"])
        for name, end in endings.items():
            session = Session(hvisorctl, daemon.zone)
            session.wait_for(b"^]")
            support.wait_until(session.is_raw, f"raw mode did not come before {name}")
            end(session)
            session.wait_for(b"Disconnected")
            if (status := session.end()) != 0:
                sys.exit(f"{name} ended hvisorctl with status {status}")

        # The zone's console is as large as the terminal, also when that changes.
        session = Session(hvisorctl, daemon.zone)
        session.wait_for(b"^]")
        for width in (111, 222):
            session.resize(40, width)
            support.wait_until(lambda: columns(daemon.zone) == width, f"the console is not {width} columns wide")
        session.send(b"\x1d\x1d\x1d")
        session.wait_for(b"Disconnected")
        session.end()

        # A zone that is started again takes its console's clients off.
        session = Session(hvisorctl, daemon.zone)
        session.wait_for(b"^]")
        ctl("zone", "shutdown", daemon.zone)
        ctl("zone", "start", daemon.zone)
        session.wait_for(b"Disconnected")
        session.end()


main(*sys.argv[1:])

# SPDX-License-Identifier: Apache-2.0
"""What hvisord sends to the journal: the fields by which messages are found, and to
where the log control says.

    journal.py HVISORD LOG-EVENTS-HEADER

Needs root, to stand where the journal does; exits with 77 without it.
"""

import os
import re
import socket
import subprocess
import sys

import support

LOG_CONTROL = ("org.syswonder.hvisor1", "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1", "LogTarget")
MANAGER = ("org.syswonder.hvisor1", "/org/syswonder/hvisor1", "org.syswonder.hvisor1.Manager")


def busctl(*arguments):
    return subprocess.run(["busctl", "--user", *arguments], check=False, capture_output=True, text=True)


class Journal:
    """A socket in the journal's place, for this process and those that it starts."""

    def __init__(self):
        os.unshare(os.CLONE_NEWNS)
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        os.makedirs("/run/systemd/journal")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._entries = []

    def open(self):
        self._socket.bind("/run/systemd/journal/socket")
        self._socket.setblocking(False)

    def entries(self):
        """The fields of each message so far."""
        while True:
            try:
                datagram = self._socket.recv(65536).decode()
            except BlockingIOError:
                return self._entries
            self._entries.append(dict(line.split("=", 1) for line in datagram.splitlines()))

    def has(self, **fields):
        return any(fields.items() <= entry.items() for entry in self.entries())

    def expect(self, **fields):
        support.wait_until(lambda: self.has(**fields), f"no message {fields}")


def main(hvisord, header):
    if os.geteuid() != 0:
        sys.exit(77)
    with open(header, encoding="utf-8") as file:
        ids = dict(re.findall(r"\{Event::(\w+), \"([0-9a-f]+)\"\}", file.read()))
    journal = Journal()
    with support.Daemon(hvisord) as daemon:
        zone = daemon.zone
        refused = busctl("set-property", *LOG_CONTROL, "s", "journal")
        assert refused.returncode != 0 and "no journal" in refused.stderr, refused
        journal.open()
        assert busctl("set-property", *LOG_CONTROL, "s", "journal").returncode == 0
        assert busctl("get-property", *LOG_CONTROL).stdout == 's "journal"\n'

        busctl("call", *MANAGER, "StartZone", "sa{sv}", zone, "0")
        journal.expect(MESSAGE_ID=ids["zone_started"], HVISOR_ZONE=zone, PRIORITY="6", MESSAGE=f"zone {zone}: started",
                       SYSLOG_IDENTIFIER="hvisord")
        busctl("call", *MANAGER, "StartZone", "sa{sv}", zone, "0")
        journal.expect(MESSAGE_ID=ids["zone_not_started"], HVISOR_ZONE=zone, PRIORITY="4")
        busctl("call", *MANAGER, "ShutdownZone", "sa{sv}", zone, "0")
        journal.expect(MESSAGE_ID=ids["zone_shut_down"], HVISOR_ZONE=zone, PRIORITY="6")
        # What is about a device says so, and what is no event has no id.
        console = [entry for entry in journal.entries() if entry.get("HVISOR_DEVICE") == "console-a003800"]
        assert console and console[0]["HVISOR_ZONE"] == zone and "MESSAGE_ID" not in console[0], journal.entries()

        assert busctl("set-property", *LOG_CONTROL, "s", "console").returncode == 0
        count = len(journal.entries())
        busctl("call", *MANAGER, "StartZone", "sa{sv}", zone, "0")
        assert len(journal.entries()) == count, journal.entries()[count:]
        assert busctl("set-property", *LOG_CONTROL, "s", "journal").returncode == 0
    assert journal.has(MESSAGE_ID=ids["stopped_beside_zones"], PRIORITY="4"), journal.entries()


main(*sys.argv[1:])

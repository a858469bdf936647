# SPDX-License-Identifier: Apache-2.0
"""What hvisorctl prints for programs, and what it prints as things happen.

    output.py HVISORD HVISORCTL
"""

import json
import subprocess
import sys
import threading

import support


class Monitor:
    """`hvisorctl monitor`, whose lines are kept as they come."""

    def __init__(self, command):
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        self.lines.extend(line for line in self._process.stdout)

    def has(self, condition):
        return any(condition(line) for line in list(self.lines))

    def end(self):
        self._process.terminate()
        self._process.wait()


def main(hvisord, hvisorctl):
    def ctl(*arguments):
        return subprocess.run([hvisorctl, "--bus=session", *arguments], check=True, capture_output=True, text=True).stdout

    with support.Daemon(hvisord) as daemon:
        text = Monitor([hvisorctl, "--bus=session", "monitor"])
        events = Monitor([hvisorctl, "--bus=session", "monitor", "-o", "json"])
        # There is no word of when a monitor is ready: start until both have seen it.
        def both_saw_a_start():
            ctl("zone", "start", daemon.zone)
            ctl("zone", "shutdown", daemon.zone)
            return (text.has(lambda line: line.endswith(f' changed {daemon.zone} "State":"running"\n'))
                    and events.has(lambda line: json.loads(line)["Properties"].get("State") == "running"))
        support.wait_until(both_saw_a_start, "the monitors did not see a zone start")

        ctl("zone", "start", daemon.zone)
        zones = json.loads(ctl("zone", "list", "-o", "json"))
        assert [(zone["Id"], zone["State"]) for zone in zones] == [(0, "running"), (1, "running")], zones
        zone = json.loads(ctl("-o", "json", "zone", "show", daemon.zone))
        assert [device["Type"] for device in zone["Devices"]] == ["block", "console"], zone
        devices = json.loads(ctl("device", "list", "-o", "json"))
        assert {device["Zone"] for device in devices} == {daemon.zone}, devices
        disk = json.loads(ctl("device", "show", daemon.zone, "block-a003c00", "-o", "json"))
        assert disk["Size"] == 65536 and len(disk["Queues"][0]["Latency"]) == 24, disk
        status = json.loads(ctl("status", "-o", "json"))
        assert status["HypervisorState"] == "attached" and "Requests" in status["Statistics"], status
        assert json.loads(ctl("version", "-o", "json"))["Daemon"] == status["Version"]

        table = ctl("device", "list", daemon.zone).splitlines()
        assert table[0].split() == ["ZONE", "DEVICE", "TYPE", "ADDRESS", "IRQ", "DRIVER", "BACKEND"], table
        assert ctl("device", "list", "--no-legend").splitlines()[0].split()[:3] == ["guest1", "block-a003c00", "block"]

        ctl("device", "resize", daemon.zone, "block-a003c00", "128K")
        support.wait_until(lambda: text.has(lambda line: line.endswith('block_2da003c00 "Size":131072\n')),
                           "the monitor did not tell of another size")
    support.wait_until(lambda: text.has(lambda line: line.endswith(" stopped hvisord\n")),
                       "the monitor did not tell that the daemon has gone")
    text.end()
    events.end()


main(*sys.argv[1:])

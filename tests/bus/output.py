# SPDX-License-Identifier: Apache-2.0
"""What hvisorctl prints for programs, and what it prints as things happen.

    output.py HVISORD HVISORCTL
"""

import json
import re
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


def check_metrics(text):
    """Each metric is described once and stands together, and the end is marked (OpenMetrics 1.0)."""
    lines = text.splitlines()
    assert lines[-1] == "# EOF", lines[-1]
    described, families = {}, []
    for line in lines[:-1]:
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in described, f"{name} stands at two places"
            described[name] = kind
            families.append(name)
            continue
        if line.startswith("# "):
            assert line.split()[2] == families[-1], line
            continue
        sample = re.fullmatch(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)*)\})? ([0-9]+)', line)
        assert sample, f"not a sample: {line}"
        suffix = "_total" if described[families[-1]] == "counter" else ""
        assert sample[1] == families[-1] + suffix, line
    return {line.rsplit(" ", 1)[0]: int(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def check_numbers(ctl, zone):
    samples = check_metrics(ctl("stats", "-o", "openmetrics"))
    assert samples['hvisor_zone_state{zone="guest1",state="running"}'] == 1, samples
    assert samples['hvisor_zone_state{zone="guest1",state="failed"}'] == 0, samples
    assert 'hvisor_bridge_missed_wakeups_total' in samples, samples
    queue = 'zone="guest1",device="block-a003c00",type="block",queue="0"'
    assert samples[f'hvisor_queue_requests_total{{{queue}}}'] == 0, samples
    assert f'hvisor_queue_completions_total{{{queue},le="+Inf"}}' in samples, samples
    assert set(check_metrics(ctl("zone", "stats", zone, "-o", "openmetrics"))) <= set(samples)

    title, *rows = ctl("stats").splitlines()
    assert title.split()[:6] == ["ZONE", "DEVICE", "QUEUE", "REQUESTS", "BYTES", "ERRORS"], title
    assert ["guest1", "block-a003c00", "0", "0"] in [row.split()[:4] for row in rows], rows
    numbers = json.loads(ctl("zone", "stats", zone, "-o", "json"))
    assert {(row["Device"], row["Queue"]) for row in numbers} == {
        ("block-a003c00", 0), ("console-a003800", 0), ("console-a003800", 1)}, numbers

    first, second = ctl("top", "-d", "0.1", "-n", "2").rstrip("\n").split("\n\n")
    for table in first, second:
        assert [row.split()[:5] for row in table.splitlines() if "block" in row] == [
            ["guest1", "running", "block-a003c00", "none", "0"]], table


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

        started = json.loads(ctl("zone", "start", daemon.zone, "-o", "json"))
        assert started["Zone"] == "/org/syswonder/hvisor1/zone/guest1" and "/job/" in started["Job"], started
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
        version = json.loads(ctl("version", "-o", "json"))
        assert version["Daemon"] == status["Version"] and version["HypervisorMagic"] == 6, version

        table = ctl("device", "list", daemon.zone).splitlines()
        assert table[0].split() == ["ZONE", "DEVICE", "TYPE", "ADDRESS", "IRQ", "DRIVER", "BACKEND"], table
        assert ctl("device", "list", "--no-legend").splitlines()[0].split()[:3] == ["guest1", "block-a003c00", "block"]

        check_numbers(ctl, daemon.zone)

        ctl("device", "resize", daemon.zone, "block-a003c00", "128K")
        support.wait_until(lambda: text.has(lambda line: line.endswith('guest1 block-a003c00 "Size":131072\n')),
                           "the monitor did not tell of another size")
    support.wait_until(lambda: text.has(lambda line: line.endswith(" stopped hvisord\n")),
                       "the monitor did not tell that the daemon has gone")
    text.end()
    events.end()


main(*sys.argv[1:])

# SPDX-License-Identifier: Apache-2.0
"""Each of dbus/examples does what it says. They look for hvisord on the system bus,
which here is another name of the private one.

    examples.py HVISORD EXAMPLE...
"""

import os
import subprocess
import sys
import tempfile

from messages import NAME, ROOT, Connection, method

import support

ZONE = f"{ROOT}/zone/{support.Daemon.zone}"
CONSOLE = f"{ZONE}/device/console_2da003800"
COUNTERS = ["block-a003c00: Bytes 0 Errors 0 Requests 0", "console-a003800: Bytes 0 Errors 0 Requests 0",
            "console-a003800: Bytes 0 Errors 0 Requests 0"]


class Running:
    """An example that goes on, whose output comes into a file."""

    def __init__(self, folder, command):
        self._path = f"{folder}/output"
        with open(self._path, "wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)

    def output(self):
        with open(self._path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def has_ended(self):
        return self._process.poll() is not None

    def program(self):
        with open(f"/proc/{self._process.pid}/comm", encoding="ascii") as file:
            return file.read().strip()

    def end(self):
        self._process.terminate()
        self._process.wait()


def check(example, daemon, folder, client):
    def run(*words, status=0):
        result = subprocess.run([example, *words], capture_output=True, text=True, check=False)
        assert result.returncode == status, f"{example} {words}: {result}"
        return result.stdout.splitlines()

    def shut_down():
        client.call(method(ZONE, f"{NAME}.Zone", "Shutdown", "a{sv}", ({},)))

    assert sorted(run("list")) == ["0 root-linux running", "1 guest1 defined"], run("list")
    run("start", "nobody", status=1)
    run("counters", "nobody", status=1)
    run("no-such-verb", status=2)

    watch = Running(folder, [example, "watch"])
    states = run("start", daemon.zone)
    assert states[-1] == "done, 100 %", states
    assert sorted(run("list")) == ["0 root-linux running", "1 guest1 running"], run("list")
    assert run("counters", daemon.zone) == COUNTERS, run("counters", daemon.zone)
    run("start", daemon.zone, status=1)

    # There is no word of when it listens: change something until it has seen it.
    def has_seen():
        shut_down()
        run("start", daemon.zone)
        return ZONE in watch.output() and "stopp" in watch.output()
    support.wait_until(has_seen, f"{example} watch does not see a zone end")
    watch.end()

    console = Running(folder, [example, "console", daemon.zone])
    if example.endswith(".sh"):
        support.wait_until(lambda: console.program() == "cat", f"{example} console finds no terminal")
    else:
        # Who has the input is told when another takes it.
        def clients():
            properties = method(CONSOLE, "org.freedesktop.DBus.Properties", "Get", "ss", (f"{NAME}.Device.Console", "Ports"))
            return client.call(properties)[0][1][0]["Clients"][1]
        support.wait_until(lambda: clients() == 1, f"{example} console does not attach")
        client.call(method(ZONE, f"{NAME}.Zone", "OpenConsole", "sa{sv}", ("", {"force": ("b", True)})))
        support.wait_until(lambda: "another client" in console.output(), f"{example} console shows nothing")
    # The console goes with the zone.
    shut_down()
    client.call(method(ROOT, f"{NAME}.Manager", "StartZone", "sa{sv}", (daemon.zone, {})))
    support.wait_until(console.has_ended, f"{example} console does not end with its console")
    shut_down()


def main(hvisord, *examples):
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = os.environ["DBUS_SESSION_BUS_ADDRESS"]
    for example in examples:
        with support.Daemon(hvisord) as daemon, tempfile.TemporaryDirectory() as folder:
            check(os.path.abspath(example), daemon, folder, Connection())


main(*sys.argv[1:])

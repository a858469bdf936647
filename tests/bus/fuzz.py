# SPDX-License-Identifier: Apache-2.0
"""Call every method and property of every object of hvisord with arguments that fit its
signature and nothing else, and some that do not fit it either.

    fuzz.py HVISORD SECONDS SEED XML...

hvisord must answer each call, with a documented error if it does not like it, end in
order, and have as much memory, files and threads at the end as it had before.
"""

import os
import random
import re
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

from messages import NAME, ROOT, Connection, error_name, method

import support

STANDARD = "org.freedesktop.DBus"
# Calls in flight at once: some answers take as long as the daemon likes.
WINDOW = 16
# The second half may not need more than the first by this much.
GROWTH_MIB = 8

STRINGS = ["", "guest1", "root-linux", "0", "1", "block-a003c00", "console-a003800",
           "gpu-a003400", "..", "../guest1", "a/b", "null",
           "\t", "%s%n", "é" * 40, "x" * 70000, '"', "{", "org.syswonder.hvisor1.Zone", support.ZONE, support.VIRTIO]
INTEGERS = {"y": (0, 2**8 - 1), "q": (0, 2**16 - 1), "u": (0, 2**32 - 1), "t": (0, 2**64 - 1),
            "n": (-2**15, 2**15 - 1), "i": (-2**31, 2**31 - 1), "x": (-2**63, 2**63 - 1)}
TYPES = ["b", *INTEGERS, "d", "s", "o", "g", "as", "ay", "a{sv}", "a{ss}", "(su)", "v", "at", "aa{sv}"]


def split_signature(signature):
    """Its complete types."""
    while signature:
        depth = end = 0
        while True:
            depth += signature[end] in "({"
            depth -= signature[end] in ")}"
            end += 1
            if depth == 0 and signature[end - 1] != "a":
                break
        yield signature[:end]
        signature = signature[end:]


class Values:
    """Random ones of a type, likelier those on which code goes wrong."""

    def __init__(self, rng, keys, paths):
        self._rng = rng
        # What the documentation says of options: pairs of key and type.
        self._keys = keys
        self.paths = paths
        self._files = [os.open("/dev/null", os.O_RDWR), *os.pipe(), os.memfd_create("fuzz")]

    def of(self, kind, depth=0):
        """A value of one complete type, as jeepney takes it."""
        rng = self._rng
        if kind in INTEGERS:
            low, high = INTEGERS[kind]
            return rng.choice([low, high, 0, 1, 2, 3, 16, low + 1, high - 1, rng.randint(low, high)])
        if kind == "b":
            return rng.random() < 0.5
        if kind == "d":
            return rng.choice([0.0, -1.0, 1e300, float("inf"), float("nan"), rng.random()])
        if kind == "s":
            return self._string()
        if kind == "o":
            return rng.choice(["/", "/a", ROOT + "/zone/none", *self.paths])
        if kind == "g":
            return rng.choice(["", "s", "a{sv}", "(((((i)))))"])
        if kind == "h":
            return rng.choice(self._files)
        if kind == "v":
            inner = rng.choice(TYPES[:10] if depth > 2 else TYPES)
            return (inner, self.of(inner, depth + 1))
        if kind == "ay":
            return rng.randbytes(rng.choice([0, 1, 7, 4096]))
        if kind.startswith("a{"):
            return self._dictionary(kind[2], kind[3:-1], depth)
        if kind.startswith("a"):
            return [self.of(kind[1:], depth + 1) for _ in range(rng.choice([0, 1, 2, 5]))]
        return tuple(self.of(inner, depth + 1) for inner in split_signature(kind[1:-1]))

    def _string(self):
        text = self._rng.choice(STRINGS)
        if len(text) > 1 and self._rng.random() < 0.3:
            # One character more, less, or another.
            at = self._rng.randrange(len(text))
            text = text[:at] + self._rng.choice(["", "9", '"', "}", "-", "0x"]) + text[at + self._rng.randrange(3):]
        return text

    def _dictionary(self, key, kind, depth):
        result = {}
        for _ in range(self._rng.choice([0, 0, 1, 2, 3])):
            if kind == "v" and self._keys and self._rng.random() < 0.7:
                name, documented = self._rng.choice(self._keys)
                if self._rng.random() < 0.7:
                    result[name] = (documented, self.of(documented, depth + 1))
                else:
                    result[name] = self.of("v", depth + 1)
            else:
                result[self.of(key, depth + 1)] = self.of(kind, depth + 1)
        return result


class Interfaces:
    """What hvisord says it has: for each object its methods and properties."""

    def __init__(self, patient):
        self.methods = []  # (path, interface, member, signature)
        self.properties = []  # (path, interface, member, signature)
        self.paths = []
        self._patient = patient
        connection = Connection()
        self._read(connection, ROOT)
        connection.close()

    def _read(self, connection, path):
        try:
            text, = connection.call(method(path, f"{STANDARD}.Introspectable", "Introspect"))
        except RuntimeError:
            return  # it has gone meanwhile
        self.paths.append(path)
        for element in ElementTree.fromstring(text):
            if element.tag == "node":
                self._read(connection, f"{path}/{element.get('name')}")
            for member in element:
                name = element.get("name"), member.get("name")
                if member.tag == "method":
                    kinds = [argument.get("type") for argument in member.iter("arg")
                             if argument.get("direction") != "out"]
                    self.methods.append((path, *name, "".join(kinds)))
                elif member.tag == "property":
                    self.properties.append((path, *name, member.get("type")))

    def call(self, rng, values):
        """A random call, and whether its answer may take its time."""
        if rng.random() < 0.25 and self.properties:
            path, interface, member, kind = rng.choice(self.properties)
            if rng.random() < 0.5:
                return method(path, f"{STANDARD}.Properties", "Get", "ss", (interface, member)), False
            kind = rng.choice([kind, rng.choice(TYPES)])
            body = (interface, member, (kind, values.of(kind)))
            return method(path, f"{STANDARD}.Properties", "Set", "ssv", body), False
        path, interface, member, signature = rng.choice(self.methods)
        patient = (interface, member) in self._patient
        if rng.random() < 0.05:
            signature = "".join(rng.choice(TYPES) for _ in range(rng.randrange(4)))
        if rng.random() < 0.02:
            path = values.of("o")
        if rng.random() < 0.02:
            member = rng.choice(["Nothing", "Get", "Shutdown"])
        body = tuple(values.of(kind) for kind in split_signature(signature))
        return method(path, interface, member, signature or None, body), patient


def documented(files):
    """Options and their types, and the methods that may take long, of the XML."""
    keys, patient = set(), set()
    for file in files:
        text = Path(file).read_text(encoding="utf-8")
        keys |= set(re.findall(r'"([a-z-]+)"\s+\(([a-z{}]+)\)', text))
        for interface in ElementTree.fromstring(text).iter("interface"):
            patient |= {(interface.get("name"), member.get("name")) for member in interface.iter("method")
                        if any(one.get("name") == f"{STANDARD}.Method.Timeout" for one in member.iter("annotation"))}
    return sorted(keys), patient


class Footprint:
    """What a process has of memory, files and threads."""

    def __init__(self, process):
        folder = Path("/proc", str(process))
        rss = re.search(r"^Rss: +(\d+)", Path(folder, "smaps_rollup").read_text(encoding="ascii"), re.M)
        self.mib = int(rss[1]) / 1024
        self.files = len(list(Path(folder, "fd").iterdir()))
        self.threads = len(list(Path(folder, "task").iterdir()))

    def __str__(self):
        return f"{self.mib:.1f} MiB, {self.files} files, {self.threads} threads"


class Fuzzer:
    """Keeps some calls in flight on a connection, and judges the answers."""

    def __init__(self, rng, values):
        self._rng = rng
        self._values = values
        self._connection = Connection()
        self._waiting = {}  # number: call, time, whether it may take long
        self.calls = 0
        self.errors = {}

    def step(self, interfaces):
        """One call more."""
        message, patient = interfaces.call(self._rng, self._values)
        number = self._connection.send(message)
        self._waiting[number] = message, time.monotonic(), patient
        self.calls += 1
        while len(self._waiting) >= WINDOW:
            self._take(5)

    def settle(self):
        """Wait for what is in flight, but not for what may take long; a new connection."""
        while any(not patient for _, _, patient in self._waiting.values()):
            self._take(5)
        self._waiting.clear()
        self._connection.close()
        self._connection = Connection()

    def close(self):
        """End it."""
        self._connection.close()

    def _take(self, seconds):
        message = self._connection.receive(seconds)
        if message is None:
            late = [call for call, since, patient in self._waiting.values()
                    if not patient and time.monotonic() - since > 20]
            if late:
                raise TimeoutError(f"no answer to {late[0]}")
            if all(patient for _, _, patient in self._waiting.values()):
                self._waiting.clear()
            return
        call = self._waiting.pop(next((value for key, value in message.header.fields.items() if key.name == "reply_serial"),
                                      None), None)
        name = error_name(message)
        if call is None or name is None:
            return
        self.errors[name] = self.errors.get(name, 0) + 1
        if not name.startswith((f"{NAME}.Error.", f"{STANDARD}.Error.")):
            raise ValueError(f"error {name} in answer to {call[0]}")
        if name == f"{STANDARD}.Error.NoReply":
            raise ConnectionError(f"hvisord ended, perhaps by {call[0]}")
        if not message.body or not message.body[0]:
            raise ValueError(f"error {name} says nothing in answer to {call[0]}")


def cycle(zone, *members):
    """Call these of the Manager, whatever comes of it."""
    connection = Connection()
    for member in members:
        connection.reply(connection.send(method(ROOT, f"{NAME}.Manager", member, "sa{sv}", (zone, {}))))
    connection.close()


def main(hvisord, seconds, seed, *files):
    rng = random.Random(int(seed))
    keys, patient = documented(files)
    values = Values(rng, keys, [])
    # What the sanitizer keeps back is no memory of hvisord.
    zone, virtio = support.with_gpu(support.ZONE, support.VIRTIO)
    with support.Daemon(hvisord, zone=zone, virtio=virtio,
                        sanitizer="quarantine_size_mb=1") as daemon:
        # A zone that has stopped keeps the history of its consoles.
        cycle(daemon.zone, "StartZone", "ShutdownZone")
        start = Footprint(daemon.pid)
        fuzzer = Fuzzer(rng, values)
        begin = time.monotonic()
        half = None
        while (passed := time.monotonic() - begin) < float(seconds):
            if half is None and passed > float(seconds) / 2:
                half = Footprint(daemon.pid)
            # One that runs, whatever was done to it.
            cycle(daemon.zone, "ShutdownZone", "StartZone")
            interfaces = Interfaces(patient)
            values.paths[:] = interfaces.paths
            for _ in range(300):
                fuzzer.step(interfaces)
            fuzzer.settle()
        fuzzer.close()
        cycle(daemon.zone, "ShutdownZone")
        support.wait_until(lambda: Footprint(daemon.pid).files <= start.files,
                           f"files are left open, beside {start.files}")
        end = Footprint(daemon.pid)
        print(f"{fuzzer.calls} calls, seed {seed}; at the start {start}, half way {half}, at the end {end}")
        print("errors: " + ", ".join(f"{name.rsplit('.', 1)[1]} {times}" for name, times in sorted(fuzzer.errors.items())))
        if end.mib > half.mib + GROWTH_MIB:
            sys.exit("its memory grows")
        if end.threads > start.threads + 2:
            sys.exit("threads are left")


main(*sys.argv[1:])

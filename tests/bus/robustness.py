# SPDX-License-Identifier: Apache-2.0
"""What hvisord has to bear: very many clients, some that never read, its end in the
middle of a job, and a machine without an id.

    robustness.py HVISORD many|deaf|terminated|nameless
"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jeepney import HeaderFields, MessageType

from messages import NAME, ROOT, Connection, EagerConnection, error_name, method

import support

MANAGER = f"{NAME}.Manager"
LIST = method(ROOT, MANAGER, "ListZones")
OBJECTS = method(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
CLIENTS = 200
# The answers that a client who never reads asks for, of more than 4 KiB each, may take
# so much memory, and no more.
DEAF_MIB = 32
# Enough to be in the middle of loading it when the end comes.
IMAGE_MIB = 64
# A bus as any, with less patience than the 127 MiB of a system bus. Only max_outgoing_bytes
# is less: a message that waits for the client counts as incoming of hvisord too, and with
# equal limits it is a matter of some bytes whether the bus drops answers, which is what is
# tested here, or reads no more from hvisord, which no program on a bus can do anything about.
BUS_CONFIG = """<busconfig>
  <type>session</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_outgoing_bytes">2000000</limit>
</busconfig>
"""
# What the sanitizer keeps back is no memory of hvisord.
QUIET = "quarantine_size_mb=1"


def of_manager(member):
    """A call of this member with a zone's name."""
    return lambda zone: method(ROOT, MANAGER, member, "sa{sv}", (zone, {}))


start, shut_down = (of_manager(member) for member in ("StartZone", "ShutdownZone"))


def restart(zone):
    """A call that restarts a zone, whose name is one that paths have as it is."""
    return method(f"{ROOT}/zone/{zone}", f"{NAME}.Zone", "Restart", "a{sv}", ({},))


def anonymous_mib(process):
    """What a process has of memory of its own."""
    text = Path("/proc", str(process), "smaps_rollup").read_text(encoding="ascii")
    return int(re.search(r"^Anonymous: +(\d+)", text, re.M)[1]) / 1024


def open_files(process):
    return len(os.listdir(f"/proc/{process}/fd"))


def ask_all(daemon, path, count=CLIENTS):
    """Connect so many, then ask by each for much, while a zone comes and goes."""
    clients = [Connection(path) for _ in range(count)]
    sent = [{client.send(LIST), client.send(OBJECTS)} for client in clients]
    sent[0] |= {clients[0].send(change(daemon.zone)) for change in (start, shut_down)}
    for client, serials in zip(clients, sent, strict=True):
        while serials:
            message = client.receive(60)
            if message is None:
                sys.exit(f"{count} clients: {len(serials)} calls of one were not answered")
            serials.discard(message.header.fields.get(HeaderFields.reply_serial))
        client.close()


def ask_at_once(daemon, path):
    """All connect and ask before the daemon looks at the first."""
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        clients = [EagerConnection(path, LIST) for _ in range(CLIENTS)]
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    for client in clients:
        if client.reply(60) is None:
            sys.exit(f"one of {CLIENTS} clients that ask at once was not answered")
        client.close()


def many(hvisord):
    """200 clients each way: every call of every one is answered."""
    with tempfile.TemporaryDirectory() as folder, support.Daemon(hvisord, f"--listen={folder}/control") as daemon:
        ask_all(daemon, None, 1)  # a zone that has ended keeps its console
        before = open_files(daemon.pid)
        for ask, path in (ask_all, None), (ask_at_once, f"{folder}/control"), (ask_all, f"{folder}/control"):
            begin = time.monotonic()
            ask(daemon, path)
            print(f"{CLIENTS} clients by {path or 'the bus'}: all answered after {time.monotonic() - begin:.2f} s")
            support.wait_until(lambda: open_files(daemon.pid) <= before, "hvisord keeps what clients had")


def ask_without_reading(client, other, calls):
    """Ask again and again until nobody takes it any more: how often, and how long `other` waited meanwhile at most."""
    longest, sent, is_left = 0.0, 0, False
    while not is_left and sent < calls:
        try:
            for _ in range(100):
                client.send(OBJECTS)
                sent += 1
        except (BrokenPipeError, ConnectionResetError):
            is_left = True
        begin = time.monotonic()
        other.call(LIST)
        longest = max(longest, time.monotonic() - begin)
    return sent, longest


def deaf_by(daemon, path, calls):
    """A client that never reads, by one way."""
    other = Connection(path)
    client = Connection(path)
    before = anonymous_mib(daemon.pid)
    sent, longest = ask_without_reading(client, other, calls)
    grown = anonymous_mib(daemon.pid) - before
    print(f"a client that never reads by {path or 'the bus'}: {sent} calls, {grown:.1f} MiB more, "
          f"others wait {longest:.3f} s at most")
    if path and sent == calls:
        sys.exit("hvisord goes on with a client that never reads")
    if grown > DEAF_MIB:
        sys.exit(f"hvisord holds {grown:.0f} MiB for a client that never reads")
    if longest > 10:
        sys.exit(f"another client waited {longest:.1f} s for its answer")
    client.close()
    other.call(LIST)
    other.close()


def deaf(hvisord):
    """One asks without end and reads nothing: that costs it its connection, or its answers, and others nothing."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "bus.conf").write_text(BUS_CONFIG.format(folder=folder), encoding="ascii")
        bus = subprocess.Popen(["dbus-daemon", "--nofork", f"--config-file={folder}/bus.conf"],
                               stderr=subprocess.DEVNULL)
        try:
            support.wait_until(Path(folder, "bus").exists, "dbus-daemon did not come up")
            os.environ["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={folder}/bus"
            with support.Daemon(hvisord, f"--listen={folder}/control", sanitizer=QUIET) as daemon:
                Connection().call(start(daemon.zone))
                deaf_by(daemon, f"{folder}/control", 10000)
                # Here it is the bus that keeps what is not read, and at its limit drops it.
                deaf_by(daemon, None, 2000)
        finally:
            bus.terminate()
            bus.wait()


def end_within(hvisord, zone, virtio, before, jobs, after, delay):
    """SIGTERM `delay` seconds after the daemon has taken `jobs`: it ends in time, all are answered, nothing stays."""
    with (tempfile.TemporaryDirectory() as folder,
          support.Daemon(hvisord, f"--listen={folder}/control", zone=zone, virtio=virtio) as daemon):
        files = daemon.files()
        client = Connection()
        for call in before:
            client.call(call(daemon.zone))
        serials = {client.send(job(daemon.zone)) for job in jobs}
        for message in after:
            client.send(message)
        # Answered in turn: now the jobs are there.
        waiting = client.send(LIST)
        while (message := client.receive(60)).header.fields.get(HeaderFields.reply_serial) != waiting:
            serials.discard(message.header.fields.get(HeaderFields.reply_serial))
        time.sleep(delay)
        os.kill(daemon.pid, signal.SIGTERM)
        begin = time.monotonic()
        daemon.wait()  # for its status see Daemon
        if time.monotonic() - begin > 20:
            sys.exit(f"hvisord took {time.monotonic() - begin:.0f} s to end")
        while serials:
            message = client.receive(5)
            if message is None:
                sys.exit(f"{len(serials)} jobs were not answered")
            if message.header.fields.get(HeaderFields.reply_serial) in serials:
                serials.remove(message.header.fields[HeaderFields.reply_serial])
                # Done, or an error of its own: the bus would have one when hvisord went without a word.
                if message.header.message_type == MessageType.error and not error_name(message).startswith(NAME):
                    sys.exit(f"a job was answered by {error_name(message)}: {message.body}")
        client.close()
        if daemon.files() != files or os.listdir(folder):
            sys.exit(f"hvisord has left {daemon.files() - files} and {os.listdir(folder)}")


def terminated(hvisord):
    """SIGTERM at any moment of each kind of job, running, waiting or given up: hvisord ends in order."""
    rng = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "Image")
        with image.open("wb") as file:
            file.truncate(IMAGE_MIB << 20)
        zone = support.ZONE.replace('"size": "0x1000000"', f'"size": "{(IMAGE_MIB + 16) << 20:#x}"')
        zone = zone.replace('"kernel_filepath": "null"', f'"kernel_filepath": "{image}"')
        virtio = support.VIRTIO.replace('"size": "0x1000000"', f'"size": "{(IMAGE_MIB + 16) << 20:#x}"')
        cancel = method(f"{ROOT}/job/1", f"{NAME}.Job", "Cancel", "a{sv}", ({},))
        for before, jobs, after in (
            ([], [start], []),
            ([start], [shut_down], []),
            ([start], [restart], []),
            ([], [start], [cancel]),
            # The first runs, the others wait.
            ([], [start, shut_down, start], []),
            ([start], [restart, restart, shut_down], []),
        ):
            for delay in 0, rng.random() * 0.2:
                end_within(hvisord, zone, virtio, before, jobs, after, delay)


def nameless(hvisord):
    """Where /etc/machine-id is empty, libsystemd cannot answer GetMachineId()."""
    if os.geteuid() != 0:
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "machine-id").touch()
        inside = f'mount --bind {folder}/machine-id /etc/machine-id && exec "$0" "$@"'
        prefix = ["unshare", "--mount", "--propagation=private", "sh", "-c", inside]
        with support.Daemon(hvisord, prefix=prefix):
            ask = method(ROOT, "org.freedesktop.DBus.Peer", "GetMachineId")
            client = Connection()
            reply = client.reply(client.send(ask))
            if reply is None or error_name(reply) != "org.freedesktop.DBus.Error.FileNotFound":
                sys.exit(f"GetMachineId() without an id is answered by {reply}")
            client.call(LIST)


def main(hvisord, what):
    {"many": many, "deaf": deaf, "terminated": terminated, "nameless": nameless}[what](hvisord)


main(*sys.argv[1:])

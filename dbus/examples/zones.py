#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The API of hvisord from Python, by jeepney (python3-jeepney). Copy what you need of it:

    zones.py list             the zones, and what state they are in
    zones.py start NAME       start a configured zone, and follow the job
    zones.py counters ZONE    what has gone through the queues of its devices
    zones.py console ZONE     be at the zone's console: lines from stdin go there
    zones.py watch            what changes, as it happens
"""

import sys
import threading
from collections import deque

from jeepney import DBusAddress, HeaderFields, MatchRule, MessageType, message_bus, new_method_call
from jeepney.io.blocking import open_dbus_connection

SERVICE = "org.syswonder.hvisor1"
ROOT = "/org/syswonder/hvisor1"


class Hvisor:
    """hvisord on the system bus."""

    def __init__(self):
        self._connection = open_dbus_connection("SYSTEM", enable_fds=True)

    def call(self, path, interface, member, signature=None, *arguments):
        """What a method returns; one that fails ends this program with what the daemon says."""
        message = new_method_call(DBusAddress(path, SERVICE, interface), member, signature, arguments)
        reply = self._connection.send_and_get_reply(message)
        if reply.header.message_type == MessageType.error:
            sys.exit(f"zones.py: {reply.body[0]}")
        return reply.body

    def get(self, path, interface):
        """All properties of one of an object's interfaces."""
        (properties,) = self.call(path, "org.freedesktop.DBus.Properties", "GetAll", "s", f"{SERVICE}.{interface}")
        return plain(properties)

    def objects(self, interface):
        """Path and properties of every object that has this interface, in one call."""
        (objects,) = self.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        name = f"{SERVICE}.{interface}"
        return {path: plain(interfaces[name]) for path, interfaces in objects.items() if name in interfaces}

    def zone_called(self, name):
        """The path of a zone's object. Paths hold names in an escaped form, so the object says what it is called."""
        for path, zone in self.objects("Zone").items():
            if zone["Name"] == name:
                return path
        sys.exit(f"zones.py: there is no zone {name}")

    def changes(self, path=ROOT):
        """From now on: path, interface and changed properties, of this object and all below it."""
        rule = MatchRule(type="signal", sender=SERVICE, member="PropertiesChanged", path_namespace=path)
        self._connection.send_and_get_reply(message_bus.AddMatch(rule))
        # Signals come in the name of the daemon's connection, not of its service.
        rule = MatchRule(type="signal", member="PropertiesChanged", path_namespace=path)
        queue = self._connection.filter(rule, queue=deque()).queue
        return map(change, iter(lambda: self._connection.recv_until_filtered(queue), None))


def change(message):
    """What a signal PropertiesChanged says."""
    interface, properties, _ = message.body
    return message.header.fields[HeaderFields.path], interface, plain(properties)


def plain(properties):
    """A dictionary of variants, each a pair of type and value, with the values alone."""
    return {name: value for name, (_, value) in properties.items()}


def list_zones(hvisor):
    """ListZones() has the same for who needs no more."""
    for zone in hvisor.objects("Zone").values():
        print(zone["Id"], zone["Name"], zone["State"])


def start(hvisor, name):
    """Without "wait" the reply is there at once, and the job can be followed."""
    (results,) = hvisor.call(ROOT, f"{SERVICE}.Manager", "StartZone", "sa{sv}", name, {"wait": ("b", False)})
    path = plain(results)["Job"]
    changes = hvisor.changes(path)  # before its state is asked for, so that none is missed
    while True:
        job = hvisor.get(path, "Job")
        print(f"{job['State']}, {job['Progress']} %", flush=True)
        if job["State"] not in ("waiting", "running"):
            break
        next(changes)
    if job["State"] != "done":
        sys.exit(f"zones.py: {job['Error'][1]}")


def counters(hvisor, name):
    """Devices are below their zone."""
    zone = hvisor.zone_called(name)
    for path, device in hvisor.objects("Device").items():
        if path.startswith(f"{zone}/"):
            for queue in map(plain, hvisor.get(path, "Device.Statistics")["Queues"]):
                print(f"{device['Id']}: Bytes {queue['Bytes']} Errors {queue['Errors']} Requests {queue['Requests']}")


def console(hvisor, name):
    """The first console; the zone's history comes first, and the stream ends with the zone."""
    stream, _ = hvisor.call(hvisor.zone_called(name), f"{SERVICE}.Zone", "OpenConsole", "sa{sv}", "", {})
    with stream.to_socket() as zone:
        threading.Thread(target=lambda: [zone.sendall(line) for line in sys.stdin.buffer], daemon=True).start()
        while output := zone.recv(4096):
            sys.stdout.buffer.write(output)
            sys.stdout.buffer.flush()


def watch(hvisor):
    """Zones and devices that come and go are InterfacesAdded and InterfacesRemoved of ROOT."""
    for path, interface, properties in hvisor.changes():
        print(path, interface.removeprefix(f"{SERVICE}."), properties, flush=True)


match sys.argv[1:]:
    case ["list"]:
        list_zones(Hvisor())
    case ["start", zone_name]:
        start(Hvisor(), zone_name)
    case ["counters", zone_name]:
        counters(Hvisor(), zone_name)
    case ["console", zone_name]:
        console(Hvisor(), zone_name)
    case ["watch"]:
        watch(Hvisor())
    case _:
        print(__doc__, file=sys.stderr)
        sys.exit(2)

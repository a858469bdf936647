# SPDX-License-Identifier: Apache-2.0
"""The running daemon's introspection is what dbus/*.xml says, no more and no less.
That every member there is documented dbus/reference.py sees to.

    introspection.py HVISORD XML...
"""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import support

NAME = "org.syswonder.hvisor1"
LOG_CONTROL = "org.freedesktop.LogControl1"
ROOT = "/org/syswonder/hvisor1"
# What generators read and a running service does not tell, the last one on a user's bus.
PRIVATE_ANNOTATIONS = ("org.freedesktop.DBus.Method.Async", "org.freedesktop.DBus.Method.Timeout",
                       "org.freedesktop.systemd1.Privileged")


def describe(interface):
    """One line a member, sorted: the whole shape of an interface."""
    lines = []
    for member in interface:
        if member.tag == "annotation":
            lines.append(f"annotation {member.get('name')}={member.get('value')}")
            continue
        line = [member.tag, member.get("name"), member.get("type") or "", member.get("access") or ""]
        for child in member:
            if child.tag == "arg":
                # A method's argument goes in unless it says otherwise.
                direction = child.get("direction") or ("in" if member.tag == "method" else "out")
                line.append(f"{direction} {child.get('type')} {child.get('name')}")
            elif child.get("name") not in PRIVATE_ANNOTATIONS:
                line.append(f"{child.get('name')}={child.get('value')}")
        lines.append(" | ".join(line))
    return sorted(lines)


def read_files(paths):
    return {interface.get("name"): describe(interface)
            for path in paths for interface in ElementTree.parse(path).iter("interface")}


def busctl(*arguments):
    return subprocess.run(["busctl", "--user", *arguments], check=True, capture_output=True, text=True).stdout


def read_daemon():
    """All interfaces of dbus/*.xml on any of the daemon's objects."""
    interfaces = {}
    for path in busctl("tree", "--list", NAME).split():
        for interface in ElementTree.fromstring(busctl("introspect", "--xml-interface", NAME, path)).iter("interface"):
            if interface.get("name").startswith((NAME, LOG_CONTROL)):
                interfaces[interface.get("name")] = describe(interface)
    return interfaces


def main(hvisord, *paths):
    wanted = read_files(paths)
    zone, virtio, prefix = support.ZONE, support.VIRTIO, ()
    if support.can_have_taps():
        zone, virtio, prefix = support.NET_ZONE, support.NET_VIRTIO, support.NETWORK
    else:
        print("no tap can be made here: nothing is said of network devices")
        del wanted[f"{NAME}.Device.Net"]
    zone, virtio = support.with_inputs(*support.with_gpu(zone, virtio))
    with support.Daemon(hvisord, zone=zone, virtio=virtio, prefix=prefix) as daemon:
        busctl("call", NAME, ROOT, f"{NAME}.Manager", "StartZone", "sa{sv}", daemon.zone, "0")
        found = read_daemon()

    problems = []
    for name in sorted(wanted.keys() | found.keys()):
        expected, present = set(wanted.get(name, [])), set(found.get(name, []))
        problems += [f"{name}: only in the XML: {line}" for line in sorted(expected - present)]
        problems += [f"{name}: only in the daemon: {line}" for line in sorted(present - expected)]
    if problems:
        sys.exit("\n".join(problems))


main(*sys.argv[1:])

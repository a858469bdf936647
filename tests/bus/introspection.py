# SPDX-License-Identifier: Apache-2.0
"""The running daemon's introspection is what dbus/*.xml says, no more and no
less, and every member there is documented.

    introspection.py HVISORD XML...
"""

import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

NAME = "org.syswonder.hvisor1"
ROOT = "/org/syswonder/hvisor1"
# What generators read and a running service does not tell.
PRIVATE_ANNOTATIONS = ("org.freedesktop.DBus.Method.Async", "org.freedesktop.DBus.Method.Timeout")


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


def documented_members(text):
    """Names that a comment begins with, as gdbus-codegen reads them."""
    return {comment.strip().split(":", 1)[0] for comment in re.findall(r"<!--(.*?)-->", text, re.S)}


def read_files(paths):
    interfaces, problems = {}, []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        documented = documented_members(text)
        for interface in ElementTree.fromstring(text).iter("interface"):
            interfaces[interface.get("name")] = describe(interface)
            names = [interface.get("name")]
            names += [member.get("name") for member in interface if member.tag != "annotation"]
            problems += [f"{path}: {name} has no doc comment" for name in names if name not in documented]
    return interfaces, problems


def busctl(*arguments):
    return subprocess.run(["busctl", "--user", *arguments], check=True, capture_output=True, text=True).stdout


def read_daemon():
    """All interfaces of this project on any of the daemon's objects."""
    interfaces = {}
    for path in busctl("tree", "--list", NAME).split():
        for interface in ElementTree.fromstring(busctl("introspect", "--xml-interface", NAME, path)).iter("interface"):
            if interface.get("name").startswith(NAME):
                interfaces[interface.get("name")] = describe(interface)
    return interfaces


def start_zone(config_dir):
    with open(f"{config_dir}/guest1.json", "w", encoding="utf-8") as file:
        file.write(ZONE)
    with open(f"{config_dir}/guest1.virtio.json", "w", encoding="utf-8") as file:
        file.write(VIRTIO)
    busctl("call", NAME, ROOT, f"{NAME}.Manager", "StartZone", "sa{sv}", "guest1", "0")


ZONE = """{ "name": "guest1", "zone_id": 1, "cpus": [2],
  "memory_regions": [
    { "type": "ram", "physical_start": "0x50000000", "virtual_start": "0x50000000", "size": "0x1000000" },
    { "type": "virtio", "physical_start": "0xa003800", "virtual_start": "0xa003800", "size": "0x200" } ],
  "interrupts": [76], "ivc_configs": [],
  "kernel_filepath": "null", "kernel_load_paddr": "0x50400000",
  "dtb_filepath": "null", "dtb_load_paddr": "0x50000000", "entry_point": "0x50400000",
  "arch_config": { "gic_version": "v3", "gicd_base": "0x8000000", "gicd_size": "0x10000",
    "gicr_base": "0x80a0000", "gicr_size": "0xf60000", "gits_base": "0x8080000", "gits_size": "0x20000" },
  "pci_config": [] }"""
VIRTIO = """{ "zones": [ { "id": 1,
  "memory_region": [ { "zone0_ipa": "0x50000000", "zonex_ipa": "0x50000000", "size": "0x1000000" } ],
  "devices": [ { "type": "console", "addr": "0xa003800", "len": "0x200", "irq": 76, "status": "enable" } ] } ] }"""


def main(hvisord, *paths):
    wanted, problems = read_files(paths)
    with tempfile.TemporaryDirectory() as config_dir:
        daemon = subprocess.Popen([hvisord, "--simulated", "--bus=session", f"--config-dir={config_dir}"])
        try:
            deadline = time.monotonic() + 20
            while NAME not in busctl("list", "--acquired"):
                if time.monotonic() > deadline:
                    sys.exit("hvisord did not take its name")
                time.sleep(0.05)
            start_zone(config_dir)
            found = read_daemon()
        finally:
            daemon.terminate()
            if daemon.wait(20) != 0:
                problems.append(f"hvisord ended with status {daemon.returncode}")

    for name in sorted(wanted.keys() | found.keys()):
        expected, present = set(wanted.get(name, [])), set(found.get(name, []))
        problems += [f"{name}: only in the XML: {line}" for line in sorted(expected - present)]
        problems += [f"{name}: only in the daemon: {line}" for line in sorted(present - expected)]
    if problems:
        sys.exit("\n".join(problems))


main(*sys.argv[1:])

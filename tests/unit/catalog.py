#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each MESSAGE_ID of the daemon is explained by the catalog, which explains no others,
in a form that journalctl takes.

    catalog.py LOG-EVENTS-HEADER CATALOG
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main(header, catalog):
    events = dict(re.findall(r"\{Event::(\w+), \"([0-9a-f]+)\"\}", Path(header).read_text(encoding="utf-8")))
    declared = re.search(r"enum class Event \{(.*?)\};", Path(header).read_text(encoding="utf-8"), re.DOTALL).group(1)
    names = set(re.findall(r"^\s*(\w+),", declared, re.MULTILINE)) - {"none"}
    text = Path(catalog).read_text(encoding="utf-8")
    entries = re.findall(r"^-- ([0-9a-f]{32})\n(.*?)(?=^-- |\Z)", text, re.MULTILINE | re.DOTALL)

    problems = []
    if names != set(events):
        problems.append(f"events without an id, or ids without an event: {names ^ set(events)}")
    if len(set(events.values())) != len(events) or len(entries) != len(events):
        problems.append(f"{len(events)} events, {len(set(events.values()))} ids, {len(entries)} entries")
    problems += [f"{name} ({number}) is not explained" for name, number in events.items() if number not in dict(entries)]
    problems += [f"{number} is explained and not of the daemon" for number, _ in entries if number not in events.values()]
    for number, entry in entries:
        head, _, body = entry.partition("\n\n")
        fields = dict(line.split(": ", 1) for line in head.splitlines())
        if set(fields) != {"Subject", "Defined-By", "Documentation"} or fields["Defined-By"] != "hvisord":
            problems.append(f"{number}: {sorted(fields)}")
        if len(body.split()) < 20:
            problems.append(f"{number} says too little")
        problems += [f"{number}: there is no field {field}" for field in re.findall(r"@(\w+)@", entry)
                     if field not in ("HVISOR_ZONE", "HVISOR_DEVICE")]

    journalctl = shutil.which("journalctl")
    if journalctl:
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root, "usr/lib/systemd/catalog")
            folder.mkdir(parents=True)
            Path(root, "var/lib/systemd/catalog").mkdir(parents=True)
            shutil.copy(catalog, folder)
            subprocess.run([journalctl, f"--root={root}", "--update-catalog"], check=True)
            listed = subprocess.run([journalctl, f"--root={root}", "--list-catalog"], check=True, capture_output=True,
                                    text=True).stdout
        taken = {line.split()[0] for line in listed.splitlines()}
        if taken != set(events.values()):
            problems.append(f"journalctl takes {sorted(taken)}")
    if problems:
        sys.exit("\n".join(problems))


main(*sys.argv[1:])

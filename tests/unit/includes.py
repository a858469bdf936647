#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fail when a file of the daemon includes from a room it must not know.

Rooms stand in one order; each includes from itself and from those before it.
Device types do not know each other.
"""

import pathlib
import re
import sys

# A program beside the daemon stands on the first rooms alone, and nobody on it; "helper"
# is what these programs have in common.
PROGRAMS = {
    "helper": ["base"],
    "vnc": ["base", "viewer", "helper"],
    "virgl": ["base", "render", "helper"],
}
ORDER = ["base", "viewer", "render", "guest", "virtio", "devices", "hypervisor", "zone", "service"]
# The types of devices are below the hypervisor only for the reader: neither needs the other.
FORBIDDEN = {("hypervisor", "devices")}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def main(daemon: pathlib.Path) -> int:
    wrong = []
    for file in sorted(daemon.rglob("*.[ch]pp")):
        parts = file.relative_to(daemon).parts
        room = parts[0]
        if room not in ORDER and room not in PROGRAMS:
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            target = match[1].split("/")
            if room in PROGRAMS and target[0] not in [room, *PROGRAMS[room]]:
                wrong.append((file, number, match[1], f"{room} is a program of its own"))
            if room in PROGRAMS:
                continue
            if not (daemon / match[1]).exists():
                # Generated code, or the wrong way to write it.
                if target[0] in ORDER:
                    wrong.append((file, number, match[1], "is not there"))
                continue
            if target[0] in PROGRAMS:
                wrong.append((file, number, match[1], f"{target[0]} is a program of its own"))
            elif target[0] in ORDER and ORDER.index(target[0]) > ORDER.index(room):
                wrong.append((file, number, match[1], f"{room} stands below {target[0]}"))
            elif (room, target[0]) in FORBIDDEN:
                wrong.append((file, number, match[1], f"{room} does not know {target[0]}"))
            elif room == target[0] == "devices" and target[1] != parts[1]:
                wrong.append((file, number, match[1], "device types do not know each other"))
    for file, number, include, why in wrong:
        print(f'{file}:{number}: includes "{include}": {why}')
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))

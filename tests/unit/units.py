#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""systemd finds nothing wrong with the units, and little that they expose.

    units.py SYSTEMD-ANALYZE FOLDER
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

# "systemd-analyze security", in tenths: 100 is a service without any sandbox.
MOST_EXPOSED = 22


def main(analyze, folder):
    problems = []
    with tempfile.TemporaryDirectory() as work:
        for source in Path(folder).iterdir():
            if source.suffixes[-1:] == [".in"] or source.suffix in (".socket", ".target"):
                # Programs that are there in place of those that are not installed.
                text = source.read_text(encoding="utf-8")
                for program in ("@libexecdir@/hvisor/hvisord", "@libexecdir@/hvisor/hvisor-vnc", "@libexecdir@/hvisor/hvisor-gpu-render",
                                "@bindir@/hvisorctl"):
                    text = text.replace(program, "/bin/true")
                name = source.name.removesuffix(".in")
                Path(work, name).write_text(text, encoding="utf-8")
                # A template is looked at as an instance; a socket that accepts wants the template.
                Path(work, name.replace("@.", "@example.")).write_text(text, encoding="utf-8")
        units = sorted(path.name for path in Path(work).iterdir() if "@." not in path.name)
        if len(units) < 6:
            problems.append(f"only {units} in {folder}")
        # What they refer to is the system's; a colon at the end adds its folders.
        environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{work}:"}
        verified = subprocess.run([analyze, "--man=no", "verify", *(f"./{unit}" for unit in units)], check=False,
                                  cwd=work, env=environment, capture_output=True, text=True)
        if verified.returncode or verified.stderr or verified.stdout:
            problems.append(f"verify: {verified.returncode} {verified.stdout}{verified.stderr}")
        for unit in units:
            if unit.endswith(".service"):
                rated = subprocess.run([analyze, "security", "--offline=true", f"--threshold={MOST_EXPOSED}",
                                        "--no-pager", f"{work}/{unit}"], check=False, capture_output=True, text=True)
                if rated.returncode:
                    problems.append(f"{unit}: {rated.stdout}{rated.stderr}")
    if problems:
        sys.exit("\n".join(problems))


main(*sys.argv[1:])

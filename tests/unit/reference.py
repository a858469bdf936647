#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The reference of the D-Bus API has every member, and its generator refuses what is
not or wrongly documented.

    reference.py GENERATOR XML...
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

INTERFACE = """<node>
  <!--
    org.syswonder.hvisor1.Test:
    @since: 0.1
  -->
  <interface name="org.syswonder.hvisor1.Test">
    <!--
      Start:
      @name: What it is about.
      @since: 0.1

      Starts.
    -->
    <method name="Start"><arg name="name" type="s" direction="in"/></method>
    <!--
      State:
      @since: 0.1

      How it is.
    -->
    <property name="State" type="s" access="read"/>
  </interface>
</node>
"""
# What somebody does to the file above, and what the generator says then.
FAULTS = [
    ("Start:", "Stop:", "Start has no doc comment before it"),
    ("<!--\n      State:", "<!-- -->\n<!--\n      Status:", "State has no doc comment before it"),
    ("@name: What it is about.\n", "", "Start lacks @name"),
    ("@name:", "@names:\n      @name:", "Start has @names, which is no argument"),
    ("      @since: 0.1\n\n      How", "\n      How", "State lacks @since"),
    ("How it is.", "", "State says nothing"),
]


class Generator:
    """Runs in a folder of its own."""

    def __init__(self, program, folder):
        self._program = program
        self.markdown = Path(folder, "reference.md")
        self.man = Path(folder, "reference.5")

    def run(self, *files):
        """Exit status and what was said."""
        done = subprocess.run([self._program, "1.2.3", self.markdown, self.man, *files],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stderr


def faults(generator, folder):
    """Each is refused, by name."""
    file = Path(folder, "test.xml")
    for old, new, message in [("", "", None), *FAULTS]:
        file.write_text(INTERFACE.replace(old, new, 1), encoding="utf-8")
        status, said = generator.run(file)
        if message is None:
            if status != 0:
                yield f"a documented file is refused: {said}"
        elif status == 0 or message not in said:
            yield f"expected to hear {message!r}, not {said!r}"


def real(generator, files):
    """Every member of the real API is in both, and groff has nothing to say."""
    status, said = generator.run(*files)
    if status != 0:
        yield said
        return
    markdown, man = generator.markdown.read_text(encoding="utf-8"), generator.man.read_text(encoding="utf-8")
    for file in files:
        for member in re.findall(r'<(?:method|property|signal) name="(\w+)"', Path(file).read_text(encoding="utf-8")):
            if not re.search(rf"^#### `{member}[(:]", markdown, re.M):
                yield f"{file}: {member} is not in the Markdown"
            if not re.search(rf"^\\fB{member}[(:]", man, re.M):
                yield f"{file}: {member} is not in the manual page"
    if groff := shutil.which("groff"):
        said = subprocess.run([groff, "-man", "-Tutf8", "-ww", "-z", generator.man],
                              capture_output=True, text=True, check=False).stderr
        if said:
            yield said


def main(program, *files):
    """All of it."""
    with tempfile.TemporaryDirectory() as folder:
        generator = Generator(program, folder)
        problems = [*faults(generator, folder), *real(generator, files)]
    if problems:
        sys.exit("\n".join(problems))


main(*sys.argv[1:])

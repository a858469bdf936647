#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the reference of the D-Bus API from the doc comments of its XML:

    reference.py VERSION MARKDOWN-FILE MAN-PAGE XML...

A comment stands before the interface or member that it is of, and is written as
gdbus-codegen reads it: "NAME:", then "@ARGUMENT: what it is" for each argument and
"@since: VERSION", then paragraphs. One that is missing, and an argument that it
leaves out or that there is not, are errors.
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

NAME = "org.syswonder.hvisor1"
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"
EXAMPLES = ("Programs to copy from are in /usr/share/doc/hvisord/examples: zones.sh (by busctl), zones.py (jeepney) and "
            "zones.cpp (sdbus-c++). Each lists zones, starts one and follows the job, reads the counters of devices, "
            "attaches to a console, and tells of changes as they happen.")
# What the values of that annotation mean to a client.
EMITTED = {
    "true": "changes are signalled",
    "invalidates": "changes are signalled without the value",
    "const": "never changes",
    "false": "changes are not signalled",
}


class Undocumented(Exception):
    """Says what of which file is not, or wrongly, documented."""


@dataclass
class Documented:
    """An interface or member with what its comment says."""

    name: str
    fields: dict[str, str]
    paragraphs: list[str]


@dataclass
class Member(Documented):
    """A method, property or signal; arguments are pairs of type and name."""

    kind: str
    inputs: list[tuple[str, str]]
    outputs: list[tuple[str, str]]
    attributes: dict[str, str]

    def signature(self):
        """How it is called, or what a property is of."""
        if self.kind == "property":
            return f"{self.name}: {self.attributes['type']}"
        inputs, outputs = (", ".join(f"{argument} {name}" for argument, name in side)
                           for side in (self.inputs, self.outputs))
        if self.kind == "signal":
            return f"{self.name}({outputs})"
        return f"{self.name}({inputs})" + (f" → ({outputs})" if outputs else "")

    def arguments(self):
        """Name, type and text of each."""
        return [(name, argument, self.fields[name]) for argument, name in self.inputs + self.outputs]


@dataclass
class Interface(Documented):
    """All members in the order of the file."""

    members: list[Member] = field(default_factory=list)


def parse_comment(text):
    """Name, fields and paragraphs of a doc comment."""
    lines = [line.strip() for line in (text or "").strip().splitlines()]
    name = lines[0].removesuffix(":") if lines and lines[0].endswith(":") else ""
    head, _, body = "\n".join(lines[1:]).partition("\n\n")
    fields, current = {}, None
    for line in head.splitlines():
        if match := re.match(r"@(\w+):\s*(.*)", line):
            current = match[1]
            fields[current] = match[2]
        elif current:
            fields[current] += f" {line}"
    return name, fields, [" ".join(paragraph.split()) for paragraph in body.split("\n\n") if paragraph.strip()]


def documented(where, comment, name, arguments):
    """The comment's fields and paragraphs, when it is this one's and complete."""
    found, fields, paragraphs = parse_comment(comment)
    if found != name:
        raise Undocumented(f"{where}: {name} has no doc comment before it")
    told = fields.keys() - {"since", "short_description"}
    for argument in arguments:
        if argument not in told:
            raise Undocumented(f"{where}: the doc comment of {name} lacks @{argument}")
    if extra := told - set(arguments):
        raise Undocumented(f"{where}: the doc comment of {name} has @{min(extra)}, which is no argument")
    if "since" not in fields:
        raise Undocumented(f"{where}: the doc comment of {name} lacks @since")
    return fields, paragraphs


def parse_member(where, element, comment, emits):
    """A member from its element and the comment before it."""
    inputs, outputs = [], []
    for argument in element.iter("arg"):
        direction = argument.get("direction") or ("in" if element.tag == "method" else "out")
        (inputs if direction == "in" else outputs).append((argument.get("type"), argument.get("name")))
    name = element.get("name")
    fields, paragraphs = documented(where, comment, name, [argument for _, argument in inputs + outputs])
    if element.tag == "property" and not paragraphs:
        raise Undocumented(f"{where}: the doc comment of {name} says nothing")
    for annotation in element.iter("annotation"):
        if annotation.get("name") == EMITS:
            emits = annotation.get("value")
    attributes = {key: element.get(key) for key in ("type", "access")} | {"emits": emits}
    return Member(name, fields, paragraphs, element.tag, inputs, outputs, attributes)


def parse(path):
    """Interfaces of a file."""
    builder = ElementTree.TreeBuilder(insert_comments=True)
    root = ElementTree.parse(path, ElementTree.XMLParser(target=builder)).getroot()
    comment = None
    for element in root:
        if element.tag is ElementTree.Comment:
            comment = element.text
        elif element.tag == "interface":
            name = element.get("name")
            interface = Interface(name, *documented(path, comment, name, []))
            emits, before = "true", None
            for child in element:
                if child.tag is ElementTree.Comment:
                    before = child.text
                elif child.tag == "annotation":
                    emits = child.get("value") if child.get("name") == EMITS else emits
                else:
                    interface.members.append(parse_member(path, child, before, emits))
                    before = None
            yield interface


def sections(interface):
    """Title and members of each kind that the interface has."""
    for kind, title in (("method", "Methods"), ("property", "Properties"), ("signal", "Signals")):
        if members := [member for member in interface.members if member.kind == kind]:
            yield title, members


def property_note(member):
    """What can be done with a property."""
    access = {"read": "read only", "write": "write only", "readwrite": "read and write"}[member.attributes["access"]]
    return f"{access}; {EMITTED[member.attributes['emits']]}"


class Markdown:
    """One file with all interfaces."""

    @staticmethod
    def text(text):
        """Prose, with names of arguments set apart."""
        text = re.sub(r"([\\`*_<>\[\]])", r"\\\1", text)
        return re.sub(r"@(\w[\w\\]*)", r"*\1*", text)

    def page(self, version, interfaces):
        """The whole text."""
        lines = ["<!-- SPDX-License-Identifier: Apache-2.0 -->", f"# {NAME}, the D-Bus API of hvisord {version}", "",
                 self.text(EXAMPLES), ""]
        for interface in interfaces:
            lines += [f"## {interface.name}", "", self.text(interface.fields.get("short_description", "")) + ".", ""]
            lines += [line for paragraph in interface.paragraphs for line in (self.text(paragraph), "")]
            for title, members in sections(interface):
                lines += [f"### {title}", ""]
                for member in members:
                    lines += self.member(member)
        return "\n".join(lines)

    def member(self, member):
        """A heading, its arguments, and what it does."""
        lines = [f"#### `{member.signature()}`", ""]
        if member.kind == "property":
            lines += [f"*{property_note(member)}*", ""]
        lines += [f"- *{name}* (`{kind}`): {self.text(text)}" for name, kind, text in member.arguments()]
        lines += [""] if member.arguments() else []
        return lines + [line for paragraph in member.paragraphs for line in (self.text(paragraph), "")]


class Man:
    """The same as a manual page, in the macros of man(7)."""

    @staticmethod
    def text(text):
        """Prose that no macro is in."""
        text = text.replace("\\", "\\e").replace("-", "\\-").replace("→", "\\(->")
        text = re.sub(r"@(\w+)", r"\\fI\1\\fR", text)
        return re.sub(r"^([.'])", r"\\&\1", text)

    def page(self, version, interfaces):
        """The whole text."""
        lines = ['.\\" SPDX-License-Identifier: Apache-2.0', f'.TH {NAME} 5 "" "hvisord {version}"', ".SH NAME",
                 f"{NAME} \\- the D\\-Bus API of hvisord"]
        for interface in interfaces:
            lines += [f'.SH "{self.text(interface.name)}"', self.text(interface.fields.get("short_description", "")) + "."]
            lines += self.paragraphs(interface.paragraphs)
            for title, members in sections(interface):
                lines.append(f".SS {title}")
                for member in members:
                    lines += self.member(member)
        lines += [".SH EXAMPLES", self.text(EXAMPLES)]
        return "\n".join([*lines, ".SH SEE ALSO", ".BR hvisord (8),", ".BR hvisorctl (1),", ".BR busctl (1)", ""])

    def paragraphs(self, paragraphs):
        """Each with a blank line before it."""
        return [line for paragraph in paragraphs for line in (".PP", self.text(paragraph))]

    def member(self, member):
        """Its signature, and the rest indented below it."""
        lines = [".PP", f"\\fB{self.text(member.signature())}\\fR", ".RS 4"]
        if member.kind == "property":
            lines += [f"\\fI{self.text(property_note(member))}\\fR"]
        for name, _, text in member.arguments():
            lines += [".TP", f"\\fI{name}\\fR", self.text(text)]
        return [*lines, *self.paragraphs(member.paragraphs), ".RE"]


def main(version, markdown, man, *paths):
    """Write both files, or say what is missing."""
    try:
        interfaces = [interface for path in paths for interface in parse(path)]
    except Undocumented as error:
        sys.exit(f"reference.py: {error}")
    Path(markdown).write_text(Markdown().page(version, interfaces), encoding="utf-8")
    Path(man).write_text(Man().page(version, interfaces), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

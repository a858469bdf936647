#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names in anonymous namespaces stay in their file, also where files are compiled together.

Test builds and the board's packages compile several files of a room as one (meson's
unity builds). A name of one file's anonymous namespace is then seen by the others, and
inside their own anonymous namespaces it hides what a header calls the same, silently.
So none is called like something in a header of the room, and only functions, which the
compiler keeps apart by what they take, are called alike in two files.

Usage: names.py FOLDER...    each of which has sources, or folders with sources
"""

import collections
import pathlib
import re
import sys

ANONYMOUS = re.compile(r"^namespace \{\n(.*?)^\} // namespace$", re.S | re.M)
ATTRIBUTES = re.compile(r"\[\[[^]]*\]\]|template <[^>]*>|alignas\([^)]*\)")
TYPE = re.compile(r"^(?:struct|class|union|enum(?: class)?|using)\s+([A-Za-z_]\w*)(?!\w*::)")
VARIABLE = re.compile(r"([A-Za-z_]\w*)(?:\[[^]]*\])?\s*(?:=|\{|;)")
FUNCTION = re.compile(r"([A-Za-z_]\w*)\(")
NO_DECLARATION = ("#", "//", "}", "namespace", "static_assert", "requires", "public", "using namespace", "extern", "friend")


def declarations(text):
    """Names and whether each is a function's, of what begins in the first column."""
    for line in text.splitlines():
        if not line or line[0].isspace() or line.startswith(NO_DECLARATION):
            continue
        line = ATTRIBUTES.sub("", line).strip()
        kind = TYPE.match(line)
        if kind:
            yield kind.group(1), False
            continue
        variable, function = VARIABLE.search(line), FUNCTION.search(line)
        if function and (not variable or function.start() < variable.start()):
            yield function.group(1), True
        elif variable:
            yield variable.group(1), False


def rooms(folders):
    found = collections.defaultdict(list)
    for folder in folders:
        for path in pathlib.Path(folder).rglob("*.cpp"):
            found[path.parent].append(path)
    return found


def check_room(folder, sources):
    in_headers = {}
    for header in folder.glob("*.hpp"):
        in_headers.update((name, header) for name, _ in declarations(header.read_text()))
    own = collections.defaultdict(dict)
    for source in sources:
        for part in ANONYMOUS.findall(source.read_text()):
            for name, is_function in declarations(part):
                own[name][source] = is_function
    for name, places in sorted(own.items()):
        first = min(places)
        if name in in_headers:
            yield f"{first}: {name} is in {in_headers[name].name}, too; expected another name"
        elif len(places) > 1 and not all(places.values()):
            others = ", ".join(sorted(path.name for path in places if path != first))
            yield f"{first}: {name} is in {others}, too; expected another name"


def main():
    problems = [line for folder, sources in sorted(rooms(sys.argv[1:]).items()) for line in check_room(folder, sources)]
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

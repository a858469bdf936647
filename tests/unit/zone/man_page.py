#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare the keys of hvisor-zone(5) with those of the JSON schema of a zone.

    man_page.py PAGE SCHEMA

Each key of the schema has to be in the page, and what the page sets as a key
in the schema.
"""

import json
import pathlib
import re
import sys

# What the page sets like a key, and is one of a virtio JSON.
NO_KEYS = {"zones"}


def keys_of(schema: object) -> set[str]:
    """The names of all properties, however deep they stand."""
    keys: set[str] = set()
    if isinstance(schema, dict):
        for name, part in schema.items():
            if name == "properties":
                keys |= set(part)
            keys |= keys_of(part)
    elif isinstance(schema, list):
        for part in schema:
            keys |= keys_of(part)
    return keys


def literals_of(page: str) -> set[str]:
    """What the page sets as literals, without values in quotes and numbers."""
    words: set[str] = set()
    for line in page.split(".Sh EXAMPLES")[0].splitlines():
        found = re.match(r"\.(?:It )?Li (.*)", line)
        if found:
            words |= {word for word in re.split(r"[\s,;.]+", found[1]) if re.fullmatch(r"\$?[a-z][a-z0-9_]*", word)}
    return words


def main(page: pathlib.Path, schema: pathlib.Path) -> int:
    keys = keys_of(json.loads(schema.read_text()))
    literals = literals_of(page.read_text())
    undocumented = sorted(keys - literals)
    unknown = sorted(literals - keys - NO_KEYS)
    for key in undocumented:
        print(f"{page}: the key {key} of the schema is not here")
    for word in unknown:
        print(f"{page}: {word} is no key of the schema")
    print(f"{len(keys)} keys, {len(undocumented)} not in the page, {len(unknown)} not in the schema")
    return 1 if undocumented or unknown or not keys else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))

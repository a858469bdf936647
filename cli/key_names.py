#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make a table of the names that the kernel's header has for keys.

    key_names.py OUTPUT COMPILER...

The compiler says what <linux/input-event-codes.h> defines: so names and numbers are
those of the headers that all the rest is compiled with.
"""

import re
import subprocess
import sys

HEADER = "#include <linux/input-event-codes.h>\n"
KEY = re.compile(r"#define (KEY_\w+)\s+(\w+)\s*$")
# No keys, but limits.
NO_KEYS = {"KEY_RESERVED", "KEY_MIN_INTERESTING", "KEY_MAX", "KEY_CNT"}


def main(output: str, compiler: list[str]) -> int:
    macros = subprocess.run([*compiler, "-E", "-dM", "-x", "c", "-"], input=HEADER, text=True, check=True,
                            stdout=subprocess.PIPE).stdout
    found = dict(match.groups() for match in map(KEY.match, macros.splitlines()) if match)
    numbers: dict[str, int] = {}
    for name, value in found.items():
        while value in found:  # another name for the same key
            value = found[value]
        if name not in NO_KEYS:
            numbers[name] = int(value, 0)
    if numbers.get("KEY_A") != 30:
        print("key_names.py: the compiler has no keys", file=sys.stderr)
        return 1
    # The smallest number first, so that people find what they look for.
    rows = "".join(f'    {{"{name}", {number}}},\n' for name, number in sorted(numbers.items(), key=lambda row: row[::-1]))
    with open(output, "w", encoding="ascii") as file:
        file.write(f"inline constexpr std::array<KeyName, {len(numbers)}> key_names{{{{\n{rows}}}}};\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

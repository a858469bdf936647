# SPDX-License-Identifier: Apache-2.0
"""Print `N passed, N failed` for the testlog.json that `meson test` wrote.

A Catch2 program counts with its test cases, any other as one. What failed is
shown first: of a Catch2 program the assertions, of any other the last lines.
"""

import json
import re
import sys

ALL_PASSED = re.compile(r"All tests passed \(\d+ assertions? in (\d+) test cases?\)")
OTHERWISE = re.compile(r"^test cases: +\d+ \|.*", re.MULTILINE)


def counts(test):
    """Passed, failed and skipped of one program."""
    output = test.get("stdout") or ""
    number = {}
    if found := ALL_PASSED.search(output):
        number = {"passed": int(found[1])}
    elif found := OTHERWISE.search(output):
        number = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped)", found[0])}
    # A program that fails otherwise, for example with a leak, has failed too.
    if test["result"] not in ("OK", "SKIP"):
        number["failed"] = max(1, number.get("failed", 0))
    elif not number:
        number = {"passed": 1} if test["result"] == "OK" else {"skipped": 1}
    return number.get("passed", 0), number.get("failed", 0), number.get("skipped", 0)


def complaint(test):
    """What a person wants to see of a program that failed."""
    blocks = (test.get("stdout") or "").split("-" * 79 + "\n")
    # Catch2 puts the name of the case and the assertions in blocks that follow each other.
    shown = [f"{name.strip()}\n{block.strip()}" for name, block in zip(blocks, blocks[1:]) if "FAILED:" in block]
    stderr = (test.get("stderr") or "").splitlines()
    if not shown:
        return "\n".join((test.get("stdout") or "").splitlines()[-30:] + stderr[-60:])
    # A sanitizer speaks on stderr, between the messages of the code under test.
    start = next((i for i, line in enumerate(stderr) if "runtime error" in line or "Sanitizer" in line), len(stderr))
    return "\n\n".join(shown + ["\n".join(stderr[start : start + 60])]).rstrip()


def main(path):
    """One JSON object a line, one line a program."""
    total = [0, 0, 0]
    with open(path, encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            result = counts(test)
            total = [a + b for a, b in zip(total, result)]
            if result[1]:
                print(f"failed: {test['name']} ({test['result'].lower()} after {test['duration']:.1f} s)")
                print(complaint(test))
    passed, failed, skipped = total
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))


main(sys.argv[1])

# SPDX-License-Identifier: Apache-2.0
"""Print `N passed, N failed` for a JUnit file that `meson test` wrote.

Test programs that speak TAP are counted case by case.
"""

import sys
import xml.etree.ElementTree as ElementTree


def main(path):
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            print(f"failed: {case.get('classname', '')} {case.get('name', '')}")
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))


main(sys.argv[1])

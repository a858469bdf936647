# SPDX-License-Identifier: Apache-2.0
"""What the board runs, built by tests/board/build; HVISORD_BOARD names its folder when it is built already."""

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def build() -> Path:
    """Build what is not up to date and return the folder; its progress shows."""
    if folder := os.environ.get("HVISORD_BOARD"):
        return Path(folder)
    done = subprocess.run([CHECKOUT / "tests/board/build"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{sys.argv[0]}: the board could not be built")
    return Path(done.stdout.splitlines()[-1])

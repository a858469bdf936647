# SPDX-License-Identifier: Apache-2.0
"""What the scenario `successor` does, beside a ping flood, for an hour."""

import itertools
import os
import time

from scenarios import successor

SECONDS = int(os.environ.get("SOAK_SECONDS", "3600"))


def scenario(board):
    successor.work(board, rounds(), floods=True)


def rounds():
    """Their numbers. The time begins with the first one, when the zones are at work already."""
    begin = time.monotonic()
    for number in itertools.count():
        yield number
        if time.monotonic() - begin >= SECONDS:
            return

# SPDX-License-Identifier: Apache-2.0
"""What the scenario `successor` does, for an hour."""

import itertools
import os
import time

from scenarios import successor

SECONDS = int(os.environ.get("SOAK_SECONDS", "3600"))


def scenario(board):
    begin = time.monotonic()
    successor.work(board, itertools.takewhile(lambda _: time.monotonic() - begin < SECONDS, itertools.count()))

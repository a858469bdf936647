# SPDX-License-Identifier: Apache-2.0
"""A screen whose driver is not Linux's: EDK II boots from the disk and draws on the display.

The application that it finds there draws what the first letter of a sector of the
disk names, and looks at it over and over, so that both of the firmware's drivers,
which poll, have requests on the way when hvisord ends.
"""

import linux2
from board import DISPLAY_SIZE
from events import KILL, RESTART
from linux2 import expect
from scenarios import display

NAME = "uefi"
COMMANDS = f"{linux2.FOLDER}/uefi.img", 8192
# Of the smallest mode that the firmware has, whatever the display shows.
SIZE = (640, 480)
# Until the firmware has booted, with a picture drawn row by row.
SECONDS = 90


def scenario(board):
    display.insert_card(board)
    board.plug_display(*SIZE)
    whole = display.expected(SIZE)
    tell(board, "whole")
    board.check(f"hvisorctl zone start {NAME}", linux2.BOOT_SECONDS)
    display.compare(board, "uefi-whole", whole, NAME, seconds=SECONDS)
    board.check(RESTART, 60)
    tell(board, "parts")
    display.compare(board, "uefi-parts", display.inverted(whole), NAME)
    board.check(KILL, 60)
    tell(board, "whole")
    display.compare(board, "uefi-killed", whole, NAME, seconds=SECONDS)
    devices = board.check(f"hvisorctl device list {NAME}")
    expect(devices.count(" works ") == 2, f"a device of the zone does not work: {devices}")
    linux2.shutdown(board, NAME)
    board.plug_display(*DISPLAY_SIZE)


def tell(board, what):
    """Have the application draw what picture.h calls so."""
    image, sector = COMMANDS
    board.check(f"printf {what[0]} | dd of={image} bs=512 seek={sector} conv=notrunc status=none")

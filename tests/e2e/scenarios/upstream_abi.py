# SPDX-License-Identifier: Apache-2.0
"""A program written for the older module's ioctls works on ours, hvisord absent."""

import linux2
from linux2 import expect


def scenario(board):
    board.check("systemctl stop hvisord")
    try:
        output = board.check(f"cd {linux2.FOLDER} && upstream_abi Image linux2.dtb initramfs.cpio", 180)
        expect(output.endswith("upstream-abi: ok"), output)
    finally:
        if not board.fault:
            board.run("systemctl start hvisord")

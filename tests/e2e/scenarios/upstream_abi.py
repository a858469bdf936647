# SPDX-License-Identifier: Apache-2.0
"""A program written for the older module's ioctls works on ours, hvisord absent."""

import linux2


def scenario(board):
    board.check("systemctl stop hvisord")
    try:
        board.check(f"cd {linux2.FOLDER} && upstream_abi check Image linux2.dtb initramfs.cpio", linux2.BOOT_SECONDS)
    finally:
        if not board.fault:
            board.run("systemctl start hvisord")

# SPDX-License-Identifier: Apache-2.0
"""What is written in the zone is there after its restart, and in the root zone's file."""

import linux2
from linux2 import expect

MIB = 64
BLOB = "/data/blob"


def scenario(board):
    nonce = linux2.new_disk(board)
    linux2.start(board, nonce)
    written = write(board, MIB)
    linux2.shutdown(board)
    expect(seen_outside(board) == written, "the root zone does not see the bytes that the zone wrote")

    linux2.start(board, nonce)
    expect(read(board) == written, "after its restart the zone does not read the bytes that it wrote")
    linux2.shutdown(board)


def write(board, mib):
    """Write a file in the zone, to its disk; the file's checksum."""
    linux2.run(board, f"dd if=/dev/urandom of={BLOB} bs=1M count={mib} && sync", 120)
    expect(linux2.run(board, f"stat -c %s {BLOB}") == str(mib << 20), f"the file is not {mib} MiB long")
    return read(board)


def read(board):
    """The checksum of the file as the zone reads it."""
    return linux2.run(board, f"md5sum <{BLOB}", 60).split()[0]


def seen_outside(board):
    """The checksum of the file as the root zone sees it on the disk of the zone, which has ended."""
    # Metadata may still be in the journal: a shutdown takes the CPUs away at once.
    board.check(f"e2fsck -p {linux2.DISK} || [ $? = 1 ]", 60)
    return board.check(f"debugfs -R 'cat {BLOB}' {linux2.DISK} 2>/dev/null | md5sum", 60).split()[0]

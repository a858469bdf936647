# SPDX-License-Identifier: Apache-2.0
"""What is written in the zone is there after its restart, and in the root zone's file."""

import linux2
from linux2 import expect

MIB = 64


def scenario(board):
    nonce = linux2.new_disk(board)
    linux2.start(board, nonce)
    write_and_compare(board, nonce, MIB)
    linux2.shutdown(board)


def write_and_compare(board, nonce, mib):
    """Write, restart the running zone, and compare what zone and root zone read."""
    linux2.run(board, f"dd if=/dev/urandom of=/data/blob bs=1M count={mib} && sync", 120)
    expect(linux2.run(board, "stat -c %s /data/blob") == str(mib << 20),
           f"the file is not {mib} MiB long")
    written = linux2.run(board, "md5sum </data/blob", 60).split()[0]
    linux2.shutdown(board)

    # Metadata may still be in the journal: a shutdown takes the CPUs away at once.
    board.check(f"e2fsck -p {linux2.DISK} || [ $? = 1 ]", 60)
    seen = board.check(f"debugfs -R 'cat /data/blob' {linux2.DISK} 2>/dev/null | md5sum", 60).split()[0]
    expect(seen == written, "the root zone does not see the bytes that the zone wrote")

    linux2.start(board, nonce)
    read = linux2.run(board, "md5sum </data/blob", 60).split()[0]
    expect(read == written, "after its restart the zone does not read the bytes that it wrote")

# SPDX-License-Identifier: Apache-2.0
"""1 MiB through sockets between the root zone and the zone, each way, comes as it went."""

import time

import devices
import linux2
from linux2 import expect

CID = 42
ROOT_CID = 2
PORT = 5000
BYTES = 1 << 20
# In the root zone.
COPY = "/usr/local/bin/vsock_copy"


def scenario(board):
    devices.start(board)
    check(board)


def check(board, zone=devices.NAME):
    """The zone has its cid; copy both ways, whoever of the two connects."""
    def run(command):
        return linux2.run(board, command, 60, zone)

    shown = board.check(f"hvisorctl zone show {zone}")
    expect(f"cid {CID}" in shown, f"zone show does not tell the cid:\n{shown}")
    sent = board.check(f"head -c {BYTES} /dev/urandom >/run/sent && md5sum </run/sent").split()[0]

    begin = time.monotonic()
    run(f"vsock_copy receive listen {PORT} >/tmp/there & copy=$!")
    board.check(f"{COPY} send {CID} {PORT} </run/sent")
    there = run("wait $copy; md5sum </tmp/there").split()[0]
    board.figure(f"1 MiB into the zone by vsock, its start and checksum included: {time.monotonic() - begin:.1f} s")
    expect(there == sent, f"the zone received another {BYTES} bytes than were sent")

    board.check(f"{COPY} receive listen {PORT} >/run/back & echo $! >/run/copy.pid")
    run(f"vsock_copy send {ROOT_CID} {PORT} </tmp/there")
    board.check("for try in $(seq 100); do kill -0 $(cat /run/copy.pid) 2>/dev/null || exit 0; sleep 0.1; done; exit 1")
    expect(board.check("md5sum </run/back").split()[0] == sent, f"the root zone received another {BYTES} bytes")

# SPDX-License-Identifier: Apache-2.0
"""A mebibyte of any bytes goes through a console, raw, and comes back the same.

The zone's second console: on the one that its kernel writes to, Linux takes ^O
out of what is typed, for SysRq.
"""

import devices
from devices import NAME, SECOND_CONSOLE
from linux2 import expect

BYTES = 1 << 20
SECONDS = 120
CONNECT = f"hvisorctl zone console {NAME} --device {SECOND_CONSOLE} --replay 0"


def scenario(board):
    devices.start(board)
    sent = board.check(f"head -c {BYTES} /dev/urandom >/run/raw && md5sum </run/raw").split()[0]
    # The clock starts with the first byte.
    devices.run(board, f"(stty raw -echo; dd bs=1 count=1 of=/tmp/raw 2>/dev/null; "
                f"time -f %e -o /tmp/took head -c {BYTES - 1} >>/tmp/raw) </dev/hvc1 & true")
    board.check(f"timeout {SECONDS} {CONNECT} </run/raw", SECONDS + 30)
    there = devices.run(board, "wait; md5sum </tmp/raw; wc -c </tmp/raw; cat /tmp/took", SECONDS).split()
    expect(there[0] == sent, f"the zone received {there[2]} other bytes than the {BYTES} that were typed")

    board.check(f"""timeout {SECONDS} {CONNECT} --read-only >/run/back & echo $! >/run/reader
        for i in $(seq 100); do hvisorctl zone show {NAME} | grep -q ', 1 client' && exit; sleep 0.1; done; exit 1""")
    took = devices.run(board, "(stty raw; time -f %e -o /tmp/took cat /tmp/raw) </dev/hvc1 >/dev/hvc1; cat /tmp/took", SECONDS).split()[-1]
    back = board.check(f"""for i in $(seq 100); do [ $(stat -c %s /run/back) -lt {BYTES} ] || break; sleep 0.1; done
        kill $(cat /run/reader); md5sum </run/back; wc -c </run/back""").split()
    expect(back[0] == sent, f"of {BYTES} bytes that the zone wrote {back[2]} came, or others")
    into, out = (BYTES / 1000 / float(seconds) for seconds in (there[3], took))
    board.figure(f"console, raw: {into:.0f} KB/s into the zone, {out:.0f} KB/s out of it")

# SPDX-License-Identifier: Apache-2.0
"""hvisord is restarted, killed and upgraded again and again while a zone works, which does not notice.

Disks are written and verified, the zone is pinged, and a stream goes through a
console. A connection by vsock ends at both ends, and the next one works.
"""

import random
import re

import devices
from devices import CACHED, DIRECT, NAME, ON_TAP, SECOND_CONSOLE
from linux2 import expect
from scenarios import vsock

ROUNDS = 5
VSOCK_PORT = 5001
# A reader of a pseudoterminal that lags by more than 64 KiB misses bytes: so it is written slowly.
STREAM = 256 << 10
SECONDS = 240
VERIFY = ("--rw=randwrite --bsrange=4k-32k --size=8m --iodepth=16 --fsync=64 --time_based --runtime={runtime} "
          "--verify=crc32c --verify_fatal=1 --verify_backlog=32 --verify_state_save=0")
RESTART = "systemctl restart hvisord"
# What dpkg runs once it has put a newer version in place.
UPGRADE = "/var/lib/dpkg/info/hvisord.postinst configure 0"
KILL = """set -e
    old=$(systemctl show -P MainPID hvisord)
    kill -9 $old
    for i in $(seq 200); do
        now=$(systemctl show -P MainPID hvisord)
        if [ $now != 0 ] && [ $now != $old ] && [ $(systemctl is-active hvisord) = active ]; then exit 0; fi
        sleep 0.05
    done
    exit 1"""


def scenario(board):
    work(board, range(ROUNDS), 5 * ROUNDS)


def work(board, numbers, runtime):
    """The rounds, while fio runs for so many seconds."""
    devices.start(board)
    files = open_files(board)
    pty = re.search(rf"{SECOND_CONSOLE}.*?(/dev/pts/\d+)", board.check(f"hvisorctl zone show {NAME}"), re.DOTALL).group(1)
    jobs = " ".join(f"--name=verify --filename={disk} {VERIFY.format(runtime=runtime)}" for disk in (CACHED, DIRECT))
    devices.run(board, "(fio --output-format=terse --terse-version=3 --ioengine=libaio --direct=1 --thread "
                f"{jobs} >/tmp/fio 2>&1; echo $? >/tmp/fio.status) </dev/null >/dev/null 2>&1 & "
                f"head -c {STREAM} /dev/urandom >/tmp/stream; md5sum </tmp/stream; "
                "(stty raw -echo; while read -r -n 1 key; do [ \"$key\" = s ] && "
                f"for i in $(seq 0 {STREAM // 4096 - 1}); do dd if=/tmp/stream bs=4k skip=$i count=1 2>/dev/null; usleep 20000; done; done) "
                "</dev/hvc1 >/dev/hvc1 2>/dev/null & true")
    sent = devices.run(board, "md5sum </tmp/stream")
    board.check(f"""busybox ping -i 0.1 -c {10 * runtime} -W 10 {ON_TAP[1]} >/run/pings 2>&1 & true""")
    # What earlier scenarios printed waits in the pseudoterminal, which nobody has read.
    board.check(f"while [ $(timeout 2 cat <{pty} | wc -c) != 0 ]; do :; done", 60)
    devices.run(board, f"(vsock_copy receive listen {VSOCK_PORT} >/tmp/vsock.got 2>/tmp/vsock.end; echo $? >>/tmp/vsock.end) & true")
    board.check(f"(echo hello; sleep {SECONDS}) | {vsock.COPY} send {vsock.CID} {VSOCK_PORT} >/dev/null 2>&1 & echo $! >/run/connection")
    devices.run(board, "for i in $(seq 50); do [ -s /tmp/vsock.got ] && break; sleep 0.2; done; [ -s /tmp/vsock.got ] && [ ! -s /tmp/vsock.end ]")
    chance = random.Random(1)
    rounds = 0
    for number in numbers:
        board.check(f"""busybox stty -F {pty} raw -echo
            (timeout 60 head -c {STREAM} <{pty} >/run/stream; true) & echo $! >/run/reader
            printf s >{pty}; sleep {chance.uniform(0.2, 1.5):.2f}""")
        board.check((RESTART, KILL, UPGRADE)[number % 3], 180)
        came = board.check(f"""while kill -0 $(cat /run/reader) 2>/dev/null; do sleep 0.1; done
            md5sum </run/stream; wc -c </run/stream""", 90).split()
        expect(f"{came[0]}  -" == sent, f"round {number}: of {STREAM} bytes of the console {came[2]} came, or others")
        rounds += 1
    ended = devices.run(board, "for i in $(seq 50); do [ -s /tmp/vsock.end ] && break; sleep 0.2; done; cat /tmp/vsock.end")
    expect("Connection reset by peer" in ended, f"a connection by vsock ended with {ended}")
    board.check("kill $(cat /run/connection) 2>/dev/null || true")
    vsock.check(board)
    devices.run(board, "while [ ! -e /tmp/fio.status ]; do sleep 0.2; done", SECONDS)
    status, output = devices.run(board, "cat /tmp/fio.status; cat /tmp/fio").split("\n", 1)
    expect(status == "0" and "error" not in output.lower(), f"fio ended with {status}: {output[-800:]}")
    errors = devices.run(board, "dmesg | grep -i 'i/o error\\|blk_update\\|not a head' || true")
    expect(not errors, f"the zone's kernel reports {errors}")
    pings = board.check("while pgrep -f 'busybox ping' >/dev/null; do sleep 0.2; done; tail -n 2 /run/pings", 60)
    lost = re.search(r"(\d+)% packet loss", pings).group(1)
    least, mean, most = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+) ms", pings).groups()
    board.figure(f"{rounds} times another hvisord: ping {least}, {mean}, {most} ms (least, mean, most), {lost} % lost")
    # A neighbour that does not answer for seconds is forgotten, and asked for again.
    after = board.check(f"busybox ping -c 5 -i 0.2 -W 10 {ON_TAP[1]}", 60)
    expect(" 0% packet loss" in after, f"the zone does not answer: {after}")
    expect(board.check("journalctl -b -u hvisord | grep -c 'goes on with its devices'").strip() == str(rounds),
           "a daemon did not go on with the zone")
    expect(open_files(board) <= files, f"{open_files(board)} files are open, {files} were at first")
    board.check(f"hvisorctl zone shutdown {NAME}", 60)


def open_files(board):
    """Of hvisord, and kept for it by systemd."""
    process, kept = board.check("systemctl show -P MainPID -P NFileDescriptorStore hvisord").split()
    return int(board.check(f"ls /proc/{process}/fd | wc -l")) + int(kept)

# SPDX-License-Identifier: Apache-2.0
"""Two zones of one CPU each that work until they are told to stop, and what each kind of work has to show.

"worker" writes and verifies two disks, answers pings, and has a second console and
sockets; "painter" writes and verifies a disk, and draws on a screen.
"""

import re
import time

import devices
import linux2
import zone_file
from devices import ON_TAP, SECOND_CONSOLE, TAP
from linux2 import FOLDER, expect
from scenarios import display, vsock

WORKER, PAINTER = "worker", "painter"
HALF = 0x18000000
# As for the board's other zones: self-tests and mitigations only take time of an emulated CPU.
CMDLINE = ("console=hvc0 root=/dev/vda loglevel=4 mitigations=off cryptomgr.notests "
           "initcall_blacklist=jent_mod_init")
SIZE = (320, 200)
IMAGE_MIB = 16

# The second console has the interrupt of the first one, sockets that of the tools.
WORKERS = (
    {"type": "blk", "addr": "0xa003600", "irq": 75, "img": f"{FOLDER}/tools.ext4", "readonly": True},
    {"type": "blk", "addr": "0xa003400", "irq": 74, "img": f"{FOLDER}/worker-cached.img"},
    {"type": "blk", "addr": "0xa003200", "irq": 73, "img": f"{FOLDER}/worker-direct.img", "direct": True},
    {"type": "net", "addr": "0xa002e00", "irq": 72, "tap": TAP, "mac": ["0x02", "0", "0", "0", "1", "0x0b"]},
    {"type": "vsock", "addr": "0xa002800", "irq": 75, "cid": vsock.CID},
    {"type": "console", "addr": "0xa002a00", "irq": 76},
)
# The interrupts are none of the worker's, see two_zones.py.
PAINTERS = (
    {"type": "blk", "addr": "0xa003600", "irq": 70, "img": f"{FOLDER}/tools.ext4", "readonly": True},
    {"type": "blk", "addr": "0xa003400", "irq": 69, "img": f"{FOLDER}/painter.img"},
    {"type": "gpu", "addr": "0xa003200", "irq": 68, "backend": "headless", "width": SIZE[0], "height": SIZE[1]},
)
DISKS = {WORKER: ("/dev/vdc", "/dev/vdd"), PAINTER: ("/dev/vdc",)}

# Again and again, so that it is at work for as long as it has to be; each time verifies what it wrote.
# Between two batches it leaves the host's CPUs, of which there may be two, to hvisord.
VERIFY = ("--rw=randwrite --bsrange=4k-32k --size=8m --iodepth=16 --fsync=64 --time_based --runtime=10 "
          "--thinktime=50ms --thinktime_blocks=16 "
          "--verify=crc32c --verify_fatal=1 --verify_backlog=32 --verify_state_save=0")
# Until the last of them has ended.
FIO_SECONDS = 120

PING_SECONDS = 0.1
# The lines of pings that an event and what is waited for behind it can take.
PING_LINES = 3000
# Linux writes 16 of them at a time, and waits for each. A reader of a pseudoterminal that
# lags by more than 64 KiB misses bytes.
STREAM = 32 << 10
STREAM_SECONDS = 120
VSOCK_PORT = 5001
# For how long nobody closes the connection.
VSOCK_SECONDS = 240


def start(board):
    """Start both zones, at the same time, with what they need for their work."""
    # The zone of the scenarios before has both CPUs.
    if linux2.states(board).get(devices.NAME) == "running":
        linux2.shutdown(board, devices.NAME)
    images = [device["img"] for device in WORKERS + PAINTERS if device["type"] == "blk" and "readonly" not in device]
    board.check(f"rm -f {' '.join(images)} && truncate -s {IMAGE_MIB}M {' '.join(images)}")
    nonces = {name: linux2.new_disk(board, f"{FOLDER}/{name}.ext4") for name in DISKS}
    zone_file.configure(board, WORKER, 1, [2], (0x50000000, HALF), f"{FOLDER}/{WORKER}.ext4",
                        devices=WORKERS, cmdline=CMDLINE)
    zone_file.configure(board, PAINTER, 2, [3], (0x50000000 + HALF, HALF), f"{FOLDER}/{PAINTER}.ext4", (71, 70),
                        devices=PAINTERS, cmdline=CMDLINE)
    for name in nonces:
        board.check(f"hvisorctl zone start {name}", linux2.BOOT_SECONDS)
    for name, nonce in nonces.items():
        linux2.wait_marker(board, nonce, name)
    board.check(f"busybox ip address add {ON_TAP[0]}/24 dev {TAP}")
    run(board, WORKER, f"{devices.TAKE_TOOLS} && {devices.set_up('eth0', ON_TAP[1])}")
    display.load_driver(board, PAINTER)


def stop(board):
    """Shut both zones down."""
    for name in DISKS:
        linux2.shutdown(board, name)


def run(board, zone, command, seconds=90):
    """Run a command in a zone; what it prints."""
    return linux2.run(board, command, seconds, zone)


def check_kernel(board, zone):
    """The zone's own kernel has found nothing wrong with its disks and rings."""
    errors = run(board, zone, "dmesg | grep -i 'i/o error\\|blk_update\\|not a head' || true")
    expect(not errors, f"the kernel of {zone} reports {errors}")


class Fio:
    """Disks of a zone are written and verified."""

    def __init__(self, board, zone):
        self._board = board
        self._zone = zone
        jobs = " ".join(f"--name=verify --filename={disk} {VERIFY}" for disk in DISKS[zone])
        run(board, zone, "(until [ -e /tmp/enough ]; do "
            f"fio --output-format=terse --terse-version=3 --ioengine=libaio --direct=1 --thread {jobs} >/tmp/fio 2>&1; "
            "status=$?; echo $status >>/tmp/fio.statuses; [ $status = 0 ] || break; done; touch /tmp/fio.end) "
            "</dev/null >/dev/null 2>&1 & true")

    def enough(self):
        """The one that runs is the last one."""
        run(self._board, self._zone, "touch /tmp/enough")

    def check(self) -> int:
        """No run found a wrong byte, or an error; how many there were."""
        run(self._board, self._zone, "until [ -e /tmp/fio.end ]; do sleep 0.2; done", FIO_SECONDS)
        statuses, output = run(self._board, self._zone, "echo $(cat /tmp/fio.statuses); cat /tmp/fio").split("\n", 1)
        expect(set(statuses.split()) == {"0"} and "error" not in output.lower(),
               f"fio of {self._zone} ended with {statuses}: {output[-800:]}")
        return len(statuses.split())


class Pings:
    """The worker is pinged; when each answer came is written down."""

    def __init__(self, board):
        self._board = board
        board.check(f"""busybox ping -i {PING_SECONDS} -W 10 {ON_TAP[1]} 2>&1 </dev/null > >(
                while IFS= read -r line; do echo "$EPOCHREALTIME $line"; done >/run/pings 2>/dev/null) &
            echo $! >/run/pinger""")

    def gap(self, begin: str, end: str) -> float:
        """The longest time without an answer of which a part is between two moments, in seconds."""
        return float(self._board.check(f"""for i in $(seq 600); do
                tail -n {PING_LINES} /run/pings | awk -v begin={begin} -v end={end} '
                    / seq=/ {{ if (last && $1 > begin && last < end && $1 - last > most) most = $1 - last; last = $1 }}
                    END {{ if (last <= end) exit 1; print most }}' && exit
                sleep 0.1
            done; exit 1""", 120))

    def end(self) -> str:
        """What there is to say about all of them; the worker still answers."""
        # A neighbour that does not answer for seconds is forgotten, and asked for again.
        said = self._board.check("""kill -INT $(cat /run/pinger)
            for i in $(seq 100); do grep 'packet loss' /run/pings && break; sleep 0.1; done
            grep ' = .* ms' /run/pings""")
        after = self._board.check(f"busybox ping -c 5 -i 0.2 -W 10 {ON_TAP[1]}", 60)
        expect(" 0% packet loss" in after, f"{WORKER} does not answer: {after}")
        lost = re.search(r"(\d+)% packet loss", said).group(1)
        least, mean, most = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+) ms", said).groups()
        return f"ping {least}, {mean}, {most} ms (least, mean, most), {lost} % lost"


class Flood:
    """The worker is pinged again as soon as it has answered."""

    def __init__(self, board):
        self._board = board
        board.check(f"busybox ping -A -q -i {PING_SECONDS} -W 1 {ON_TAP[1]} >/run/flood 2>&1 </dev/null & "
                    "echo $! >/run/flooder")

    def end(self) -> str:
        """What there is to say about it."""
        said = self._board.check("""kill -INT $(cat /run/flooder)
            for i in $(seq 100); do grep 'packet loss' /run/flood && break; sleep 0.1; done""")
        sent, received = re.search(r"(\d+) packets transmitted, (\d+) packets received", said).groups()
        expect(int(received) > 0, f"{WORKER} answered none of {sent} pings")
        return f"ping flood: {sent} sent, {received} answered"


class Stream:
    """The worker's second console prints the same bytes once more whenever it is asked to."""

    def __init__(self, board):
        self._board = board
        self._pty = re.search(rf"{SECOND_CONSOLE}.*?(/dev/pts/\d+)",
                              board.check(f"hvisorctl zone show {WORKER}"), re.DOTALL).group(1)
        self._sum = run(board, WORKER, f"head -c {STREAM} /dev/urandom >/tmp/stream; "
                        "(stty raw -echo; while read -r -n 1 key; do [ \"$key\" = s ] && cat /tmp/stream; done) "
                        "</dev/hvc1 >/dev/hvc1 2>/dev/null & md5sum </tmp/stream")

    def begin(self):
        """Ask for them."""
        self._board.check(f"""busybox stty -F {self._pty} raw -echo
            (timeout {STREAM_SECONDS} head -c {STREAM} <{self._pty} >/run/stream; true) & echo $! >/run/reader
            printf s >{self._pty}""")

    def check(self):
        """They have all come, and no others."""
        came = self._board.check("while kill -0 $(cat /run/reader) 2>/dev/null; do sleep 0.1; done; "
                                 "md5sum </run/stream; wc -c </run/stream", STREAM_SECONDS + 30).split()
        expect(f"{came[0]}  -" == self._sum, f"of {STREAM} bytes of the console {came[2]} came, or others")


class Connection:
    """The root zone has a connection to the worker by vsock, until there is another hvisord."""

    def __init__(self, board):
        self._board = board
        run(board, WORKER, f"(vsock_copy receive listen {VSOCK_PORT} >/tmp/vsock.got 2>/tmp/vsock.end; "
            "echo $? >>/tmp/vsock.end) & true")
        board.check(f"(echo hello; sleep {VSOCK_SECONDS}) | {vsock.COPY} send {vsock.CID} {VSOCK_PORT} "
                    ">/dev/null 2>&1 & echo $! >/run/connection")
        run(board, WORKER, "for i in $(seq 100); do [ -s /tmp/vsock.got ] && break; sleep 0.2; done; "
            "[ -s /tmp/vsock.got ] && [ ! -s /tmp/vsock.end ]")

    def check_ended(self):
        """It has ended at both ends, and the next one works."""
        ended = run(self._board, WORKER, "for i in $(seq 50); do [ -s /tmp/vsock.end ] && break; sleep 0.2; done; "
                    "cat /tmp/vsock.end")
        expect("Connection reset by peer" in ended, f"a connection by vsock ended with {ended}")
        self._board.check("kill $(cat /run/connection) 2>/dev/null || true")
        vsock.check(self._board, WORKER)


class Screen:
    """The painter inverts some parts of its picture again and again; the rest it has drawn once."""

    def __init__(self, board):
        self._board = board
        display.begin_to_draw(board, SIZE, PAINTER)
        display.draw(board, "whole", PAINTER)
        whole = display.expected(SIZE)
        self._pictures = whole, display.inverted(whole)
        self.begin()
        self.check("as it was drawn")

    def begin(self):
        """Have it draw."""
        run(self._board, PAINTER, "rm -f /tmp/still /tmp/told; (told=$(grep -c parts /tmp/drawn); "
            "until [ -e /tmp/still ]; do echo parts >/tmp/draw; told=$((told + 1)); usleep 300000; done; "
            "echo $told >/tmp/told) & true")

    def check(self, when):
        """It has drawn what it was told to, and the screen shows that; it draws no more."""
        parts = int(run(self._board, PAINTER, "touch /tmp/still; until [ -s /tmp/told ] && "
                        "[ $(grep -c parts /tmp/drawn) = $(cat /tmp/told) ]; do usleep 100000; done; cat /tmp/told"))
        wanted = self._pictures[parts % 2]
        deadline = time.monotonic() + display.SECONDS
        while (shown := display.screenshot(self._board, "screen", PAINTER)) != wanted:
            expect(time.monotonic() < deadline, f"the screen {when} is another: {display.difference(shown, wanted)}")
            time.sleep(0.3)

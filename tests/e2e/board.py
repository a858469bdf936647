# SPDX-License-Identifier: Apache-2.0
"""The emulated board: QEMU, and a shell of the root zone on its serial port.

    with Board(artefacts, folder) as board:
        board.boot()
        print(board.check("systemctl is-active dbus"))

Everything that comes out of the serial port is kept in `serial.log`. A panic of
the hypervisor or an oops of the root zone's kernel ends whatever is running with
BoardFault, whoever waits for what.
"""

import base64
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from monitor import Monitor, MonitorFault, resize_window

# What must never appear on the serial port, whichever scenario runs.
FAULTS = re.compile(
    rb"(testvisor: panic[^\n]*"
    rb"|Kernel panic - not syncing[^\n]*"
    rb"|Internal error: [^\n]*"
    rb"|Unable to handle kernel[^\n]*"
    rb"|kernel BUG at[^\n]*"
    rb"|BUG: (?!workqueue lockup)[^\n]*"
    rb"|WARNING: CPU: [^\n]*)")

# What the root zone has to show pictures on, as QEMU calls it. It has connectors for two
# displays, and one is plugged in from the start.
DISPLAY, HEADS = "display", 2
# Neither a width that buffers are aligned to, nor one of the usual modes.
DISPLAY_SIZE = (794, 447)

# Files of a board that can be resumed, and its disk wherever it is.
STATE, DISK = "state", "root.img"

# Lines of the kernel and the hypervisor get in between anywhere.
NOISE = re.compile(rb"\[ *\d+\.\d{6}\] [^\n]*\n|testvisor: [^\n]*\n")

# Defined in the shell once. What a command prints goes back with its exit status as one
# frame, as base64, so that neither an echo nor a stray kernel message can pass for an
# answer. Each further process would take an emulated CPU some 30 ms.
SHELL_SETUP = r"""
stty -echo; PS1= PS2=; set +H; bind 'set enable-bracketed-paste off' 2>/dev/null; dmesg -n 5
__run() {
    (set +m; eval "$__c") >/run/board.output 2>&1 </dev/null
    __reply "$1" $?
    __c=
}
__reply() {
    printf '\n<%s %s ' "$1" "$2"; base64 -w 0 /run/board.output; printf ' %s>\n' "$1"
}
"""


class BoardFault(Exception):
    """The board cannot go on: panic, oops, QEMU gone or no answer in time."""


class CommandFailed(Exception):
    """A command that had to succeed did not."""


@dataclass
class Result:
    """Exit status and output (both streams) of a command of the root zone."""
    status: int
    output: str


class Board:
    """One boot of the board."""

    def __init__(self, artefacts: Path, folder: Path, measures: bool = True):
        self.artefacts = artefacts
        self.folder = folder
        self.fault = ""
        self.boot_seconds = 0.0
        # Whether figures are of this board: beside another one they are of that, too.
        self.measures = measures
        # What a scenario measured; the runner shows it beside the verdict.
        self.figures = []
        self._received = bytearray()
        self._arrived = threading.Condition()
        self._listener = None
        self._sequence = 0
        self._transcript = None
        self._qemu = None
        self._reader = None
        self._monitor = None
        # The path of a socket is short.
        self._windows = tempfile.TemporaryDirectory(prefix="hvisord-board-")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- power ---------------------------------------------------------------

    def _power_on(self, *options: str):
        # Line-buffered, so that the log is whole when something hangs.
        self._transcript = open(self.folder / "commands.log", "a", buffering=1, encoding="utf-8")
        windows = [word for head in range(HEADS)
                   for word in ("-vnc", f"unix:{self._window(head)},id=head-{head},display={DISPLAY},head={head}")]
        ours, qemus = socket.socketpair()
        with qemus:
            self._qemu = subprocess.Popen(
                [*qemu_command(self.artefacts, self.folder / DISK, qemus.fileno()), *windows, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": str(self.folder)},
                start_new_session=True, pass_fds=[qemus.fileno()])
        self._monitor = Monitor(ours)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def boot(self, timeout: float = 120):
        """Power on with the image's disk, and wait for the root zone's shell and systemd."""
        self._insert_disk(self.artefacts)
        self._boot(timeout)

    def _boot(self, timeout: float = 120):
        started = time.monotonic()
        self._power_on()
        self.wait_for(rb"root@board:[^\n]*# ", timeout)
        self.type(SHELL_SETUP)
        # "degraded" is the scenario's business (boot looks at failed units).
        self.run("systemctl is-system-running --wait", timeout)
        self.boot_seconds = time.monotonic() - started

    def keep(self, place: Path):
        """Keep the board as it is now in a folder, for resume(); it goes on itself."""
        place.mkdir(parents=True)
        self._ask_machine("stop")
        self._ask_machine("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self._ask_machine("migrate", uri=f"file:{place / STATE}")
        while (status := self._ask_machine("query-migrate")["status"]) != "completed":
            if status in ("failed", "cancelled"):
                raise BoardFault("the machine: its state cannot be kept")
            time.sleep(0.1)
        copy_disk(self.folder, place)
        self._ask_machine("cont")

    def resume(self, place: Path):
        """Go on from what keep() has kept, in place of boot()."""
        started = time.monotonic()
        self._insert_disk(place)
        self._power_on("-incoming", f"file:{place / STATE}")
        while self._ask_machine("query-status")["status"] == "inmigrate":
            time.sleep(0.1)
        self._ask_machine("cont")
        self.run("true")
        self.boot_seconds = time.monotonic() - started

    def _insert_disk(self, place: Path):
        # What is in the image is never written to.
        self.folder.mkdir(parents=True, exist_ok=True)
        copy_disk(place, self.folder)

    def power_cycle(self):
        """Take the power away and give it back; what the disk has stays."""
        if self.fault:
            raise BoardFault(self.fault)
        self._power_off()
        with self._arrived:
            self._received.clear()
            self.fault = ""  # that QEMU has ended
        self._boot()

    def close(self):
        """Power off: there is nothing on the board to save."""
        self._power_off()
        (self.folder / DISK).unlink(missing_ok=True)
        self._windows.cleanup()

    def _power_off(self):
        if self._qemu and self._qemu.poll() is None:
            self._qemu.kill()
        if self._qemu:
            self._qemu.wait()
            self._reader.join(timeout=5)
            self._monitor.close()
        if self._transcript:
            self._transcript.close()
            self._transcript = None

    def photograph(self, file: Path, head: int = 0):
        """Write what a display of the machine shows, as PNG."""
        self._ask_machine("screendump", device=DISPLAY, head=head, filename=str(file), format="png")

    def plug_display(self, width: int, height: int, head: int = 0):
        """Plug another display into the machine, which prefers this size."""
        try:
            resize_window(self._window(head), width, height)
        except (MonitorFault, OSError) as fault:
            raise BoardFault(f"the machine: {fault}") from fault

    def unplug_display(self, head: int = 0):
        """Leave a connector of the machine without a display."""
        self.plug_display(0, 0, head)

    def _window(self, head: int) -> Path:
        return Path(self._windows.name, f"display-{head}")

    def _ask_machine(self, command: str, **arguments):
        try:
            return self._monitor.call(command, **arguments)
        except (MonitorFault, OSError) as fault:
            raise BoardFault(f"the machine: {fault}") from fault

    # -- serial port ---------------------------------------------------------

    def _read(self):
        with open(self.folder / "serial.log", "ab", buffering=0) as log:
            while chunk := self._qemu.stdout.read1(65536):
                log.write(chunk)
                with self._arrived:
                    self._received += chunk.replace(b"\r", b"")
                    if not self.fault and (fault := FAULTS.search(self._received)):
                        self.fault = fault.group(1).decode(errors="replace")
                    self._arrived.notify_all()
                    listener = self._listener
                if listener:
                    listener(chunk)
        with self._arrived:
            if not self.fault:
                self.fault = f"QEMU ended with exit status {self._qemu.wait()}"
            self._arrived.notify_all()

    def type(self, text: str):
        """Send text as if typed."""
        self.send(text.encode())

    def send(self, data: bytes):
        """Send bytes as they are."""
        self._qemu.stdin.write(data)
        self._qemu.stdin.flush()

    def listen(self, listener):
        """Hand every further chunk of the serial port to a function (None: stop)."""
        with self._arrived:
            self._listener = listener

    def wait_for(self, pattern: bytes, timeout: float, start: int = 0) -> re.Match:
        """Wait until the serial port has said something that matches."""
        deadline = time.monotonic() + timeout
        compiled = re.compile(pattern, re.DOTALL)
        with self._arrived:
            while True:
                if match := compiled.search(self._received, start):
                    return match
                if self.fault:
                    # What follows a panic is what explains it.
                    self._arrived.wait(1)
                    raise BoardFault(self.fault)
                left = deadline - time.monotonic()
                if left <= 0:
                    tail = bytes(self._received[-300:]).decode(errors="replace")
                    raise BoardFault(f"nothing matching {pattern!r} in {timeout:g} s; last: {tail!r}")
                self._arrived.wait(min(left, 1))

    # -- commands ------------------------------------------------------------

    def run(self, command: str, timeout: float = 60) -> Result:
        """Run a command of the root zone's bash."""
        self._sequence += 1
        tag = f"c{self._sequence}"
        with self._arrived:
            # What was said before this command is in the log; faults were looked
            # for as it came.
            self._received.clear()
        self.note(f"$ {command}")
        started = time.monotonic()
        for at in range(0, len(command), 1000):
            self.type(f'__c="$__c"{quoted(command[at:at + 1000])}\n')
        self.type(f"__run {tag}\n")
        result = self._answer(tag, timeout)
        self.note(f"{result.output.rstrip()}\n[{result.status}, {time.monotonic() - started:.2f} s]")
        return result

    def _answer(self, tag: str, timeout: float) -> Result:
        frame = rb"<" + tag.encode() + rb" (.{,4000000}?) " + tag.encode() + rb">"
        for _ in range(3):
            body = NOISE.sub(b"", self.wait_for(frame, timeout).group(1))
            fields = body.replace(b"\n", b"").split(b" ")
            try:
                status, output = int(fields[0]), base64.b64decode(b"".join(fields[1:]), validate=True)
                return Result(status, output.decode(errors="replace"))
            except ValueError:
                pass
            with self._arrived:
                self._received.clear()
            self.type(f"__reply {tag} {int(fields[0]) if fields[0].isdigit() else 255}\n")
        raise BoardFault("the serial port garbles what it carries")

    def check(self, command: str, timeout: float = 60) -> str:
        """Run a command that must succeed; what it prints."""
        result = self.run(command, timeout)
        if result.status != 0:
            raise CommandFailed(f"`{command}` ended with exit status {result.status}: {result.output.strip()}")
        return result.output.strip()

    def figure(self, text: str):
        """Report something measured, which is no part of the verdict."""
        self.note(f"figure: {text}")
        self.figures.append(text)

    def note(self, text: str):
        """Write a line into the transcript of commands."""
        if self._transcript:
            self._transcript.write(text + "\n")


def quoted(text: str) -> str:
    """A word of bash that has no character which a terminal takes for something else."""
    plain = "".join(chr(byte) if chr(byte).isalnum() and byte < 128 or chr(byte) in " _-./=:,;|&<>(){}[]$*+%@#^~\"" else
                    f"\\x{byte:02x}" for byte in text.encode())
    return f"$'{plain}'"


def copy_disk(folder: Path, to: Path):
    """Copy the board's disk, of which most is empty, into another folder."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", folder / DISK, to / DISK], check=True)


def qemu_command(artefacts: Path, disk: Path, monitor: int) -> list[str]:
    """The command line of the board.

    `monitor` is a socket that it has inherited, to which it speaks QMP.

    HYPERVISOR names another hypervisor's raw image in place of the test
    hypervisor, QEMU_EXTRA holds further options.
    """
    hypervisor = os.environ.get("HYPERVISOR") or str(artefacts / "testvisor.bin")

    def load(file, address, *more):
        return ["-device", ",".join([f"loader,file={file}", f"addr={address:#x}", "force-raw=on", *more])]

    return [
        "qemu-system-aarch64", "-nodefaults", "-display", "none", "-serial", "stdio",
        "-machine", "virt,virtualization=on,gic-version=3,secure=off",
        "-cpu", "neoverse-n1", "-smp", "4", "-m", "2G", "-accel", "tcg,thread=multi",
        "-global", "virtio-mmio.force-legacy=false",
        *load(hypervisor, 0x40400000),
        *load(artefacts / "root.dtb", 0xa0000000),
        *load(artefacts / "Image", 0xa0400000),
        *load(artefacts / "initramfs.cpio", 0xa8000000),
        "-device", "loader,addr=0x40400000,cpu-num=0",
        "-drive", f"if=none,id=disk,file={disk},format=raw",
        "-device", "virtio-blk-device,drive=disk,bus=virtio-mmio-bus.31",
        "-device", f"virtio-gpu-device,id={DISPLAY},bus=virtio-mmio-bus.29,max_outputs={HEADS},"
                   f"xres={DISPLAY_SIZE[0]},yres={DISPLAY_SIZE[1]}",
        "-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control",
        *os.environ.get("QEMU_EXTRA", "").split(),
    ]

# SPDX-License-Identifier: Apache-2.0
"""Devices work after the zone's drivers let go of them and take them again."""

import devices
from devices import CACHED, ON_BRIDGE
from linux2 import expect
from scenarios import rng

# By what is served there: the zone's names for the windows in devices.dts.
DISK = "a003400.virtio_mmio"
NET = "a003000.virtio_mmio"
RNG = "a002c00.virtio_mmio"
CONSOLE = "a002a00.virtio_mmio"
STREAM = "org.syswonder.stream"
MIB = 4


def scenario(board):
    devices.start(board)
    for check, window in ((Disk(board), DISK), (Net(board), NET), (Rng(board), RNG), (Stream(board), CONSOLE)):
        check.before()
        for let_go, take in (driver(board, window), transport(window)):
            devices.run(board, let_go)
            check.meanwhile()
            devices.run(board, take)
            check.after()


def driver(board, window):
    """Commands that unbind and bind the driver of the device."""
    device = devices.run(board, f"basename /sys/devices/platform/{window}/virtio*")
    path = devices.run(board, f"readlink -f /sys/bus/virtio/devices/{device}/driver")
    return f"echo {device} >{path}/unbind", f"echo {device} >{path}/bind"


def transport(window):
    """Commands that unbind and bind virtio-mmio: the device itself goes and comes."""
    path = "/sys/bus/platform/drivers/virtio-mmio"
    return f"echo {window} >{path}/unbind", f"echo {window} >{path}/bind"


class Disk:
    """What was written is there afterwards, and more can be written."""

    def __init__(self, board):
        self.board = board
        self.sum = ""

    def before(self):
        """Write something new."""
        self.sum = devices.run(self.board, f"dd if=/dev/urandom of=/tmp/blob bs=1M count={MIB} 2>/dev/null && "
                               f"dd if=/tmp/blob of={CACHED} bs=64k conv=fsync 2>/dev/null && md5sum </tmp/blob")

    def meanwhile(self):
        """The disk is gone."""
        devices.run(self.board, f"[ ! -e {CACHED} ]")

    def after(self):
        """Read it back, then write again."""
        read = devices.run(self.board, f"echo 3 >/proc/sys/vm/drop_caches; {devices.read_disk(CACHED, MIB)} | md5sum")
        expect(read == self.sum, "the disk that came back has other contents")
        self.before()


class Net:
    """Frames that nobody takes for a while do not stop the device."""

    def __init__(self, board):
        self.board = board

    def before(self):
        """Ping both ways."""
        self.board.check(f"busybox ping -c 3 -i 0.2 -W 5 {ON_BRIDGE[1]}")
        devices.run(self.board, f"ping -c 3 -i 0.2 -W 5 {ON_BRIDGE[0]}")

    def meanwhile(self):
        """Nobody answers."""
        answer = self.board.run(f"busybox ping -c 2 -i 0.2 -W 1 {ON_BRIDGE[1]}")
        expect(answer.status != 0, "the zone answers without its network device")

    def after(self):
        """A new interface with the old name and address."""
        devices.run(self.board, devices.set_up("eth0", ON_BRIDGE[1]))
        self.before()


class Rng:
    """The kernel goes back to the device."""

    def __init__(self, board):
        self.board = board

    def before(self):
        """Read from it."""
        rng.check(self.board)

    def meanwhile(self):
        """No source is left."""
        devices.run(self.board, "! grep -q virtio_rng /sys/class/misc/hw_random/rng_available")

    def after(self):
        """Read from it."""
        self.before()


class Stream:
    """The second console's stream carries bytes both ways."""

    def __init__(self, board):
        self.board = board
        self.count = 0

    def _port(self):
        found = devices.run(self.board, f"grep -l {STREAM} /sys/class/virtio-ports/*/name")
        return f"/dev/{found.split('/')[-2]}"

    def before(self):
        """A line out, a line in."""
        self.count += 1
        client = f"hvisorctl zone console {devices.NAME} --device {devices.SECOND_CONSOLE} --port {STREAM}"
        # One opening, as Linux allows no second one; writing waits until the host's side
        # is open. Nothing but this shell may hold it: in Linux 6.12 a port that is closed
        # while its driver is being removed ends in an oops (remove_vqs, free_buf).
        devices.run(self.board, f"(echo out-{self.count} >&4; read -t 30 line <&4; echo $line >/tmp/stream) "
                    f"4<>{self._port()} & true")
        self.board.check(f"grep -m 1 '^out-{self.count}$' < <(timeout 30 {client} --read-only)")
        self.board.check(f"echo in-{self.count} | timeout 30 {client} --replay 0")
        line = devices.run(self.board, "wait; cat /tmp/stream")
        expect(line == f"in-{self.count}", f"the stream gave the zone {line!r}")

    def meanwhile(self):
        """The port is gone."""
        devices.run(self.board, f"! grep -q {STREAM} /sys/class/virtio-ports/*/name")

    def after(self):
        """The same again."""
        self.before()

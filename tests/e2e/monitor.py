# SPDX-License-Identifier: Apache-2.0
"""QEMU's own interface, QMP: what the machine can be asked, past its software."""

import json
import socket
import struct
from pathlib import Path

SECONDS = 60


class MonitorFault(Exception):
    """QEMU refuses a command, or does not answer."""


class Monitor:
    """A connection to one QEMU."""

    def __init__(self, connection: socket.socket):
        connection.settimeout(SECONDS)
        self._connection = connection
        self._answers = connection.makefile("r", encoding="utf-8")
        self._is_ready = False

    def call(self, command: str, **arguments):
        """Have a command done; what it returns."""
        if not self._is_ready:
            self._is_ready = True
            self.call("qmp_capabilities")
        request = json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"
        try:
            self._connection.sendall(request)
            for line in self._answers:
                answer = json.loads(line)
                if "error" in answer:
                    raise MonitorFault(f"QEMU refuses {command}: {answer['error'].get('desc')}")
                if "return" in answer:  # neither the greeting nor an event
                    return answer["return"]
        except OSError as error:
            raise MonitorFault(f"QEMU does not answer {command}: {error}") from error
        raise MonitorFault(f"QEMU has ended and does not answer {command}")

    def close(self):
        """End the connection."""
        self._answers.close()
        self._connection.close()


def resize_window(server: Path, width: int, height: int):
    """Have a display of the machine be of another size, as a window of it would be; 0 x 0 unplugs it.

    A window is what QEMU takes it from, so this is one, spoken to by RFB 3.8 (RFC 6143), which
    QEMU serves at that socket. The size that a window had before is no news; at first that is 0 x 0.
    """
    with socket.socket(socket.AF_UNIX) as window:
        window.settimeout(SECONDS)
        window.connect(str(server))
        with window.makefile("rb") as said:
            version = said.read(12)
            window.sendall(version)
            said.read(said.read(1)[0])  # the kinds of security
            window.sendall(b"\x01")  # none
            said.read(4)
            window.sendall(b"\x01")  # others may look, too
            said.read(20)
            said.read(struct.unpack(">I", said.read(4))[0])  # its name
            # SetDesktopSize, of the one screen; then one pixel is asked for, to know that it was read.
            window.sendall(struct.pack(">BxHHBxIHHHHI", 251, width, height, 1, 0, 0, 0, width, height, 0))
            window.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, 1, 1))
            if not said.read(1):
                raise MonitorFault("QEMU does not take another size of its display")

# SPDX-License-Identifier: Apache-2.0
"""Where hvisorctl puts a picture. The daemon is one that has a picture and nothing else.

    screenshot.py HVISORCTL
"""

import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import zlib

from jeepney import HeaderFields, MessageType, message_bus, new_error, new_method_return

from messages import NAME, ROOT, Connection

ZONE = f"{ROOT}/zone/guest1"
DEVICE = f"{ZONE}/device/gpu_2da003400"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# 2 x 1 pixels, red and blue; and more than fits into a pipe.
PNG = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 2, 0, 0, 0))
       + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0\0\0\xff")) + chunk(b"tEXt", os.urandom(200000)) + chunk(b"IEND", b""))


class Daemon:
    """Answers what hvisorctl asks for a screenshot."""

    def __init__(self):
        self.options = []
        self._connection = Connection()
        self._connection.call(message_bus.RequestName(NAME))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            message = self._connection.receive(3600)
            if message is not None and message.header.message_type == MessageType.method_call:
                self._answer(message, message.header.fields[HeaderFields.member])

    def _answer(self, message, member):
        if member == "ListZones":
            zone = {"Name": ("s", "guest1"), "Id": ("u", 1), "State": ("s", "running"), "Cpus": ("au", [2]),
                    "Path": ("o", ZONE)}
            reply = new_method_return(message, "aa{sv}", ([zone],))
        elif member == "GetManagedObjects":
            objects = {ZONE: {f"{NAME}.Zone": {"Name": ("s", "guest1")}},
                       DEVICE: {f"{NAME}.Device": {"Id": ("s", "gpu-a003400")}, f"{NAME}.Device.Gpu": {}}}
            reply = new_method_return(message, "a{oa{sa{sv}}}", (objects,))
        elif member == "Screenshot":
            self.options.append(message.body)
            file = os.memfd_create("picture")
            os.write(file, PNG)
            os.lseek(file, 0, os.SEEK_SET)
            reply = new_method_return(message, "ha{sv}", (file, {"Width": ("u", 2), "Height": ("u", 1)}))
        else:
            reply = new_error(message, "org.freedesktop.DBus.Error.UnknownMethod", "s", (member,))
        self._connection.send(reply)


def main(hvisorctl):
    hvisorctl = os.path.abspath(hvisorctl)
    daemon = Daemon()
    with tempfile.TemporaryDirectory() as folder:
        def ctl(*arguments, status=0, **how):
            result = subprocess.run([hvisorctl, "--bus=session", *arguments], check=False, cwd=folder,
                                    **({"capture_output": True, "stdin": subprocess.DEVNULL} | how))
            assert result.returncode == status, f"{arguments}: {result}"
            return result

        def read(name):
            with open(f"{folder}/{name}", "rb") as file:
                return file.read()

        assert ctl("screenshot", "guest1").stdout == b"guest1.png: 2 x 1\n"
        assert read("guest1.png") == PNG
        assert daemon.options == [(0, {})], daemon.options

        # What is there stays, unless it shall not; the daemon is not even asked.
        with open(f"{folder}/old.png", "w", encoding="ascii") as file:
            file.write("x" * 300000)
        assert b"old.png is there already; --force overwrites it" in ctl("screenshot", "guest1", "old.png", status=1).stderr
        assert read("old.png") == b"x" * 300000 and len(daemon.options) == 1
        found = json.loads(ctl("-o", "json", "screenshot", "1", "old.png", "--force", "--cursor", "--display=3").stdout)
        assert found == {"File": "old.png", "Width": 2, "Height": 1}, found
        assert read("old.png") == PNG
        assert daemon.options[-1] == (3, {"cursor": ("b", True)}), daemon.options

        # To a program, a file that is appended to, and one that is full.
        assert ctl("screenshot", "guest1", "-").stdout == PNG
        with open(f"{folder}/log", "ab") as file:
            file.write(b"first")
            file.flush()
            ctl("screenshot", "guest1", "-", capture_output=False, stdout=file)
        assert read("log") == b"first" + PNG
        with open("/dev/full", "wb") as file:
            said = ctl("screenshot", "guest1", "-", status=1, capture_output=False, stdout=file, stderr=subprocess.PIPE).stderr
        assert b"cannot write the picture: No space left on device" in said, said

        assert ctl("-q", "screenshot", "guest1", "quiet.png").stdout == b""
        assert b"cannot write none/a.png" in ctl("screenshot", "guest1", "none/a.png", status=1).stderr
        assert sorted(os.listdir(folder)) == ["guest1.png", "log", "old.png", "quiet.png"]


main(*sys.argv[1:])

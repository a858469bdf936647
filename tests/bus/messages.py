# SPDX-License-Identifier: Apache-2.0
"""D-Bus messages for tests that do what no sensible client does."""

import array
import os
import selectors
import socket
import time
from itertools import count

from jeepney import DBusAddress, HeaderFields, MessageType, Parser, message_bus, new_method_call
from jeepney.fds import FileDescriptor, fds_buf_size
from jeepney.io.blocking import prep_socket

NAME = "org.syswonder.hvisor1"
ROOT = "/org/syswonder/hvisor1"


def method(path, interface, member, signature=None, body=()):
    """A call of hvisord, by whatever way it is sent."""
    return new_method_call(DBusAddress(path, NAME, interface), member, signature, body)


class EagerConnection:
    """To the socket of hvisord: says all it ever says at once, with the authentication, and waits for nothing."""

    def __init__(self, path, message):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.setblocking(False)
        self._socket.connect(path)
        user = str(os.geteuid()).encode().hex().encode()
        data = b"\0AUTH EXTERNAL " + user + b"\r\nBEGIN\r\n" + message.serialise(serial=1)
        if self._socket.send(data) != len(data):
            raise BlockingIOError("the socket does not take a message")

    def reply(self, seconds):
        """What the call is answered by, None when it is not in time."""
        self._socket.settimeout(seconds)
        data = b""
        parser = Parser()
        try:
            while b"\r\n" not in data:
                data += self._socket.recv(4096)
            parser.add_data(data.split(b"\r\n", 1)[1])
            while (message := parser.get_next_message()) is None or HeaderFields.reply_serial not in message.header.fields:
                if message is None:
                    parser.add_data(self._socket.recv(4096))
            return message
        except TimeoutError:
            return None

    def close(self):
        """End it."""
        self._socket.close()


class Connection:
    """To the session bus, or with a path to the socket of hvisord itself."""

    def __init__(self, path=None):
        fields = os.environ["DBUS_SESSION_BUS_ADDRESS"].removeprefix("unix:").split(",")
        self._socket = prep_socket(path or dict(field.split("=") for field in fields)["path"], True, timeout=60)
        self._parser = Parser()
        self._serials = count(1)
        self._readable = selectors.DefaultSelector()
        self._readable.register(self._socket, selectors.EVENT_READ)
        if path is None:
            self.call(message_bus.Hello())

    def send(self, message):
        """Send it, and return the number that its reply will name."""
        serial = next(self._serials)
        files = array.array("i")
        data = message.serialise(serial=serial, fds=files)
        sent = socket.send_fds(self._socket, [data], files)
        self._socket.sendall(data[sent:])
        return serial

    def receive(self, seconds):
        """The next message, None when none comes in time; files in it are closed."""
        deadline = time.monotonic() + seconds
        while (message := self._parser.get_next_message()) is None:
            if not self._readable.select(max(0, deadline - time.monotonic())):
                return None
            data, ancillary, _, _ = self._socket.recvmsg(self._parser.bytes_desired(), fds_buf_size())
            if not data:
                raise ConnectionResetError("the connection was closed")
            files = FileDescriptor.from_ancdata(ancillary)
            self._parser.add_data(data, fds=files)
            for file in files:
                file.close()
        return message

    def reply(self, serial, seconds=60):
        """The reply with this number, None when it does not come in time."""
        deadline = time.monotonic() + seconds
        while (message := self.receive(deadline - time.monotonic())) is not None:
            if message.header.fields.get(HeaderFields.reply_serial) == serial:
                return message
        return None

    def call(self, message, seconds=60):
        """Send it and return what the reply holds; an error is raised."""
        reply = self.reply(self.send(message), seconds)
        if reply is None:
            raise TimeoutError(f"no reply within {seconds} s to {message}")
        if reply.header.message_type == MessageType.error:
            raise RuntimeError(f"{error_name(reply)}: {reply.body}")
        return reply.body

    def close(self):
        """End it."""
        self._readable.close()
        self._socket.close()


def error_name(message):
    """The name of the error that a message is, None for another."""
    if message.header.message_type == MessageType.error:
        return message.header.fields[HeaderFields.error_name]
    return None

# SPDX-License-Identifier: Apache-2.0
"""PNG files of one byte a colour, as pictures of a display are."""

import struct
import zlib
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB, RGBA = 2, 6
BYTES = {RGB: 3, RGBA: 4}


@dataclass
class Picture:
    """Rows from the top, three bytes a pixel: red, green, blue."""
    width: int
    height: int
    rows: list[bytes]

    def pixel(self, x: int, y: int) -> str:
        """One pixel as it is written in style sheets."""
        return f"#{self.rows[y][3 * x:3 * x + 3].hex()}"


def read(data: bytes) -> Picture:
    """What a file has; the opacity of its pixels is not looked at."""
    if not data.startswith(SIGNATURE):
        raise ValueError("no PNG file")
    header, packed, at = None, b"", len(SIGNATURE)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + length]
        if struct.pack(">I", zlib.crc32(kind + body)) != data[at + 8 + length:at + 12 + length]:
            raise ValueError(f"wrong checksum of {kind}")
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    width, height, depth, colours, *more = header
    if depth != 8 or colours not in BYTES or more != [0, 0, 0]:
        raise ValueError(f"a PNG file of another kind: {header}")
    size = BYTES[colours]
    rows = [bytes(row) for row in _unfilter(zlib.decompress(packed), width * size, height, size)]
    if colours == RGBA:
        rows = [b"".join(row[i:i + 3] for i in range(0, len(row), size)) for row in rows]
    return Picture(width, height, rows)


def _unfilter(data, length, height, size):
    if len(data) != height * (length + 1):
        raise ValueError(f"{len(data)} bytes for {height} rows")
    above = bytearray(length)
    for y in range(height):
        at = y * (length + 1)
        row = bytearray(data[at + 1:at + 1 + length])
        _undo(data[at], row, above, size)
        yield row
        above = row


def _undo(kind, row, above, size):
    if kind == 0:
        return
    for i, value in enumerate(row):
        left = row[i - size] if i >= size else 0
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = above[i]
        elif kind == 3:
            guess = (left + above[i]) // 2
        else:
            guess = _paeth(left, above[i], above[i - size] if i >= size else 0)
        row[i] = (value + guess) & 0xff


def _paeth(left, above, corner):
    whole = left + above - corner
    return min((abs(whole - left), 0, left), (abs(whole - above), 1, above), (abs(whole - corner), 2, corner))[2]


def write(picture: Picture) -> bytes:
    """A file of a picture."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", picture.width, picture.height, 8, RGB, 0, 0, 0)
    pixels = b"".join(b"\0" + row for row in picture.rows)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")

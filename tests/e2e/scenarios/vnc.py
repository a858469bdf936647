# SPDX-License-Identifier: Apache-2.0
"""A zone's screen is looked at by VNC: hvisor-vnc in its unit's sandbox shows what the zone has drawn,
and the zone hears what the viewer types and points at."""

import base64
import shlex
import struct

import linux2
import png
import zone_file
from linux2 import expect
from scenarios import display
from scenarios import input as keys

NAME = "vnc"
RAM = 0x50000000, 0x18000000
SIZE = (320, 200)
ADDRESS = "127.0.0.1:5900"
GPU = {"type": "gpu", "addr": "0xa003400", "irq": 74, "backend": "headless", "width": SIZE[0], "height": SIZE[1],
       "vnc": {"listen": ADDRESS}}
KEYBOARD = {"type": "input", "addr": "0xa003200", "irq": 74, "model": "keyboard"}
TABLET = {"type": "input", "addr": "0xa003000", "irq": 74, "model": "tablet"}
PIXELS = SIZE[0] * SIZE[1] * 4

# RFC 6143, by a shell: version, no security, shared, then one picture as it is. dd
# takes no byte more than it is told to.
VIEWER = f"""set -e
    take() {{ timeout 60 dd bs=1 count=$1 status=none <&3; }}
    exec 3<>/dev/tcp/{ADDRESS.replace(":", "/")}
    take 12 >/run/vnc-version
    printf 'RFB 003.008\\n' >&3
    take 2 >/dev/null; printf '\\001' >&3
    take 4 >/dev/null; printf '\\001' >&3
    take {24 + len(NAME)} >/run/vnc-init
    printf '\\002\\000\\000\\001\\000\\000\\000\\000' >&3
    printf '\\003\\000\\000\\000\\000\\000\\{SIZE[0] >> 8:03o}\\{SIZE[0] & 255:03o}\\000\\{SIZE[1]:03o}' >&3
    take 16 >/run/vnc-rectangle
    timeout 60 head -c {PIXELS} <&3 >/run/vnc-pixels
    hvisorctl --no-legend display list {NAME}
    ps -o user= -C hvisor-vnc | sort -u
    systemctl --no-legend --plain list-units 'hvisor-vnc@*'
    printf '\\004\\001\\000\\000\\000\\000\\000a\\004\\000\\000\\000\\000\\000\\000a' >&3
    printf '\\005\\001\\000\\000\\000\\000' >&3
    sleep 2
"""
LEFT = 0x110


def scenario(board):
    zone_file.configure(board, NAME, 1, [2], RAM, linux2.DISK, devices=(display.TOOLS, GPU, KEYBOARD, TABLET))
    nonce = linux2.new_disk(board)
    linux2.start(board, nonce, NAME)
    display.load_driver(board, NAME)
    display.begin_to_draw(board, SIZE, NAME)
    display.draw(board, "whole", NAME)
    keys.start_drivers(board, NAME, 2)

    said = board.check(f"bash -c {shlex.quote(VIEWER)}", 180)
    expect(fetch(board, "version") == b"RFB 003.008\n", "what listens is no VNC server")
    init = fetch(board, "init")
    expect(struct.unpack(">HH", init[:4]) == SIZE, f"the viewer's screen is {struct.unpack('>HH', init[:4])}")
    expect(init[24:].decode() == NAME, f"the viewer's title is {init[24:]}")
    expect(fetch(board, "rectangle")[4:] == struct.pack(">HHHHi", 0, 0, *SIZE, 0), "the viewer got no whole picture")
    pixels = fetch(board, "pixels")
    picture = png.Picture(*SIZE, [row(pixels, y) for y in range(SIZE[1])])
    (board.folder / "vnc.png").write_bytes(png.write(picture))
    wanted = display.expected(SIZE)
    expect(picture == wanted, f"the viewer sees another picture: {display.difference(picture, wanted)}")

    listed, *users, unit = said.splitlines()
    expect(listed.split()[-2:] == [ADDRESS, "1"], f"the viewer is not listed: {listed}")
    expect(users and "root" not in users, f"hvisor-vnc runs as {users}")
    expect("running" in unit, f"hvisor-vnc is no unit of its own: {said}")
    keys.wait_heard(board, "hvisor_keyboard", [(keys.KEY, keys.A, 1), keys.REPORT, (keys.KEY, keys.A, 0), keys.REPORT],
                    NAME)
    # At the corner, where the tablet is already; the viewer held the button down when it left.
    keys.wait_heard(board, "hvisor_tablet", [(keys.KEY, LEFT, 1), keys.REPORT, (keys.KEY, LEFT, 0), keys.REPORT], NAME)
    board.check(f"hvisorctl zone kill {NAME}")


def row(pixels, y):
    """Red, green and blue of a row of blue, green, red and nothing."""
    first = 4 * SIZE[0] * y
    return b"".join(bytes((pixels[i + 2], pixels[i + 1], pixels[i])) for i in range(first, first + 4 * SIZE[0], 4))


def fetch(board, name):
    """A file that the viewer wrote."""
    return base64.b64decode(board.check(f"base64 -w 0 /run/vnc-{name}"))

# SPDX-License-Identifier: Apache-2.0
"""A zone draws on the root zone's display: what the machine shows is what it drew.

Each picture is compared with the one that draw_picture.c was told to draw, pixel
by pixel: as the machine's display has it, and as `hvisorctl screenshot` tells it.
"""

import base64
import time

import linux2
import png
import zone_file
from board import DISPLAY_SIZE
from events import KILL, RESTART
from linux2 import expect

NAME = "display"
RAM = 0x50000000, 0x18000000
GPU = {"type": "gpu", "addr": "0xa003400", "irq": 74}
TOOLS = {"type": "blk", "addr": "0xa003600", "irq": 75, "img": f"{linux2.FOLDER}/tools.ext4", "readonly": True}
# One that wants the same display.
OTHER = "other"
OTHER_RAM = 0x68000000, 0x18000000
OTHER_DISK = f"{linux2.FOLDER}/other.ext4"
# Until a picture that was drawn is on the display, on an emulated board beside others.
SECONDS = 20
# Of the second display that is plugged in.
OTHER_SIZE = (642, 481)

DROP_IN = "/run/systemd/system/hvisord.service.d"
SERVICE_AS_IT_WAS = f"rm -r {DROP_IN} && systemctl daemon-reload"

BARS = ("ff0000", "00ff00", "0000ff", "00ffff", "ff00ff", "ffff00", "ffffff", "000000")
BAR_ROWS = range(16, 48)


def scenario(board):
    zone_file.configure(board, NAME, 1, [2], RAM, linux2.DISK, devices=(TOOLS, GPU))
    linux2.new_disk(board, OTHER_DISK)
    zone_file.configure(board, OTHER, 2, [3], OTHER_RAM, OTHER_DISK, interrupts=(72, 73),
                        devices=({**TOOLS, "irq": 70}, {**GPU, "irq": 71}))
    without_card(board)
    insert_card(board)
    console = photograph(board, "console")

    # Whoever opens a card that nobody has becomes its master.
    other_program = board.check("setsid sleep 1000 3<>/dev/dri/card0 >/dev/null 2>&1 & echo $!")
    start(board)
    begin_to_draw(board, DISPLAY_SIZE)
    draw(board, "whole")
    said = board.check("journalctl -b -o cat -u hvisord | grep -c 'another program shows something' || true")
    expect(said == "1", f"that another program has the card is said {said} times")
    board.check(f"kill {other_program}")
    whole = expected(DISPLAY_SIZE)
    compare(board, "whole", whole)
    second_zone(board)
    draw(board, "parts")
    compare(board, "parts", inverted(whole))
    board.check(RESTART, 60)
    compare(board, "restarted", inverted(whole))
    second_display(board, inverted(whole))
    other_display(board)

    # The root zone's own console comes back, and goes once more.
    board.plug_display(*DISPLAY_SIZE)
    board.check(f"hvisorctl zone shutdown {NAME}")
    wait_until(board, "stopped", lambda picture: alike(picture, console) > 0.9,
               "the root zone's console has not got its display back")
    legacy_card(board, whole)


def insert_card(board):
    """Have the root zone find its graphics card."""
    board.check("modprobe virtio-gpu && timeout 20 sh -c 'until [ -e /dev/dri/card0 ]; do sleep 0.2; done'")


def without_card(board):
    """A zone with a display does not start where there is no card, and says why."""
    linux2.new_disk(board)
    refused = board.run(f"hvisorctl zone start {NAME}")
    expect(refused.status != 0 and "/dev/dri" in refused.output,
           f"without a graphics card the zone starts, or fails so: {refused.output}")


def second_zone(board):
    """The display belongs to one zone; another is told which."""
    refused = board.run(f"hvisorctl zone start {OTHER}")
    expect(refused.status != 0 and "Virtual-1 belongs to" in refused.output and NAME in refused.output,
           f"a second zone takes the display, or fails so: {refused.output}")


def second_display(board, first):
    """With another display on the same card each zone has one, and neither disturbs the other."""
    board.plug_display(*OTHER_SIZE, head=1)
    start(board, OTHER, OTHER_DISK)
    begin_to_draw(board, OTHER_SIZE, OTHER)
    draw(board, "whole", OTHER)
    compare(board, "second", expected(OTHER_SIZE), OTHER, head=1)
    compare(board, "beside", first)
    without_daemon(board, first)
    board.check(f"hvisorctl zone shutdown {OTHER}")
    board.unplug_display(head=1)
    compare(board, "alone", first)


def without_daemon(board, first):
    """Both displays show what they did while no hvisord runs, and then it goes on with both."""
    change_service(board, "RestartSec=infinity")
    board.check("kill -9 $(systemctl show -P MainPID hvisord); "
                f"timeout {SECONDS} sh -c 'until [ $(systemctl show -P SubState hvisord) = auto-restart ]; do sleep 0.2; done'")
    pictures = {0: first, 1: expected(OTHER_SIZE)}
    for head, wanted in pictures.items():
        expect((seen := photograph(board, f"without-daemon-{head}", head)) == wanted,
               f"without hvisord display {head} shows something else: {difference(seen, wanted)}")
    board.check(f"{SERVICE_AS_IT_WAS} && systemctl start hvisord", 60)
    compare(board, "killed", first)
    compare(board, "killed-second", pictures[1], OTHER, head=1)
    draw(board, "parts", OTHER)
    compare(board, "killed-parts", inverted(pictures[1]), OTHER, head=1)


def legacy_card(board, whole):
    """The same on a card without atomic mode setting, and without a pointer of its own."""
    change_service(board, "Environment=LD_PRELOAD=/usr/local/lib/legacy_drm.so")
    board.check(RESTART, 60)
    start(board)
    begin_to_draw(board, DISPLAY_SIZE)
    draw(board, "whole")
    compare(board, "legacy", whole)
    draw(board, "parts")
    compare(board, "legacy-parts", inverted(whole))
    # The pointer is a part of what this card shows, and of the zone's picture it is none.
    draw(board, "pointer")
    pointed = with_pointer(inverted(whole))
    compare(board, "legacy-pointer", pointed, without_pointer=inverted(whole))
    board.check(KILL, 60)
    compare(board, "legacy-killed", pointed, without_pointer=inverted(whole))
    draw(board, "whole")
    compare(board, "legacy-again", with_pointer(whole), without_pointer=whole)
    board.check(f"grep -q legacy_drm /proc/$(systemctl show -P MainPID hvisord)/maps && {SERVICE_AS_IT_WAS}")
    board.check(RESTART, 60)
    compare(board, "legacy-no-more", whole)
    board.check(f"hvisorctl zone shutdown {NAME}")


def change_service(board, setting):
    """Have hvisord run with one more setting of its unit, the next time that it starts."""
    board.check(f"mkdir -p {DROP_IN} && printf '[Service]\\n{setting}\\n' >{DROP_IN}/display.conf && systemctl daemon-reload")


def start(board, zone=NAME, disk=linux2.DISK):
    """Start a zone, and the driver of its display."""
    nonce = linux2.new_disk(board, disk)
    linux2.start(board, nonce, zone)
    load_driver(board, zone)


def load_driver(board, zone):
    """Load the driver of a zone's display, and make the pipe of what draws."""
    linux2.run(board, "mount -o ro /dev/vdb /tools && mkfifo /tmp/draw && "
               "for module in $(cat /tools/modules/display); do insmod /tools/modules/$module || exit; done", 60, zone)


def begin_to_draw(board, size, zone=NAME):
    """Start what draws, on a display of this size."""
    said = linux2.run(board, "killall draw_picture 2>/dev/null; rm -f /tmp/drawn; "
                      "draw_picture <>/tmp/draw >/tmp/drawn 2>&1 & "
                      "for i in $(seq 50); do [ -s /tmp/drawn ] && break; sleep 0.2; done; cat /tmp/drawn", 30, zone)
    expect(said.endswith(f"{size[0]} x {size[1]}"), f"the zone's display is not {size[0]} x {size[1]}: {said}")


def other_display(board):
    """A display of another size is plugged in, and pulled out and in: the zone hears of all."""
    width, height = OTHER_SIZE
    board.plug_display(width, height)
    zone_sees(board, "modes", f"{width}x{height}")
    begin_to_draw(board, OTHER_SIZE)
    draw(board, "whole")
    picture = expected(OTHER_SIZE)
    compare(board, "other", picture)
    board.unplug_display()
    zone_sees(board, "status", "disconnected")
    board.plug_display(width, height)
    zone_sees(board, "status", "connected")
    compare(board, "plugged", picture)  # though the zone has drawn nothing since


def zone_sees(board, what, value):
    """The zone's driver says so of its connector, when somebody looks, as a compositor does that was told to."""
    connector = "/sys/class/drm/card0-Virtual-1"
    linux2.run(board, f"timeout {SECONDS} sh -c 'until echo detect >{connector}/status; "
               f"grep -qx {value} {connector}/{what}; do sleep 0.2; done'", SECONDS + 10, NAME)


def draw(board, what, zone=NAME):
    """Have the zone draw, until its driver has taken it."""
    linux2.run(board, f"echo {what} >/tmp/draw; timeout {SECONDS} sh -c 'until grep -qx {what} /tmp/drawn; "
               "do sleep 0.2; done' || { cat /tmp/drawn; exit 1; }", SECONDS + 10, zone)


def expected(size):
    """What picture.h calls "whole"."""
    width, height = size

    def pixel(x, y):
        if x in (0, width - 1) or y in (0, height - 1):
            return b"\xff\xff\xff"
        if y in BAR_ROWS:
            return bytes.fromhex(BARS[x * len(BARS) // width])
        if x == y:
            return b"\xff\xff\0"
        return bytes((x // 3 * 5 & 0xff, y // 2 * 3 & 0xff, ((x >> 4) ^ (y >> 4)) * 8 & 0xff))
    return png.Picture(width, height, [b"".join(pixel(x, y) for x in range(width)) for y in range(height)])


def inverted(picture):
    """What it calls "parts"."""
    width, height = picture.width, picture.height
    rows = [bytearray(row) for row in picture.rows]
    for left, top, right, bottom in ((0, 0, 1, 1), (101, 67, 312, 100), (width - 13, height - 7, width, height)):
        for y in range(top, bottom):
            for i in range(3 * left, 3 * right):
                rows[y][i] ^= 0xff
    return png.Picture(width, height, [bytes(row) for row in rows])


def with_pointer(picture):
    """With what draw_picture.c calls "pointer"."""
    rows = list(picture.rows)
    for y in range(60, 76):
        rows[y] = rows[y][:3 * 30] + bytes.fromhex("12ab34") * 16 + rows[y][3 * 46:]
    return png.Picture(picture.width, picture.height, rows)


def photograph(board, name, head=0):
    """What a display of the machine shows; the file is kept beside the logs."""
    file = board.folder / f"display-{name}.png"
    board.photograph(file, head)
    return png.read(file.read_bytes())


def wait_until(board, name, is_right, complaint, head=0, seconds=SECONDS):
    """Photograph the display until it is right."""
    deadline = time.monotonic() + seconds
    while not is_right(picture := photograph(board, name, head)):
        expect(time.monotonic() < deadline, complaint(picture) if callable(complaint) else complaint)
        time.sleep(0.3)


def compare(board, name, wanted, zone=NAME, head=0, seconds=SECONDS, without_pointer=None):
    """The display shows this, and the zone's screenshot is the same, or the one without a pointer."""
    (board.folder / f"display-{name}-wanted.png").write_bytes(png.write(wanted))
    wait_until(board, name, lambda picture: picture == wanted,
               lambda picture: f"the display does not show {name}: {difference(picture, wanted)}", head, seconds)
    picture = screenshot(board, name, zone)
    wanted = without_pointer or wanted
    expect(picture == wanted, f"the screenshot of {name} is another picture: {difference(picture, wanted)}")


def screenshot(board, name, zone=NAME):
    """What a zone's screen shows as hvisord has it; the file is kept beside the logs."""
    board.check(f"hvisorctl screenshot {zone} /run/{name}.png --force")
    taken = base64.b64decode(board.check(f"base64 -w 0 /run/{name}.png"))
    (board.folder / f"display-{name}-zone.png").write_bytes(taken)
    return png.read(taken)


def alike(one, other):
    """Which part of the rows are the same; 0 for pictures of different sizes."""
    if (one.width, one.height) != (other.width, other.height):
        return 0
    return sum(a == b for a, b in zip(one.rows, other.rows)) / one.height


def difference(one, other):
    """How two pictures differ, for a message."""
    if (one.width, one.height) != (other.width, other.height):
        return f"{one.width} x {one.height} in place of {other.width} x {other.height}"
    for y, (a, b) in enumerate(zip(one.rows, other.rows)):
        if a != b:
            x = next(x for x in range(one.width) if one.pixel(x, y) != other.pixel(x, y))
            wrong = sum(a != b for a, b in zip(one.rows, other.rows))
            return f"{wrong} rows differ, first at {x}, {y}: {one.pixel(x, y)} in place of {other.pixel(x, y)}"
    return "they are alike"

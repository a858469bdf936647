# SPDX-License-Identifier: Apache-2.0
"""A zone's Linux hears of keys and pointers: of a keyboard and a tablet that are made for it,
and of a device of the root zone, which is pulled out and comes back. Then it is asked to
power itself off by its keyboard.
"""

import base64
import struct
import time

import linux2
import zone_file
from linux2 import expect

NAME = "input"
RAM = 0x50000000, 0x18000000
TOOLS = {"type": "blk", "addr": "0xa003600", "irq": 75, "img": f"{linux2.FOLDER}/tools.ext4", "readonly": True}
KEYBOARD = {"type": "input", "addr": "0xa003400", "irq": 74, "model": "keyboard"}
TABLET = {"type": "input", "addr": "0xa003200", "irq": 74, "model": "tablet"}
REAL = {"type": "input", "addr": "0xa003000", "irq": 74, "model": "evdev"}
# The name of the program's device, see make_input.c.
MADE = "made for a test"
# Until an event is where it belongs, on an emulated board beside others.
SECONDS = 20

SYN, KEY, REL, ABS, LED = 0, 1, 2, 3, 0x11
REPORT = (SYN, 0, 0)
A, B, LEFTCTRL, POWER = 30, 48, 29, 116
CAPSLOCK = 1
# struct input_event on a machine of 64 bits.
EVENT = struct.Struct("<qqHHi")


def scenario(board):
    board.check("modprobe evdev && modprobe uinput && mkfifo /run/typed")
    path = make_real(board)
    zone_file.configure(board, NAME, 1, [2, 3], RAM, linux2.DISK, restart="always",
                        devices=(TOOLS, KEYBOARD, TABLET, {**REAL, "path": path}))
    nonce = linux2.new_disk(board)
    linux2.start(board, nonce, NAME)
    start_drivers(board)
    capabilities(board)
    keyboard(board)
    real(board)
    power_key(board, nonce)


def make_real(board):
    """Plug a device into the root zone; its path."""
    board.check("make_input <>/run/typed >/run/made 2>&1 & "
                f"timeout {SECONDS} sh -c 'until grep -q made /run/made; do sleep 0.1; done'")
    found = board.check(f"timeout {SECONDS} sh -c 'until f=$(grep -l \"^{MADE}$\" /sys/class/input/event*/device/name) && "
                        "[ -e /dev/input/$(echo $f | cut -d/ -f5) ]; do sleep 0.1; done; echo $f | cut -d/ -f5'")
    return f"/dev/input/{found.strip()}"


def happen(board, *events):
    """Somebody uses the root zone's device."""
    lines = "".join(f"{kind} {code} {value}\\n" for kind, code, value in (*events, REPORT))
    board.check(f"printf '{lines}' >/run/typed")


def start_drivers(board, zone=NAME, devices=3):
    """The zone's own drivers, and what writes down what they hear, a file a device."""
    run(board, "{ [ -e /tools/modules ] || mount -o ro /dev/vdb /tools; } && "
        "for module in $(cat /tools/modules/input); do insmod /tools/modules/$module || exit; done; "
        f"for i in $(seq 50); do [ $(ls /dev/input/event* | wc -l) = {devices} ] && break; sleep 0.2; done; "
        "for event in /sys/class/input/event*; do name=$(tr ' ' _ <$event/device/name); "
        "ln -s /dev/input/${event##*/} /tmp/$name; cat /tmp/$name >/tmp/$name.heard & done", zone=zone)


def run(board, command, seconds=60, zone=NAME):
    """Run a command in the zone; what it prints."""
    return linux2.run(board, command, seconds, zone)


def heard(board, name, zone=NAME):
    """The events that the zone has heard of a device so far."""
    data = base64.b64decode(run(board, f"base64 /tmp/{name}.heard", zone=zone))
    return [event[2:] for event in EVENT.iter_unpack(data[:len(data) // EVENT.size * EVENT.size])]


def wait_heard(board, name, wanted, zone=NAME):
    """Wait until the last events that the zone has heard of a device are these."""
    deadline = time.monotonic() + SECONDS
    while (events := heard(board, name, zone))[-len(wanted):] != wanted:
        expect(time.monotonic() < deadline, f"the zone has heard of {name}: {events[-12:]}, and should have: {wanted}")
        time.sleep(0.3)


def capabilities(board):
    """Linux takes the devices for what they are."""
    def of(name, what):
        return run(board, f"cat /sys/class/input/$(basename $(readlink /tmp/{name}))/device/capabilities/{what}")
    expect(of("hvisor_tablet", "abs") == "3", f"the tablet's axes are {of('hvisor_tablet', 'abs')}")
    expect(of("hvisor_keyboard", "led") == "7", f"the keyboard's LEDs are {of('hvisor_keyboard', 'led')}")
    expect(of("hvisor_keyboard", "ev") == "120003", f"the keyboard's types are {of('hvisor_keyboard', 'ev')}")
    expect(of("made_for_a_test", "abs") == "3", f"the real device's axes are {of('made_for_a_test', 'abs')}")


def keyboard(board):
    """Keys that are sent are typed, and the zone's LEDs are known."""
    board.check(f"hvisorctl zone send-key {NAME} leftctrl KEY_A --hold 20")
    wait_heard(board, "hvisor_keyboard", [(KEY, LEFTCTRL, 1), REPORT, (KEY, A, 1), REPORT,
                                          (KEY, A, 0), REPORT, (KEY, LEFTCTRL, 0), REPORT])
    # Who leaves hvisord's socket while its keys are down gets them released all the same.
    process = board.check("systemctl show -P MainPID hvisord")
    board.check(f"timeout -s KILL 4 hvisorctl --address /run/hvisor/control zone send-key {NAME} KEY_A --hold 8000; "
                "[ $? = 137 ]")
    wait_heard(board, "hvisor_keyboard", [(KEY, A, 0), REPORT])  # behind those that its kernel repeats
    expect(board.check("systemctl show -P MainPID hvisord") == process, "hvisord has ended with a client")
    lit = "".join(f"\\x{byte:02x}" for byte in EVENT.pack(0, 0, LED, CAPSLOCK, 1) + EVENT.pack(0, 0, *REPORT))
    for device in ("hvisor_keyboard", "made_for_a_test"):
        run(board, f"printf '{lit}' >/tmp/{device}")
    board.check(f"timeout {SECONDS} sh -c 'until hvisorctl device show {NAME} input-a003400 | grep -q capslock; "
                "do sleep 0.2; done'")
    board.check(f"timeout {SECONDS} sh -c 'until grep -qx \"{LED} {CAPSLOCK} 1\" /run/made; do sleep 0.2; done'")


def real(board):
    """A device of the root zone is the zone's; pulled out it leaves no key down, and it may come back."""
    happen(board, (ABS, 0, 250), (ABS, 1, 1000), (KEY, 0x110, 1))
    wait_heard(board, "made_for_a_test", [(ABS, 0, 250), (ABS, 1, 1000), (KEY, 0x110, 1), REPORT])
    happen(board, (ABS, 0, 500))
    wait_heard(board, "made_for_a_test", [(ABS, 0, 500), REPORT])
    happen(board, (KEY, 0x110, 0))
    happen(board, (KEY, B, 1))
    wait_heard(board, "made_for_a_test", [(KEY, 0x110, 0), REPORT, (KEY, B, 1), REPORT])
    board.check("busybox killall make_input")
    wait_heard(board, "made_for_a_test", [(KEY, B, 0), REPORT])
    expect(linux2.states(board).get(NAME) == "running", "the zone does not outlive its keyboard")
    make_real(board)
    board.check(f"timeout {SECONDS} sh -c 'until hvisorctl log {NAME} | grep -q \"is back$\"; do sleep 0.2; done'")
    happen(board, (KEY, A, 1))
    wait_heard(board, "made_for_a_test", [(KEY, A, 1), REPORT])


def listen_for_power(board):
    """What a system does that minds its power key; this one is a busybox."""
    run(board, "(exec 3</tmp/hvisor_keyboard; while :; do "
        "set -- $(dd bs=24 count=1 <&3 2>/dev/null | od -An -tu2 -j16 -N8); "
        f"if [ \"$1 $2 $3\" = \"{KEY} {POWER} 0\" ]; then poweroff -f; fi; done) & true")


def power_key(board, nonce):
    """Without an agent a zone is restarted, and shut down, by the power key of its keyboard."""
    listen_for_power(board)
    board.check(f"hvisorctl zone restart {NAME} --timeout 40", 70)
    said = board.check(f"hvisorctl log {NAME} | tail -n 8")
    expect("asked to power itself off by its power key" in said and "the guest has powered itself off" in said,
           f"it was not restarted by its own system: {said!r}")
    linux2.wait_marker(board, nonce, NAME)
    start_drivers(board)
    listen_for_power(board)
    board.check(f"hvisorctl zone shutdown {NAME} --timeout 40", 70)
    said = board.check(f"hvisorctl log {NAME} | tail -n 3")
    expect("asked to power itself off by its power key" in said and "the guest has powered itself off" in said,
           f"it was not shut down by its own system: {said!r}")
    board.check("sleep 3")
    expect(linux2.states(board).get(NAME) != "running", "the zone runs again after its shutdown")
    board.check("busybox killall make_input")

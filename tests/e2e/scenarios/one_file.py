# SPDX-License-Identifier: Apache-2.0
"""A zone from one file: nobody has written a device tree for it."""

import linux2
import zone_file
from linux2 import expect

NAME = "one"
RAM = 0x50000000, 0x30000000
AGENT = "org.qemu.guest_agent.0"


def start_agent(board):
    linux2.run(board, f"port=$(basename $(dirname $(grep -l {AGENT} /sys/class/virtio-ports/*/name))); "
               "(grep -q -m 1 guest-shutdown </dev/$port && poweroff -f) & true", zone=NAME)


def scenario(board):
    nonce = linux2.new_disk(board)
    zone_file.configure(board, NAME, 1, [2, 3], RAM, linux2.DISK, clear_ram=True, restart="always", ports=(AGENT,))

    # The tree that it gets can be looked at before.
    blob = board.check(f"hvisorctl config dtb {NAME} | head -c 4 | od -An -tx1")
    expect(blob.split() == ["d0", "0d", "fe", "ed"], f"config dtb prints {blob}")

    board.check(f"hvisorctl zone start {NAME}", linux2.BOOT_SECONDS)
    linux2.wait_marker(board, nonce, NAME)
    expect(linux2.run(board, "nproc", zone=NAME) == "2", "the zone's second CPU did not come up")
    cmdline = linux2.run(board, "cat /proc/cmdline", zone=NAME)
    expect(cmdline == "console=hvc0 root=/dev/vda", f"the command line is {cmdline}")
    model = linux2.run(board, "tr -d '\\0' </proc/device-tree/model; echo", zone=NAME)
    expect(model == f"hvisor zone {NAME}", f"the device tree is that of {model}")
    memory = linux2.run(board, "grep MemTotal /proc/meminfo", zone=NAME)
    expect(600_000 < int(memory.split()[1]) < 768 * 1024, f"of 768 MiB the zone has {memory}")

    # It is kept: a guest that powers itself off comes back, with the history of a new console.
    board.run(f"printf 'poweroff -f\\n' | timeout 5 hvisorctl zone console {NAME} --force")
    board.check(f"timeout 60 sh -c 'until [ $(hvisorctl log {NAME} | grep -c \": started$\") = 2 ]; "
                "do sleep 0.3; done'", 70)
    linux2.wait_marker(board, nonce, NAME)
    # Its system is asked to power itself off, here by what there is of an agent, so that it starts again.
    start_agent(board)
    board.check(f"hvisorctl zone restart {NAME} --timeout 40", 70)
    said = board.check(f"hvisorctl log {NAME} | tail -n 6")
    expect("asked to power itself off" in said and "the guest has powered itself off" in said,
           f"it was not restarted by its own system: {said!r}")
    linux2.wait_marker(board, nonce, NAME)
    # Then so that it ends, and nothing starts it again.
    start_agent(board)
    board.check(f"hvisorctl zone shutdown {NAME} --timeout 40", 70)
    said = board.check(f"hvisorctl log {NAME} | tail -n 3")
    expect("asked to power itself off" in said and "the guest has powered itself off" in said,
           f"it was not shut down by its own system: {said!r}")
    board.check("sleep 3")
    expect(linux2.states(board).get(NAME) != "running", "the zone runs again after its shutdown")

# SPDX-License-Identifier: Apache-2.0
"""A zone that touches its virtio windows before hvisord runs boots once it does."""

import linux2
from linux2 import expect


def scenario(board):
    nonce = linux2.new_disk(board)
    board.check("systemctl stop hvisord")
    # By the older tool's ioctls: hvisorctl would start the daemon.
    board.check(f"cd {linux2.FOLDER} && upstream_abi --start Image linux2.dtb initramfs.cpio")
    before = wakeups(board)
    # The zone's kernel takes a moment to get to its devices; then it asks again
    # and again, and the module answers.
    board.check(f"for i in $(seq {linux2.BOOT_SECONDS * 2}); do "
                f"[ $(({WAKEUPS} - {before})) -lt 20 ] || exit 0; sleep 0.5; done; exit 1",
                linux2.BOOT_SECONDS + 30)
    expect(board.run("systemctl is-active hvisord").output.strip() == "inactive", "hvisord was started by something")

    board.check("systemctl start hvisord")
    expect(linux2.states(board).get(ZONE) == "running", "hvisord does not list the zone that was there first")
    # The very zone that waited boots, once somebody serves its devices.
    board.check(f"hvisorctl virtio start {linux2.FOLDER}/linux2.virtio.json")
    linux2.wait_marker(board, nonce, ZONE)
    expect(linux2.run(board, "cat /nonce", zone=ZONE) == nonce, "the zone's console does not answer")

    # Its CPUs can be taken away and given anew.
    board.check("hvisorctl zone shutdown -id 1")
    linux2.start(board, nonce)
    expect(linux2.run(board, "cat /nonce") == nonce, "the zone's console does not answer")
    linux2.shutdown(board)


# What upstream_abi calls the zone it starts.
ZONE = "upstream"
WAKEUPS = "$(awk '/hvisor_virtio_device/ { print $2 + $3 }' /proc/interrupts)"


def wakeups(board):
    """How often the hypervisor has woken the module or the daemon."""
    return int(board.check(f"echo {WAKEUPS}"))

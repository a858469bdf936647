# SPDX-License-Identifier: Apache-2.0
"""The zone's kernel takes random numbers from the device."""

import devices
from linux2 import expect

BYTES = 4096


def scenario(board):
    devices.start(board)
    check(board)


def check(board):
    """The device is the source in use, and two reads of it differ."""
    current = devices.run(board, "cat /sys/class/misc/hw_random/rng_current")
    expect(current.startswith("virtio_rng."), f"random numbers come from {current}")
    sums = [devices.run(board, f"head -c {BYTES} /dev/hwrng | tee /tmp/random | md5sum; wc -c </tmp/random").split()
            for _ in range(2)]
    expect(all(fields[-1] == str(BYTES) for fields in sums), f"/dev/hwrng ended early: {sums}")
    expect(sums[0][0] != sums[1][0], f"/dev/hwrng gave the same {BYTES} bytes twice")

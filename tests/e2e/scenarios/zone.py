# SPDX-License-Identifier: Apache-2.0
"""A zone starts, lives on its disk, and is listed as running."""

import linux2
from linux2 import expect


def scenario(board):
    nonce = linux2.new_disk(board)
    linux2.start(board, nonce)
    expect(linux2.states(board).get(linux2.NAME) == "running", "zone list does not show linux2 running")
    listed = board.check("hvisorctl zone list")
    expect(any(line.split()[:1] == ["1"] and "2,3" in line.replace(", ", ",").replace("-", ",")
               for line in listed.splitlines()), f"zone list does not show CPUs 2 and 3:\n{listed}")

    shown = board.check(f"hvisorctl zone show {linux2.NAME}")
    for word in ("0xa003800", "0xa003c00", "DRIVER_OK"):
        expect(word in shown, f"zone show does not tell {word}:\n{shown}")
    expect("Diagnosis" not in shown, f"zone show complains about a running zone:\n{shown}")

    expect(linux2.run(board, "nproc") == "2", "the zone's second CPU did not come up")
    linux2.shutdown(board)

    # Upstream's two steps, from files of the caller, and its way to say shutdown.
    nonce = linux2.new_disk(board)
    board.check(f"cd / && hvisorctl virtio start {linux2.FOLDER}/linux2.virtio.json && "
                f"hvisorctl zone start {linux2.FOLDER}/linux2.json", linux2.BOOT_SECONDS)
    linux2.wait_marker(board, nonce)
    board.check("hvisorctl zone shutdown -id 1")

    # Both files at once, relative to where the caller is.
    board.check(f"cd {linux2.FOLDER} && hvisorctl zone start ./linux2.json --virtio linux2.virtio.json",
                linux2.BOOT_SECONDS)
    linux2.wait_marker(board, nonce)
    linux2.shutdown(board)

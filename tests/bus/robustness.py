# SPDX-License-Identifier: Apache-2.0
"""What hvisord has to bear: its end in the middle of a job, and a machine without an id.

    robustness.py HVISORD terminated|nameless
"""

import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from messages import NAME, ROOT, Connection, error_name, method

import support

MANAGER = f"{NAME}.Manager"
LIST = method(ROOT, MANAGER, "ListZones")
# Enough to be in the middle of loading it when the end comes.
IMAGE_MIB = 64


def of_manager(member):
    """A call of this member with a zone's name."""
    return lambda zone: method(ROOT, MANAGER, member, "sa{sv}", (zone, {}))


start, shut_down = (of_manager(member) for member in ("StartZone", "ShutdownZone"))


def restart(zone):
    """A call that restarts a zone, whose name is one that paths have as it is."""
    return method(f"{ROOT}/zone/{zone}", f"{NAME}.Zone", "Restart", "a{sv}", ({},))


def terminated(hvisord):
    """SIGTERM at any moment of each kind of job, and of one that is given up: hvisord ends in order."""
    rng = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "Image")
        with image.open("wb") as file:
            file.truncate(IMAGE_MIB << 20)
        zone = support.ZONE.replace('"size": "0x1000000"', f'"size": "{(IMAGE_MIB + 16) << 20:#x}"')
        zone = zone.replace('"kernel_filepath": "null"', f'"kernel_filepath": "{image}"')
        virtio = support.VIRTIO.replace('"size": "0x1000000"', f'"size": "{(IMAGE_MIB + 16) << 20:#x}"')
        cancel = method(f"{ROOT}/job/1", f"{NAME}.Job", "Cancel", "a{sv}", ({},))
        for before, job, after in ([], start, []), ([start], shut_down, []), ([start], restart, []), ([], start, [cancel]):
            for _ in range(3):
                with support.Daemon(hvisord, zone=zone, virtio=virtio) as daemon:
                    client = Connection()
                    for call in before:
                        client.call(call(daemon.zone), 60)
                    client.send(job(daemon.zone))
                    for message in after:
                        client.send(message)
                    time.sleep(rng.random() * 0.2)
                    os.kill(daemon.pid, signal.SIGTERM)
                    # What is on its way is finished or given up, whatever it is.
                    daemon.wait()
                    client.close()


def nameless(hvisord):
    """Where /etc/machine-id is empty, libsystemd cannot answer GetMachineId()."""
    if os.geteuid() != 0:
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "machine-id").touch()
        inside = f'mount --bind {folder}/machine-id /etc/machine-id && exec "$0" "$@"'
        prefix = ["unshare", "--mount", "--propagation=private", "sh", "-c", inside]
        with support.Daemon(hvisord, prefix=prefix):
            ask = method(ROOT, "org.freedesktop.DBus.Peer", "GetMachineId")
            client = Connection()
            reply = client.reply(client.send(ask))
            if reply is None or error_name(reply) != "org.freedesktop.DBus.Error.FileNotFound":
                sys.exit(f"GetMachineId() without an id is answered by {reply}")
            client.call(LIST)


def main(hvisord, what):
    {"terminated": terminated, "nameless": nameless}[what](hvisord)


main(*sys.argv[1:])

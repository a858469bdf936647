# SPDX-License-Identifier: Apache-2.0
"""On a bus with the rules of a system bus and our policy file, everybody may
look and only root and the group hvisor may change anything.

    policy.py HVISORD HVISORCTL POLICY-FILE

Needs root, to be somebody else; exits with 77 without it.
"""

import os
import shutil
import subprocess
import sys
import tempfile

import support

# The rules of Debian's system bus, as far as they matter here.
BUS_CONFIG = """<busconfig>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}

# Arguments, exit status for root, exit status for others.
CASES = [
    (["zone", "list"], 0, 0),
    (["zone", "show", "root-linux"], 0, 0),
    (["zone", "start", "no-such-zone"], 3, 4),
    (["zone", "shutdown", "root-linux"], 7, 4),
    (["zone", "console", "root-linux"], 3, 4),
    (["device", "resize", "root-linux", "block-0"], 3, 3),
]


def main(hvisord, hvisorctl, policy):
    if os.geteuid() != 0:
        sys.exit(77)
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        # A build folder may be where others may not look.
        program = shutil.copy(hvisorctl, folder)
        with open(f"{folder}/bus.conf", "w", encoding="utf-8") as file:
            file.write(BUS_CONFIG.format(folder=folder, policy=policy))
        bus = f"--bus=unix:path={folder}/bus"

        def ctl(arguments, **who):
            return subprocess.run([program, bus, *arguments], capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, cwd="/", check=False, **who)

        processes = [subprocess.Popen(["dbus-daemon", "--nofork", f"--config-file={folder}/bus.conf"])]
        try:
            support.wait_until(lambda: os.path.exists(f"{folder}/bus"), "dbus-daemon did not come up")
            processes.append(subprocess.Popen([hvisord, "--simulated", bus, f"--config-dir={folder}"]))
            support.wait_until(lambda: ctl(["zone", "list"]).returncode == 0, "hvisord did not come up")
            for arguments, for_root, for_others in CASES:
                for who, expected in (({}, for_root), (NOBODY, for_others)):
                    result = ctl(arguments, **who)
                    if result.returncode != expected:
                        problems.append(f"{' '.join(arguments)} as {who or 'root'}: exit status {result.returncode}, "
                                        f"expected {expected}: {result.stderr.strip()}")
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(20)
    if problems:
        sys.exit("\n".join(problems))


main(*sys.argv[1:])

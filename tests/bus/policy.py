# SPDX-License-Identifier: Apache-2.0
"""On a bus with the rules of a system bus and our policy file, everybody may
look, and who may change something is for polkit to say, or where there is none,
for root and the group hvisor.

    policy.py HVISORD HVISORCTL MOCK-POLKIT POLICY-FILE ACTIONS-FILE

Needs root, to be somebody else; exits with 77 without it.
"""

import os
import re
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
  <policy user="root">
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""
GROUP = 64321
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}
MEMBER = {"user": 65534, "group": 65534, "extra_groups": [GROUP]}

# Arguments, exit status of those who may, action, zone that polkit is told.
CHANGES = [
    (["zone", "start", "no-such-zone"], 3, "start-zone", "no-such-zone"),
    (["zone", "start", "{folder}/zone.json"], 7, "manage-zones", "-"),
    (["zone", "shutdown", "root-linux"], 7, "stop-zone", "root-linux"),
    (["zone", "restart", "root-linux"], 3, "start-zone", "root-linux"),
    (["zone", "console", "root-linux"], 3, "open-console", "root-linux"),
    (["virtio", "start", "{folder}/virtio.json"], 0, "manage-zones", "-"),
    (["zone", "define", "{folder}/zone.json", "camera"], 8, "define-zones", "camera"),
    (["zone", "undefine", "no-such-zone"], 3, "define-zones", "no-such-zone"),
    (["zone", "send-key", "root-linux", "a"], 3, "open-console", "root-linux"),
    # Nothing is drawn there, but that is for those to know who may see it.
    (["screenshot", "screen"], 7, "open-console", "screen"),
    (["display", "resize", "screen", "800x600"], 0, "manage-devices", "screen"),
]
# A zone that runs, with a display.
SCREEN, SCREEN_VIRTIO = (
    text.replace("guest1", "screen").replace('"cpus": [2]', '"cpus": [3]').replace('id": 1', 'id": 2')
    for text in support.with_gpu(support.ZONE, support.VIRTIO.replace("disk.img", "screen.img")))
# Open to everybody.
READS = [
    (["zone", "list"], 0),
    (["zone", "show", "root-linux"], 0),
    (["job", "list"], 0),
    (["status"], 0),
    # The CPU is the root zone's, which only the daemon knows.
    (["config", "check", "{folder}/zone.json"], 8),
    (["device", "resize", "root-linux", "block-0"], 3),
    (["display", "list"], 0),
    (["display", "connectors"], 0),
]
NOT_PERMITTED = 4


class Machine:
    """A bus with an hvisord, and perhaps a polkit."""

    def __init__(self, hvisord, hvisorctl, mock_polkit, policy):
        self._hvisord, self._hvisorctl, self._mock_polkit, self._policy = hvisord, hvisorctl, mock_polkit, policy
        self._processes = []
        self.problems = []

    def __enter__(self):
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = self._temporary.name
        os.chmod(self.folder, 0o755)
        # A build folder may be where others may not look.
        self._program = shutil.copy(self._hvisorctl, self.folder)
        for name, text in (("bus.conf", BUS_CONFIG.format(folder=self.folder, policy=self._policy)),
                           ("zone.json", support.ZONE.replace("[2]", "[0]")),
                           ("virtio.json", support.VIRTIO), ("disk.img", "\0" * 65536),
                           ("screen.json", SCREEN), ("screen.virtio.json", SCREEN_VIRTIO),
                           ("screen.img", "\0" * 65536)):
            with open(f"{self.folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        os.chmod(f"{self.folder}/disk.img", 0o666)
        self.address = f"unix:path={self.folder}/bus"
        self._start(["dbus-daemon", "--nofork", f"--config-file={self.folder}/bus.conf"])
        support.wait_until(lambda: os.path.exists(f"{self.folder}/bus"), "dbus-daemon did not come up")
        self._start([self._hvisord, "--simulated", f"--bus={self.address}", f"--config-dir={self.folder}"])
        support.wait_until(lambda: self.ctl(["zone", "list"]).returncode == 0, "hvisord did not come up")
        return self

    def _start(self, command, **how):
        self._processes.append(subprocess.Popen(command, **how))
        return self._processes[-1]

    def _end(self, process):
        process.terminate()
        process.wait(20)
        self._processes.remove(process)

    def __exit__(self, *_):
        for process in reversed(list(self._processes)):
            self._end(process)
        self._temporary.cleanup()

    def command(self, arguments):
        return [self._program, f"--bus={self.address}", *(word.format(folder=self.folder) for word in arguments)]

    def ctl(self, arguments, **who):
        return subprocess.run(self.command(arguments), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, cwd="/", check=False, **who)

    def expect(self, what, arguments, who, status, text=""):
        """Run hvisorctl as somebody and note what is not as expected."""
        result = self.ctl(arguments, **who)
        if result.returncode != status or text not in result.stderr:
            self.problems.append(f"{what}: {' '.join(arguments)} as {who or 'root'}: exit status {result.returncode}, "
                                 f"expected {status} and '{text}': {result.stderr.strip()}")

    def polkit(self, verdict):
        """A polkit for a with statement; its value is a function that returns what it has been asked."""
        return MockPolkit(self, verdict)

    def start_polkit(self, verdict):
        log = f"{self.folder}/polkit-{verdict}.log"
        with open(log, "w", encoding="utf-8") as file:
            process = self._start([self._mock_polkit, self.address, verdict], stdout=file)
        support.wait_until(lambda: "ready" in open(log, encoding="utf-8").read(), "the polkit did not come up")
        return process, log

    def end_polkit(self, process):
        self._end(process)


class MockPolkit:
    def __init__(self, machine, verdict):
        self._machine, self._verdict = machine, verdict

    def __enter__(self):
        self._process, self._log = self._machine.start_polkit(self._verdict)
        return self

    def __exit__(self, *_):
        if self._process:
            self._machine.end_polkit(self._process)

    def leave(self):
        """End it before the with statement does."""
        self._machine.end_polkit(self._process)
        self._process = None

    def questions(self):
        with open(self._log, encoding="utf-8") as file:
            return file.read().splitlines()[1:]


def make_group(folder):
    """Have a group hvisor, for this process and those that it starts."""
    os.unshare(os.CLONE_NEWNS)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    with open("/etc/group", encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith("hvisor:")]
    with open(f"{folder}/group", "w", encoding="utf-8") as file:
        file.writelines([*lines, f"hvisor:x:{GROUP}:\n"])
    subprocess.run(["mount", "--bind", f"{folder}/group", "/etc/group"], check=True)


def without_polkit(machine):
    for arguments, status in READS:
        for who in ({}, NOBODY, MEMBER):
            machine.expect("without polkit", arguments, who, status)
    for arguments, status, action, _ in CHANGES:
        machine.expect("without polkit", arguments, {}, status)
        # What the daemon opens as root is not for the group to decide.
        is_for_group = "define-zones" not in action
        machine.expect("without polkit", arguments, MEMBER, status if is_for_group else NOT_PERMITTED)
        machine.expect("without polkit", arguments, NOBODY, NOT_PERMITTED,
                       "be root, or a member of the group hvisor" if is_for_group else "be root")


def logging(machine):
    """What is logged is for root, whatever polkit says, and for everybody to know."""
    def busctl(who, *arguments):
        return subprocess.run(["busctl", f"--address={machine.address}", *arguments], check=False, capture_output=True,
                              text=True, **who)
    log = ("org.syswonder.hvisor1", "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1", "LogLevel")
    for who, allowed in (({}, True), (MEMBER, False), (NOBODY, False)):
        for value in ("debug", "info"):
            result = busctl(who, "set-property", *log, "s", value)
            if (result.returncode == 0) != allowed or not allowed and "denied" not in result.stderr:
                machine.problems.append(f"log level set by {who or 'root'}: {result.returncode} {result.stderr}")
        found = busctl(who, "get-property", *log).stdout
        if found != 's "info"\n':
            machine.problems.append(f"log level as {who or 'root'} sees it: {found}")


def with_polkit(machine):
    with machine.polkit("allow") as polkit:
        for arguments, status, action, zone in CHANGES:
            machine.expect("polkit allows", arguments, NOBODY, status)
            question = f"system-bus-name org.syswonder.hvisor1.{action} zone={zone} interactive=0"
            if polkit.questions()[-1:] != [question]:
                machine.problems.append(f"{arguments}: polkit was asked {polkit.questions()[-1:]}, not '{question}'")
        asked = len(polkit.questions())
        for arguments, status in READS:
            machine.expect("reading", arguments, NOBODY, status)
        machine.expect("root", CHANGES[0][0], {}, CHANGES[0][1])
        if len(polkit.questions()) != asked:
            machine.problems.append(f"polkit was asked needlessly: {polkit.questions()[asked:]}")
    with machine.polkit("deny"):
        for arguments, _, action, _ in CHANGES:
            for who in (NOBODY, MEMBER):
                machine.expect("polkit denies", arguments, who, NOT_PERMITTED,
                               f"polkit refuses org.syswonder.hvisor1.{action}")
    with machine.polkit("challenge") as polkit:
        machine.expect("polkit wants a password", CHANGES[0][0], NOBODY, NOT_PERMITTED, "wants a person to authenticate")
        call = ["busctl", f"--address={machine.address}", "call", "org.syswonder.hvisor1", "/org/syswonder/hvisor1",
                "org.syswonder.hvisor1.Manager", "StartZone", "sa{sv}", "camera", "0"]
        subprocess.run(call, check=False, capture_output=True, **NOBODY)
        if "interactive=1" not in polkit.questions()[-1]:
            machine.problems.append(f"busctl allows polkit to ask a person, but: {polkit.questions()[-1]}")


def with_silent_polkit(machine):
    """Who waits for polkit waits alone."""
    with machine.polkit("silent") as polkit:
        waiting = subprocess.Popen(machine.command(["zone", "start", "camera"]), stderr=subprocess.PIPE, text=True,
                                   stdin=subprocess.DEVNULL, **NOBODY)
        support.wait_until(polkit.questions, "polkit was not asked")
        machine.expect("while polkit is silent", ["zone", "list"], NOBODY, 0)
        machine.expect("while polkit is silent", ["zone", "start", "no-such-zone"], {}, 3)
        if waiting.poll() is not None:
            machine.problems.append("who waits for a silent polkit was answered")
        polkit.leave()
        _, errors = waiting.communicate(timeout=20)
        if waiting.returncode != NOT_PERMITTED or "polkit could not be asked" not in errors:
            machine.problems.append(f"a polkit that left without an answer: {waiting.returncode}, {errors}")


def main(hvisord, hvisorctl, mock_polkit, policy, actions):
    if os.geteuid() != 0:
        sys.exit(77)
    with open(actions, encoding="utf-8") as file:
        known = set(re.findall(r'action id="org\.syswonder\.hvisor1\.([a-z-]+)"', file.read()))
    with tempfile.TemporaryDirectory() as folder:
        make_group(folder)
        with Machine(hvisord, hvisorctl, mock_polkit, policy) as machine:
            machine.expect("as root", ["zone", "start", "screen"], {}, 0)
            without_polkit(machine)
            logging(machine)
            with_polkit(machine)
            with_silent_polkit(machine)
            machine.problems += [f"{actions} has no action {action}"
                                 for _, _, action, _ in CHANGES if action not in known]
        subprocess.run(["umount", "/etc/group"], check=True)
    if machine.problems:
        sys.exit("\n".join(machine.problems))


main(*sys.argv[1:])

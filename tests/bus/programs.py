# SPDX-License-Identifier: Apache-2.0
"""What hvisorctl leaves to other programs: ssh, systemctl and journalctl, here stand-ins
that say how they were called; and what it says of busctl works.

    programs.py HVISORD HVISORCTL
"""

import os
import shlex
import subprocess
import sys
import tempfile

import support

SAY = """#!/bin/sh
printf '%s' "$(basename "$0")"; printf ' <%s>' "$@"; echo
"""
# What sshd does with a command: a shell gets its words, joined by spaces.
SSH = """#!/bin/sh
echo "ssh $1 $2" >&2; shift 2; exec sh -c "$*"
"""


def main(hvisord, hvisorctl):
    hvisorctl = os.path.abspath(hvisorctl)
    with support.Daemon(hvisord) as daemon, tempfile.TemporaryDirectory() as folder:
        for name, text in ("ssh", SSH), ("systemctl", SAY), ("journalctl", SAY):
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(f"{folder}/{name}", 0o755)
        os.symlink(hvisorctl, f"{folder}/hvisorctl")
        environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}

        def ctl(*arguments, status=0):
            result = subprocess.run([hvisorctl, "--bus=session", *arguments], env=environment, check=False,
                                    capture_output=True, text=True, stdin=subprocess.DEVNULL)
            assert result.returncode == status, f"{arguments}: {result}"
            return result

        here = ctl("zone", "list").stdout
        for option in ["-H", "root@board"], ["--host=root@board"], ["-Hroot@board"]:
            there = ctl(*option, "zone", "list")
            assert (there.stdout, there.stderr) == (here, "ssh -T root@board\n"), there
        assert "there is no it's $HOME.json" in ctl("-H", "board", "zone", "start", "it's $HOME", status=3).stderr
        ctl("-H", "-oProxyCommand=false", "zone", "list", status=2)

        assert ctl("zone", "disable", "--now", "a-b").stdout == (
            "systemctl <disable> <--now> <hvisor-zone@a-b.service>\n")
        assert "nobody.json" in ctl("zone", "enable", "nobody", status=3).stderr
        for log in ["log"], ["zone", "log"]:
            assert ctl(*log, "guest1", "-n", "5", "-f").stdout == (
                "journalctl <--unit=hvisord.service> <HVISOR_ZONE=guest1> <--lines=5> <--follow>\n")

        # What it says that busctl would do, busctl does.
        line = ctl("--verbose", "zone", "start", daemon.zone).stderr
        assert line == ("busctl --user call org.syswonder.hvisor1 /org/syswonder/hvisor1 "
                        "org.syswonder.hvisor1.Manager StartZone sa{sv} guest1 0\n"), line
        *looking, ending = ctl("--verbose", "zone", "shutdown", daemon.zone, "--no-wait").stderr.splitlines()
        assert ending.endswith("/zone/guest1 org.syswonder.hvisor1.Zone Shutdown a{sv} 1 wait b false"), ending
        waiting = ctl("--verbose", "job", "wait", "2").stderr
        assert waiting.endswith("/job/2 org.freedesktop.DBus.Properties GetAll s org.syswonder.hvisor1.Job\n"), waiting
        for each in [line, *looking, ending, waiting]:
            answer = subprocess.run(shlex.split(each), check=True, capture_output=True, text=True).stdout
            assert answer.startswith("aa{sv} " if "ListZones" in each else "a{sv} "), answer
        # And can be given to a shell, whatever is in it.
        line = ctl("--verbose", "zone", "start", "it's $HOME; true", status=3).stderr.splitlines()[0]
        assert shlex.split(line)[-2:] == ["it's $HOME; true", "0"], line
        assert ctl("-q", "zone", "list").stderr == ""


main(*sys.argv[1:])

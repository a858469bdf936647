# SPDX-License-Identifier: Apache-2.0
"""What ends hvisord beside zones that run, each a command of the root zone: the next one is ready when it ends."""

RESTART = "systemctl restart hvisord"
# What dpkg runs once it has put a newer version in place. What it enables is enabled, and
# to find that out takes an emulated CPU half a minute.
UPGRADE = """mkdir -p /run/upgrade && ln -sf /bin/true /run/upgrade/deb-systemd-helper
    PATH=/run/upgrade:$PATH /var/lib/dpkg/info/hvisord.postinst configure 0"""
KILL = """set -e
    old=$(systemctl show -P MainPID hvisord)
    kill -9 $old
    for i in $(seq 200); do
        now=$(systemctl show -P MainPID hvisord)
        if [ $now != 0 ] && [ $now != $old ] && [ $(systemctl is-active hvisord) = active ]; then exit 0; fi
        sleep 0.05
    done
    exit 1"""

# SPDX-License-Identifier: Apache-2.0
"""The root zone reaches multi-user, hvisord starts without its module and with it, and its API is on the bus."""

from linux2 import expect

# That it comes up is what is tested.
NEEDS_POWER_ON = True


def scenario(board):
    board.check("systemctl is-active multi-user.target")
    failed = board.check("systemctl list-units --failed --plain --no-legend")
    expect(failed == "", f"failed units: {failed}")
    expect(board.check("nproc") == "2", "the root zone's second CPU did not come up")

    # Without the module the daemon starts and says so, and goes on when it is there.
    board.check("systemctl mask --runtime modprobe@hvisor.service")
    board.check("systemctl stop hvisord hvisord.socket && modprobe -r hvisor")
    board.check("systemctl start hvisord hvisord.socket && systemctl is-active hvisord")
    status = board.check("hvisorctl status; systemctl show --property StatusText hvisord")
    expect(status.count("modprobe hvisor") == 2 and "absent" in status, f"without the module: {status}")
    board.check("modprobe hvisor; systemctl unmask --runtime modprobe@hvisor.service")
    board.check("timeout 20 sh -c 'until hvisorctl zone list | grep -q running; do sleep 0.2; done'")
    expect("is in use" in board.run("modprobe -r hvisor").output, "the module could be removed beside the daemon")

    board.check("test -c /dev/hvisor && grep -q ^hvisor /proc/modules")
    interfaces = board.check("busctl introspect --no-pager org.syswonder.hvisor1 /org/syswonder/hvisor1")
    for word in ("org.syswonder.hvisor1.Manager", "org.freedesktop.DBus.ObjectManager",
                 ".StartZone", ".ShutdownZone", ".ListZones", ".HypervisorState"):
        expect(word in interfaces, f"busctl introspect does not show {word}")
    state = board.check("busctl get-property org.syswonder.hvisor1 /org/syswonder/hvisor1 "
                        "org.syswonder.hvisor1.Manager HypervisorState")
    expect(state == 's "attached"', f"HypervisorState is {state}")

    # Its log can be made to say more, and less again, as any service's.
    board.check("systemctl service-log-level hvisord debug")
    level = board.check("systemctl service-log-level hvisord")
    expect(level == "debug", f"the log level is {level}, and debug was asked for")
    board.check("systemctl service-log-level hvisord info")

    # It comes with the module, too.
    board.check("udevadm verify /usr/lib/udev/rules.d/60-hvisor.rules")
    board.check("systemctl stop hvisord hvisord.socket && modprobe -r hvisor && modprobe hvisor")
    board.check("timeout 20 sh -c 'until systemctl is-active hvisord; do sleep 0.2; done'")
    board.check("systemctl start hvisord.socket")
    expect(board.check("stat -c '%U %G %a' /dev/hvisor") == "root root 600", "/dev/hvisor is not root's alone")

    # A stopped daemon comes back when somebody asks for it, on the bus or past it.
    for way in ("", "--address /run/hvisor/control"):
        board.check("systemctl stop hvisord")
        board.check(f"hvisorctl {way} zone list")
        board.check("systemctl is-active hvisord")

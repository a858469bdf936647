# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Source it after tests/lib/common.sh.

# Let the kernel run arm64 programs until this script ends. Some kernels have one
# list of such formats for all namespaces, so what one script adds another would
# use, and lose: they wait for each other. On a host that knows about arm64 by
# itself, what it has is used.
run_arm64() {
    local dir=/proc/sys/fs/binfmt_misc magic mask
    exec 8>"$cache/arm64.lock"
    flock 8
    [ -e "$dir/register" ] || mount -t binfmt_misc binfmt_misc "$dir"
    if grep -qs '^magic 7f454c4602010100000000000000000002*00b7' "$dir"/*; then return; fi
    magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    # F: the kernel opens the interpreter now, so that it is found in a chroot.
    printf '%s' ":hvisord-arm64:M::$magic:$mask:/usr/bin/qemu-aarch64:F" >"$dir/register"
    trap 'echo -1 >/proc/sys/fs/binfmt_misc/hvisord-arm64' EXIT
}

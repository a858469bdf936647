# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What every script under tests/ shares: where things are, and how progress and
# failure are told. Source it after `set -euo pipefail`; $tool names the script
# in messages.

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/hvisord

# Build results of this checkout; another checkout has another folder, so that
# two can be built at the same time. The checkout itself stays clean.
build=$cache/build-$(printf '%s' "$checkout" | sha256sum | cut -c 1-12)

# meson puts ccache before every compiler, so that a build folder that has gone,
# or another branch of this checkout, costs little.
export CCACHE_DIR=$cache/ccache CCACHE_MAXSIZE=3G

say() { printf '%s: %s\n' "${tool:-tests}" "$*" >&2; }
die() { say "$*"; exit 1; }

# Run a command with its output in a log: a line of progress every ten seconds,
# and the end of the log when it fails.
with_progress() { # LABEL LOG COMMAND...
    local label=$1 log=$2 pid start=$SECONDS next=10 rc=0
    shift 2
    mkdir -p "$(dirname "$log")"
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.5
        if (( SECONDS - start >= next )); then
            say "$label: $((SECONDS - start)) s: $(tail -n 1 "$log" | tr -cd '[:print:]' | cut -c 1-70)"
            next=$((next + 10))
        fi
    done
    wait "$pid" || rc=$?
    if [ "$rc" != 0 ]; then
        tail -n 40 "$log" >&2
        say "$label: failed with exit status $rc after $((SECONDS - start)) s; the whole log is $log"
        return "$rc"
    fi
    say "$label: done in $((SECONDS - start)) s"
}

# This system as FOLDER/root, with a layer above it that takes all changes (FOLDER/upper), in
# a mount namespace of the caller's own, and these packages in its /debs.
copy_system() { # FOLDER DEB...
    mkdir -p "$1"
    mount -t tmpfs tmpfs "$1"
    mkdir "$1"/{upper,work,root}
    mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
    mount -t proc proc "$1/root/proc"
    mount --bind /dev "$1/root/dev"
    mkdir "$1/root/debs"
    cp "${@:2}" "$1/root/debs/"
}

# A build folder that was made with the same options is kept.
configure() { # FOLDER MESON-OPTIONS...
    local dir=$1 options
    shift
    options="${CXX:-} $*"
    if [ -e "$dir/build.ninja" ] && [ "$(cat "$dir.options" 2>/dev/null)" = "$options" ]; then return; fi
    rm -rf "$dir"
    with_progress "configuring $(basename "$dir")" "$dir.log" meson setup "$dir" "$checkout" "$@"
    printf '%s\n' "$options" >"$dir.options"
}

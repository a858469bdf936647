#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The API of hvisord from a shell, by busctl(1). Copy what you need of it:
#
#   zones.sh list             the zones, and what state they are in
#   zones.sh start NAME       start a configured zone, and follow the job
#   zones.sh counters ZONE    what has gone through the queues of its devices
#   zones.sh console ZONE     what the zone writes to its console
#   zones.sh watch            what changes, as it happens
set -eu

service=org.syswonder.hvisor1
root=/org/syswonder/hvisor1

fail() {
    echo "zones.sh: $*" >&2
    exit 1
}

# Properties of an object, one a line: PATH INTERFACE NAME...
get() {
    path=$1 interface=$2
    shift 2
    busctl get-property "$service" "$path" "$service.$interface" "$@"
}

# The same without the type and quotes before and around each: s "running" is running.
value() { get "$@" | sed -e 's/^[a-z] //' -e 's/^"\(.*\)"$/\1/'; }

zones() { busctl tree --list "$service" | grep "^$root/zone/[^/]*\$"; }

# Paths hold names in an escaped form, so the object says what it is called.
zone_called() {
    for zone in $(zones); do
        if [ "$(value "$zone" Zone Name)" = "$1" ]; then
            echo "$zone"
            return
        fi
    done
    fail "there is no zone $1"
}

devices() { busctl tree --list "$service" | grep "^$1/device/"; }

list() {
    for zone in $(zones); do
        value "$zone" Zone Id Name State | paste -s -d ' '
    done
}

start() {
    # Without "wait" the answer is there at once, a{sv} 1 "Job" o "/org/.../job/1", and the
    # job can be followed; with it, or without any option, it comes when the zone runs.
    job=$(busctl call "$service" "$root" "$service.Manager" StartZone 'sa{sv}' "$1" 1 wait b false)
    job=${job#*\"Job\" o \"}
    job=${job%%\"*}
    while :; do
        state=$(value "$job" Job State)
        echo "$state, $(value "$job" Job Progress) %"
        case $state in
        done) break ;;
        failed | cancelled) fail "$(value "$job" Job Error)" ;;
        esac
        sleep 0.2
    done
}

counters() {
    zone=$(zone_called "$1")
    for device in $(devices "$zone"); do
        # Of each queue a dictionary, in one line with those of the others.
        get "$device" Device.Statistics Queues | grep -oE '"(Bytes|Errors|Requests)" t [0-9]+' |
            sed -e 's/"//g' -e 's/ t / /' | paste -d ' ' - - - | sed "s/^/$(value "$device" Device Id): /"
    done
}

console() {
    # busctl cannot keep the stream that OpenConsole() returns. Every console is a
    # pseudoterminal as well: to type there, too, have screen(1) in place of cat.
    zone=$(zone_called "$1")
    for device in $(devices "$zone"); do
        if [ "$(value "$device" Device Type)" = console ]; then
            exec cat "$(value "$device" Device Backend)"
        fi
    done
    fail "zone $1 has no console"
}

watch() {
    # On the system bus for root; "hvisorctl monitor" is for everybody.
    exec busctl monitor --json=short --match="type='signal',sender='$service',path_namespace='$root'"
}

case $#-${1-} in
1-list | 1-watch) "$1" ;;
2-start | 2-counters | 2-console) "$1" "$2" ;;
*)
    sed -n 's/^#   //p' "$0" >&2
    exit 2
    ;;
esac

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of hvisorctl for bash; names of zones and devices come from hvisord.
#
# One line a command: its words, what its arguments are, its options. An argument that
# may come again ends in "..."; an option with a value has what the value is after "=".
# What these kinds mean is in _hvisorctl_kind.
_hvisorctl_commands='
zone list        |                       |
zone show        | zone                  |
zone start       | startable             | --virtio=json --wait --no-wait
zone shutdown    | running               | --id=number --timeout=number --wait --no-wait
zone kill        | running               | --wait --no-wait
zone restart     | running               | --timeout=number --wait --no-wait
zone wait        | zone                  | --state=state --timeout=number
zone console     | running               | --device=device --port=text --replay=number --read-only --force
zone send-key    | running key...        | --hold=number --list
zone log         | zone                  | --device=device -n=number --lines=number -f --follow
zone stats       | running               |
zone define      | json text             | --runtime --replace
zone undefine    | configured            |
zone enable      | configured            | --now
zone disable     | zone                  | --now
zone hold        | configured            |
device list      | running               |
device show      | running device        |
device attach    | running json          |
device detach    | running device        | --force
device resize    | running device number |
device swap      | running device file   |
device link      | running device updown |
display list     | running               |
display connectors |                     |
display resize   | running text          | --display=number
screenshot       | running file          | --display=number --cursor --force
job list         |                       |
job wait         | job                   | --timeout=number
job cancel       | job                   |
stats            |                       |
top              |                       | -d=number --delay=number -n=number --iterations=number
status           |                       |
version          |                       |
log              | zone                  | --device=device -n=number --lines=number -f --follow
monitor          |                       |
virtio start     | json                  | --device=text
config check     | json...               | --no-machine
config import    | json json             | --to=file
config cat       | configured            |
config dtb       | startable             |
config schema    |                       |
'
# Before and after every command.
_hvisorctl_global='--bus=bus --address=file -H=host --host=host -o=format --output=format --no-legend
-q --quiet --verbose -h --help --version'

# Ask the daemon that the command line is for.
_hvisorctl_ask() { "$program" "${daemon[@]}" --no-legend "$@" 2>/dev/null; }

# Names of zones, all or those in one of these states but for the root zone.
_hvisorctl_zones() { # [STATE]...
    _hvisorctl_ask zone list |
        awk -v states=" $* " 'states == "  " || $1 != "0" && index(states, " " $3 " ") { print $2 }'
}

_hvisorctl_files() { # CURRENT [SUFFIX]
    local name
    compgen -d -- "$1"
    compgen -f -- "$1" | while IFS= read -r name; do
        if [[ ! -d $name && $name == *"${2:-}" ]]; then printf '%s\n' "$name"; fi
    done
}

# Words of a kind that begin like CURRENT; `given` has the arguments before it.
_hvisorctl_kind() { # KIND CURRENT
    local words=
    case $1 in
        zone) words=$(_hvisorctl_zones) ;;
        running) words=$(_hvisorctl_zones running starting) ;;
        configured) words=$(_hvisorctl_zones defined stopped failed) ;;
        startable)
            words=$(_hvisorctl_zones defined stopped failed)
            _hvisorctl_files "$2" .json
            ;;
        device) words=$(_hvisorctl_ask device list "${given[0]-}" | awk '{ print $2 }') ;;
        host) compgen -A hostname -- "$2" ;;
        json) _hvisorctl_files "$2" .json ;;
        file) _hvisorctl_files "$2" ;;
        key) words=$("$program" zone send-key --list 2>/dev/null) ;;
        job) words=$(_hvisorctl_ask job list | awk '{ print $1 }') ;;
        state) words='defined starting running stopping stopped failed' ;;
        updown) words='up down' ;;
        bus) words='system session' ;;
        format) words='table json openmetrics' ;;
    esac
    compgen -W "$words" -- "$2"
}

_hvisorctl() {
    local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} word option= path= wanted= prefix i
    local words arguments= options= offered=
    local -a given=() daemon=() commands=() kinds=()

    # "--option=value" comes as three words.
    if [[ $current == '=' ]]; then current=; fi
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [[ $word == '=' ]]; then continue; fi
        if [[ -n $wanted ]]; then
            case $option in --bus | --address) daemon+=("$option=$word") ;; esac
            wanted=
        elif [[ $word == -* ]]; then
            option=$word
            # Whatever command it is, an option of a name takes a value or never does.
            if [[ " $_hvisorctl_commands $_hvisorctl_global " == *[[:space:]]"$word="* ]]; then wanted=1; fi
        elif [[ $_hvisorctl_commands == *$'\n'"${path:+$path }$word "* ]]; then
            path="${path:+$path }$word"
        else
            given+=("$word")
        fi
    done

    prefix="${path:+$path }"
    while IFS='|' read -r words arguments options; do
        words=${words%"${words##*[! ]}"}
        if [[ -z $words ]]; then continue; fi
        if [[ $words == "$path" ]]; then break; fi
        if [[ $words == "$prefix"* ]]; then
            word=${words#"$prefix"}
            commands+=("${word%% *}")
        fi
        arguments= options=
    done <<<"$_hvisorctl_commands"
    options="$options $_hvisorctl_global"

    COMPREPLY=()
    if [[ -n $wanted ]]; then
        for word in $options; do
            if [[ $word == "$option="* ]]; then
                mapfile -t COMPREPLY < <(_hvisorctl_kind "${word#*=}" "$current")
                break
            fi
        done
    elif [[ $current == -* ]]; then
        for word in $options; do offered+=" ${word%%=*}"; done
        mapfile -t COMPREPLY < <(compgen -W "$offered" -- "$current")
    elif [[ ${#commands[@]} != 0 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${commands[*]}" -- "$current" | sort -u)
    else
        read -r -a kinds <<<"$arguments"
        i=${#given[@]}
        if [[ $arguments == *...* && $i -ge ${#kinds[@]} ]]; then i=$((${#kinds[@]} - 1)); fi
        word=${kinds[i]-}
        mapfile -t COMPREPLY < <(_hvisorctl_kind "${word%...}" "$current")
    fi
}

complete -o filenames -F _hvisorctl hvisorctl

# SPDX-License-Identifier: Apache-2.0
# Completion of hvisorctl for fish; names of zones and devices come from hvisord.

# The words of the command line before the cursor, without options before and after
# every command and their values.
function __hvisorctl_words
    set -l skip 0
    for word in (commandline -xpc)[2..]
        if test $skip = 1
            set skip 0
        else if contains -- $word --bus --address -H --host -o --output
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end

# Whether the command line is at this command.
function __hvisorctl_at
    set -l words (__hvisorctl_words)
    test (count $argv) = 0; or test "$words[1..$(count $argv)]" = "$argv"
end

# Whether the command line is at this command's first, second... argument.
function __hvisorctl_argument
    set -l words (__hvisorctl_words)
    __hvisorctl_at $argv[2..]
    and test (count $words) = (math (count $argv) - 2 + $argv[1])
end

# Ask the daemon that the command line is for.
function __hvisorctl_ask
    set -l words (commandline -xpc)
    set -l daemon
    for index in (seq 2 (count $words))
        switch $words[$index]
            case --bus --address
                set -a daemon $words[$index]=$words[(math $index + 1)]
            case '--bus=*' '--address=*'
                set -a daemon $words[$index]
        end
    end
    $words[1] $daemon --no-legend $argv 2>/dev/null
end

# Zones, all or those in one of these states but for the root zone.
function __hvisorctl_zones
    set -l states $argv
    __hvisorctl_ask zone list | while read -l id name state rest
        if set -q states[1]
            test $id != 0; and contains -- $state $states; or continue
        end
        printf '%s\t%s\n' $name $state
    end
end

# Devices of the zone that is the argument after so many words of a command.
function __hvisorctl_devices
    set -l words (__hvisorctl_words)
    __hvisorctl_ask device list $words[(math $argv[1] + 1)] | while read -l zone device type rest
        printf '%s\t%s\n' $device $type
    end
end

# Jobs, what they do and to which zone.
function __hvisorctl_jobs
    __hvisorctl_ask job list | while read -l job operation zone rest
        printf '%s\t%s %s\n' $job $operation $zone
    end
end

# A command: its words, what it does, and what each argument may be.
function __hvisorctl_command -a words what
    set -l path (string split ' ' $words)
    set -l before $path[1..-2]
    test (count $path) = 1; and set before
    set -l position 1
    complete -c hvisorctl -n "__hvisorctl_argument 1 $before" -a $path[-1] -d $what
    for argument in $argv[3..]
        complete -c hvisorctl -n "__hvisorctl_argument $position $words" -ka $argument
        set position (math $position + 1)
    end
end

# An option of a command, as complete takes it.
function __hvisorctl_option -a words
    complete -c hvisorctl -n "__hvisorctl_at $words" $argv[2..]
end

complete -c hvisorctl -f

# Before and after every command.
complete -c hvisorctl -l bus -x -a 'system session' -d 'The message bus'
complete -c hvisorctl -l address -rF -d 'The socket of hvisord itself'
complete -c hvisorctl -s H -l host -xa '(__fish_print_hostnames)' -d 'Run on another machine'
complete -c hvisorctl -s o -l output -x -a 'table json openmetrics' -d 'How to print'
complete -c hvisorctl -l no-legend -d 'Tables without titles'
complete -c hvisorctl -s q -l quiet -d 'Nothing but results and errors'
complete -c hvisorctl -l verbose -d 'Say which busctl command does the same'
complete -c hvisorctl -s h -l help -d 'Print help'
complete -c hvisorctl -l version -d 'Print the version'

set -l running '(__hvisorctl_zones running starting)'
set -l configured '(__hvisorctl_zones defined stopped failed)'
set -l states 'defined starting running stopping stopped failed'
set -l keys '((commandline -xpc)[1] zone send-key --list 2>/dev/null)'
set -l json '(__fish_complete_suffix .json)'

__hvisorctl_command zone Zones
__hvisorctl_command 'zone list' 'List all zones'
__hvisorctl_command 'zone show' 'Show a zone, its devices, and what is probably wrong with them' '(__hvisorctl_zones)'
__hvisorctl_command 'zone start' 'Start a zone' "$configured $json"
__hvisorctl_option 'zone start' -l virtio -rka $json -d "The virtio JSON file with the zone's devices"
__hvisorctl_option 'zone start' -l wait -d 'Wait for its end'
__hvisorctl_option 'zone start' -l no-wait -d 'Print the number of the job and do not wait'
__hvisorctl_command 'zone shutdown' "Shut a zone down; its system is asked first, if it has an agent or a keyboard" $running
__hvisorctl_option 'zone shutdown' -l timeout -x -d 'How long its system has to power itself off'
__hvisorctl_option 'zone shutdown' -l id -x -d 'Number of the zone'
__hvisorctl_option 'zone shutdown' -l wait -d 'Wait for its end'
__hvisorctl_option 'zone shutdown' -l no-wait -d 'Print the number of the job and do not wait'
__hvisorctl_command 'zone kill' "Take a zone's CPUs away from it, at once" $running
__hvisorctl_option 'zone kill' -l wait -d 'Wait for its end'
__hvisorctl_option 'zone kill' -l no-wait -d 'Print the number of the job and do not wait'
__hvisorctl_command 'zone restart' 'Shut a zone down and start it again' $running
__hvisorctl_option 'zone restart' -l timeout -x -d 'How long its system has to power itself off'
__hvisorctl_option 'zone restart' -l wait -d 'Wait for its end'
__hvisorctl_option 'zone restart' -l no-wait -d 'Print the number of the job and do not wait'
__hvisorctl_command 'zone wait' 'Wait until a zone has ended, or is in another state' '(__hvisorctl_zones)'
__hvisorctl_option 'zone wait' -l state -xa $states -d 'A state to wait for'
__hvisorctl_option 'zone wait' -l timeout -x -d 'Give up after so many seconds'
__hvisorctl_command 'zone console' "Connect to a zone's console" $running
__hvisorctl_option 'zone console' -l device -xa '(__hvisorctl_devices 2)' -d 'Id of the console'
__hvisorctl_option 'zone console' -l port -x -d "Name of one of the console's further ports"
__hvisorctl_option 'zone console' -l replay -x -d 'Show at most so many bytes of history first'
__hvisorctl_option 'zone console' -l read-only -d 'Only watch'
__hvisorctl_option 'zone console' -l force -d 'Take the input from the client that has it'
__hvisorctl_command 'zone send-key' "Press keys of a zone's keyboard, all at once" $running $keys $keys $keys
__hvisorctl_option 'zone send-key' -l hold -x -d 'Milliseconds that they stay down'
__hvisorctl_option 'zone send-key' -l list -d 'Print the names of all keys'
__hvisorctl_command 'zone log' 'Show what hvisord logged of a zone' '(__hvisorctl_zones)'
__hvisorctl_option 'zone log' -l device -xa '(__hvisorctl_devices 2)' -d 'Only of this device'
__hvisorctl_option 'zone log' -s n -l lines -x -d 'Only the last messages'
__hvisorctl_option 'zone log' -s f -l follow -d 'Go on with new messages as they come'
__hvisorctl_command 'zone stats' 'Show what the queues of a zone have counted' $running
__hvisorctl_command 'zone define' 'Configure a zone on this machine' $json
__hvisorctl_option 'zone define' -l runtime -d 'Until the next boot'
__hvisorctl_option 'zone define' -l replace -d 'Replace the configuration that is there'
__hvisorctl_command 'zone undefine' 'Remove the configuration of a zone' $configured
__hvisorctl_command 'zone enable' 'Start a configured zone when the machine boots' $configured
__hvisorctl_option 'zone enable' -l now -d 'Start it now, too'
__hvisorctl_command 'zone disable' 'Do not start a zone when the machine boots' '(__hvisorctl_zones)'
__hvisorctl_option 'zone disable' -l now -d 'Shut it down now, too'
__hvisorctl_command 'zone hold' 'Start a configured zone and stay as long as it is there' $configured

__hvisorctl_command device 'Devices of zones'
__hvisorctl_command 'device list' 'List the devices of a zone, or of all' $running
__hvisorctl_command 'device show' 'Show a device and its queues' $running '(__hvisorctl_devices 2)'
__hvisorctl_command 'device attach' 'Give a zone that runs one more device' $running '(__fish_complete_suffix .json)'
__hvisorctl_command 'device detach' 'Take a device away from a zone that runs' $running '(__hvisorctl_devices 2)'
__hvisorctl_option 'device detach' -l force -d 'Also while the zone\'s driver uses it'
__hvisorctl_command 'device resize' 'Make a disk larger, or tell its zone that it is' $running '(__hvisorctl_devices 2)'
__hvisorctl_command 'device swap' 'Put another image into a disk' $running '(__hvisorctl_devices 2)' '(__fish_complete_path)'
__hvisorctl_command 'device link' 'Plug the cable of a network device in, or pull it out' $running '(__hvisorctl_devices 2)' 'up down'

__hvisorctl_command display 'Displays of zones'
__hvisorctl_command 'display list' 'List the displays of a zone, or of all' $running
__hvisorctl_command 'display connectors' "List where the root zone's graphics cards have displays"
__hvisorctl_command 'display resize' 'Ask a zone to draw on a headless display of another size' $running
__hvisorctl_option 'display resize' -l display -x -d 'Number of the display'
__hvisorctl_command screenshot "Save what a zone's display shows as a PNG" $running '(__fish_complete_suffix .png)'
__hvisorctl_option screenshot -l display -x -d 'Number of the display'
__hvisorctl_option screenshot -l cursor -d 'With the mouse pointer'
__hvisorctl_option screenshot -l force -d 'Overwrite a file that is there'

__hvisorctl_command job 'What the daemon is busy with'
__hvisorctl_command 'job list' 'List what is being started and shut down'
__hvisorctl_command 'job wait' 'Wait for the end of a job, and end as it does' '(__hvisorctl_jobs)'
__hvisorctl_option 'job wait' -l timeout -x -d 'Give up after so many seconds'
__hvisorctl_command 'job cancel' 'Give a job up' '(__hvisorctl_jobs)'
__hvisorctl_command stats 'Show what all queues have counted'
__hvisorctl_command top 'Show what devices do, again and again'
__hvisorctl_option top -s d -l delay -x -d 'Seconds between two tables'
__hvisorctl_option top -s n -l iterations -x -d 'End after so many tables'

__hvisorctl_command status 'Show the daemon, the hypervisor, and what passed between them'
__hvisorctl_command version 'Print the versions of hvisorctl, the daemon and the hypervisor'
__hvisorctl_command log 'Show what hvisord logged, of a zone or of all' '(__hvisorctl_zones)'
__hvisorctl_option log -l device -xa '(__hvisorctl_devices 1)' -d 'Only of this device'
__hvisorctl_option log -s n -l lines -x -d 'Only the last messages'
__hvisorctl_option log -s f -l follow -d 'Go on with new messages as they come'
__hvisorctl_command monitor 'Print what happens to zones and devices'

__hvisorctl_command virtio "Virtio devices, in upstream's spelling"
__hvisorctl_command 'virtio start' 'Set the devices that zones get when they are started next' $json
__hvisorctl_option 'virtio start' -l device -x -d "A device in upstream's spelling of 2024"

__hvisorctl_command config 'Files that describe zones'
__hvisorctl_command 'config check' 'Say what is wrong with files whose zones run together'
__hvisorctl_option 'config check' -ka $json
__hvisorctl_option 'config check' -l no-machine -d 'Do not ask hvisord: they are for another machine'
__hvisorctl_command 'config import' "Make one file of upstream's two" $json $json
__hvisorctl_option 'config import' -l to -rF -d 'Write it there'
__hvisorctl_command 'config cat' 'Print a configured zone with its drop-ins' $configured
__hvisorctl_command 'config dtb' 'Print the device tree blob that a zone gets' "$configured $json"
__hvisorctl_command 'config schema' 'Print the JSON schema of a zone in one file'

// SPDX-License-Identifier: Apache-2.0

// The part of the recipe that records in memory that survives a reset of the machine, so that the next boot finds the
// last moments of this one. It is an instance of tracefs that the kernel's command line requests (6.12 on). The next
// boot knows neither the names of tasks nor the events. So the events contain the names, and the script defines the
// events again under the same numbers, or refuses to print the buffer. docs/ftrace.md lists the requirements.

extension FtraceRecipe {
    static let persistentUsage = """
        #   sh FILE boot               prints what the kernel's command line needs
        #   sh FILE save TEXT          after a reset: writes what the last boot recorded; before the next start
        #   sh FILE start              defines the events and begins to record; discards older events
        #   sh FILE stop               ends the recording and removes the events
        # BUFFER_KB is the room on each CPU for `boot`. STATE is a file that survives the reset.
        """

    static let persistentSettings = """
        instance=$tracing/instances/futexscope
        size=${BUFFER_KB:-8192}
        state=${STATE:-/var/lib/futexscope.last-boot}
        """

    static let inPersistentInstance = #"""
        boot() {
            cpus=$(sed 's/.*[-,]//' /sys/devices/system/cpu/possible)
            # Without nokaslr, functions and this memory are at other addresses in each boot.
            echo "reserve_mem=$(((cpus + 1) * size / 1024))M:2M:futexscope trace_instance=futexscope^traceoff@futexscope nokaslr"
        }

        find_instance() {
            [ -d "$instance" ] && grep -q 'trace_instance=futexscope[^ ]*@' /proc/cmdline ||
                fail 77 "the kernel has no such instance: boot it with $(boot)"
        }

        # Facts that must be the same in the next boot, or its kernel would misread the buffer.
        layout() {
            for event in "$tracing"/events/futexscope/fs_*; do
                [ ! -r "$event/id" ] || echo "event ${event##*/} $(cat "$event/id")"
            done
            awk '$3 == "get_futex_key" { print "code", $1 }' /proc/kallsyms
            awk '{ print "module", $1, $6 }' /proc/modules
        }

        entries() {
            cat "$instance"/per_cpu/cpu*/stats | awk '/^entries:/ { sum += $2 } END { print sum + 0 }'
        }

        # On 7.3 the next boot does not find events that are recorded after the buffer was emptied by hand, or after a
        # change of its clock, which empties it too. That kernel empties the buffer by itself at the first event; 6.12
        # does not. So the clock is not changed, and only old events are removed.
        start() {
            find_instance
            prepare
            before=$(entries)
            echo 1 > "$instance/tracing_on"
            first=$(mark)
            if [ "$(entries)" -gt $((before / 2)) ] && [ "$before" -gt 0 ]; then
                echo > "$instance/trace"
                echo 1 > "$instance/tracing_on"
                first=$(mark)
            fi
            { echo "$first" && layout; } > "$state" || {
                undefine
                fail 1 "cannot write $state: set STATE"
            }
            sync
            find_ranges
            all_events enable
            echo 1 > "$instance/tracing_on"
            [ -z "$missing" ] || echo "this kernel refuses these events: ${missing#,}" >&2
        }

        # Copies the names of tasks, which some events have, to the column of names, on all later lines of each task.
        name_tasks() {
            LC_ALL=C awk '{
                head = match($0, /^ *<\.\.\.>-/) ? RLENGTH - 1 : 0
                at = index($0, " comm=\"")
                task = substr($0, head + 2) + 0
                if (at && substr($0, length($0)) == "\"") {
                    if (head) names[task] = substr($0, at + 7, length($0) - at - 7)
                    $0 = substr($0, 1, at - 1)
                }
                if (head && task in names) $0 = sprintf("%16s", names[task]) substr($0, head + 1)
                print
            }'
        }

        save() {
            find_instance
            [ -r "$state" ] || fail 1 "there is no $state, which start writes"
            prepare
            changed=$(layout | grep -vxFf "$state" | head -n 3 | tr '\n' ';')
            if [ -n "$changed" ]; then
                undefine
                fail 1 "what the last boot recorded cannot be read in this boot, because these addresses or numbers changed: $changed"
            fi
            { head -n 1 "$state" && name_tasks < "$instance/trace"; } > "$1" || {
                undefine
                fail 1 "cannot write ${1:-the text, whose name is missing}: what was recorded is still there"
            }
            undefine
        }

        case $1 in
        boot) boot ;;
        save) save "$2" ;;
        start) start ;;
        stop)
            find_instance
            find_ranges
            echo 0 > "$instance/tracing_on"
            all_events disable
            undefine
            ;;
        *) sed -n '2,/^tracing=/s/^# *//p' "$0" >&2; exit 64 ;;
        esac

        """#
}

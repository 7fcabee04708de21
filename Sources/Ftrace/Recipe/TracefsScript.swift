// SPDX-License-Identifier: Apache-2.0

// The part of the recipe that records in an instance of tracefs, or has trace-cmd record.

extension FtraceRecipe {
    static let tracefsUsage = """
        #   sh FILE start              defines the events and begins to record
        #   sh FILE save TEXT          ends the recording and writes it to a file
        #   sh FILE stop               removes everything that was defined
        #   sh FILE trace-cmd OPTION…  or with trace-cmd, which records until Ctrl-C (or for COMMAND…)
        # INSTANCE=/sys/kernel/tracing records into the main buffer, the one that ftrace_dump_on_oops and
        # SysRq-z print on the console. BUFFER_KB is the room on each CPU.
        """

    static let tracefsSettings = """
        instance=${INSTANCE:-$tracing/instances/futexscope}
        size=${BUFFER_KB:-8192}
        """

    static let withTracefs = #"""
        argue() {
            [ -d "$tracing/events/$1/$2" ] || return 0
            arguments="$arguments -e $1:$2"
            [ -z "$3" ] || arguments="$arguments -f '$3'"
            [ -z "$4" ] || arguments="$arguments -R '$4'"
        }

        start() {
            prepare
            [ -d "$instance" ] || mkdir "$instance" || { undefine; exit 1; }
            echo 0 > "$instance/tracing_on"
            echo mono > "$instance/trace_clock"
            echo "$size" > "$instance/buffer_size_kb"
            echo > "$instance/trace"
            echo 1 > "$instance/options/record-tgid"
            find_ranges
            all_events enable
            echo 1 > "$instance/tracing_on"
            [ -z "$missing" ] || echo "this kernel refuses these events: ${missing#,}" >&2
        }

        case $1 in
        start) start ;;
        save)
            [ -n "$2" ] || { echo "save needs the name of the text to write" >&2; exit 64; }
            [ -d "$instance" ] || { echo "nothing is recorded in $instance: run start first" >&2; exit 1; }
            { mark && cat "$instance/trace"; } > "$2"
            ;;
        stop)
            if [ -d "$instance" ]; then
                find_ranges
                all_events disable
                [ "$instance" = "$tracing" ] || rmdir "$instance"
            fi
            undefine
            ;;
        trace-cmd)
            shift
            prepare
            find_ranges
            arguments=
            all_events argue
            # Ctrl-C is for trace-cmd.
            trap : INT TERM
            eval "trace-cmd record -C mono -b $size $arguments \"\$@\""
            status=$?
            instance=$tracing
            all_events disable
            undefine
            exit $status
            ;;
        *) sed -n '2,/^tracing=/s/^# *//p' "$0" >&2; exit 64 ;;
        esac

        """#
}

// SPDX-License-Identifier: Apache-2.0

// The part of the recipe that records with perf. The events are defined through tracefs, where perf finds them: `perf
// probe` has no syntax for a probe on a tracepoint or for the number of calls in flight. perf takes the same filters,
// and records a kernel stack for the one event that needs it.

extension FtraceRecipe {
    static let perfUsage = """
        #   sh FILE record OPTION…     defines the events, has perf record until Ctrl-C (or for COMMAND…),
        #                              and removes the events; the options are those of `perf record`
        #   sh FILE text [DATA]        prints a recording, such as perf.data, as the text that futexscope reads
        #   sh FILE stop               removes the events, where `record` was killed
        # BUFFER_KB is the room on each CPU, a power of two.
        """

    static let perfSettings = """
        size=${BUFFER_KB:-8192}
        """

    static let withPerf =
        #"""
        argue() {
            [ -d "$tracing/events/$1/$2" ] || return 0
            if [ -z "$4" ]; then arguments="$arguments -e $1:$2"; else arguments="$arguments -e $1:$2/call-graph=fp/"; fi
            [ -z "$3" ] || arguments="$arguments --filter '$3'"
        }

        record() {
            command -v perf > /dev/null || fail 77 "perf is not installed (Debian package linux-perf)"
            prepare
            find_ranges
            [ -z "$missing" ] || echo "this kernel refuses these events: ${missing#,}" >&2
            arguments=
            all_events argue
            # Ctrl-C is for perf.
            trap : INT TERM
            eval "perf record -a -k mono --kernel-callchains -m ${size}K $arguments \"\$@\""
            status=$?
            undefine
            exit $status
        }

        case $1 in
        record)
            shift
            record "$@"
            ;;
        text)
            file=${2:-perf.data}
            \#(PerfData.command(for: "\"$file\"").joined(separator: " "))
            ;;
        stop) undefine ;;
        *) sed -n '2,/^tracing=/s/^# *//p' "$0" >&2; exit 64 ;;
        esac

        """#
}

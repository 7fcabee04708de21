// SPDX-License-Identifier: Apache-2.0

// The recipe: a shell script that makes a kernel record, through tracefs, trace-cmd or perf, the events that the
// readers of this module need. The script filters in the kernel, so a busy host writes lines only for shared futexes
// and for pages that another task held. Events that a kernel refuses are left out and reported. `RecordedEvents` has
// the events, and the file of each recorder has what is done with them.

/// Makes the script for one kernel.
public struct FtraceRecipe: Sendable {
    /// What records. The raw values are words of the command line.
    public enum Recorder: String, CaseIterable, Sendable {
        /// An instance of tracefs, or trace-cmd.
        case tracefs
        /// `perf record`.
        case perf
        /// An instance of tracefs in memory that survives a reset of the machine; kernels from 6.12 on.
        case persistent
    }

    let facts: KernelFacts
    let recorder: Recorder

    public init(facts: KernelFacts, recorder: Recorder = .tracefs) {
        (self.facts, self.recorder) = (facts, recorder)
    }

    /// The whole script, for a POSIX shell.
    public var script: String {
        let recorded = RecordedEvents(
            facts: facts, group: "futexscope", for: recorder == .persistent ? .nextBoot : .text)
        let defining = recorded.probes.map { probe in
            (["    define \(probe.name)"] + probe.attempts.map { "        '\($0)'" })
                .joined(separator: " \\\n")
        }
        var events = recorded.probes.map { probe in
            var line = "    \"$1\" futexscope \(probe.name)"
            let filter = Self.text(of: probe.filter)
            if !filter.isEmpty || !probe.trigger.isEmpty { line += " \"\(filter)\"" }
            if !probe.trigger.isEmpty { line += " '\(probe.trigger)'" }
            return line
        }
        events += recorded.tracepoints.map { "    \"$1\" \($0.system) \($0.name)" }
        events.append("    ! has mm_filemap_delete_from_page_cache || \"$1\" filemap mm_filemap_delete_from_page_cache")
        return head + "define_all() {\n" + defining.joined(separator: "\n") + "\n}\n\n"
            + "# Calls $1 with system, event, filter and trigger of each event.\nall_events() {\n"
            + events.joined(separator: "\n") + "\n}\n\n" + Self.defining + "\n" + rest
    }

    private var rest: String {
        switch recorder {
        case .tracefs: Self.inInstance + "\n" + Self.withTracefs
        case .perf: Self.withPerf
        case .persistent: Self.inInstance + "\n" + Self.inPersistentInstance
        }
    }

    /// The script looks up the function's address when it runs.
    private static func text(of filter: RecordedEvents.Filter) -> String {
        switch filter {
        case .none: ""
        case .condition(let text): text
        case .calledByLookup: "${caller_range}"
        case .returnsToLookup: "${return_range}"
        case .returnsOfShared(let text): "${has_return_flags:+\(text)}"
        }
    }

    // MARK: The script around them

    private var head: String {
        let (usage, settings) =
            switch recorder {
            case .tracefs: (Self.tracefsUsage, Self.tracefsSettings)
            case .perf: (Self.perfUsage, Self.perfSettings)
            case .persistent: (Self.persistentUsage, Self.persistentSettings)
            }
        return """
            #!/bin/sh
            # Records the events that futexscope needs to explain futex lookups later.
            # Made for the kernel \(release) and valid for that kernel alone. Its offsets \(origin).
            # As root:
            \(usage)
            tracing=/sys/kernel/tracing
            \(settings)
            release='\(release)'
            missing=


            """
    }

    private var release: String {
        facts.release.filter { $0.isASCII && ($0.isLetter || $0.isNumber || "._+~-".contains($0)) }
    }

    private var origin: String {
        switch facts.layout.source {
        case .btf: "are from its BTF"
        case .measured: "were measured on it"
        }
    }

    /// How events are defined and removed again.
    private static let defining = #"""
        fail() {
            echo "$0: $2" >&2
            exit "$1"
        }

        # On another kernel the offsets would be wrong, and so would all recorded values.
        prepare() {
            [ "$(uname -r)" = "$release" ] || fail 77 "made for the kernel $release, and this is $(uname -r)"
            [ -w "$tracing/dynamic_events" ] || fail 77 "cannot define events: be root, with tracefs on $tracing"
            [ ! -d "$tracing/events/futexscope" ] || fail 1 "the events are defined already: stop first"
            define_all
            for name in fs_lookup fs_lookup_return fs_pin fs_pin_return fs_unlock; do
                [ -d "$tracing/events/futexscope/$name" ] || {
                    undefine
                    fail 1 "this kernel refuses the event $name, without which nothing can be concluded; see $tracing/error_log"
                }
            done
        }

        # define NAME DEFINITION…: the first one that this kernel accepts.
        define() {
            name=$1
            shift
            for definition; do
                ! printf '%s\n' "$definition" >> "$tracing/dynamic_events" 2> /dev/null || return 0
            done
            missing="$missing,$name"
        }

        # has NAME: whether the detach has to come from this tracepoint, because there is no better event.
        has() {
            [ ! -d "$tracing/events/futexscope/fs_detach" ] && [ -d "$tracing/events/filemap/$1" ]
        }

        # The calls that get_futex_key() makes itself, as filters; empty where addresses are hidden. And whether its return
        # has the flags of the call (6.9 on).
        find_ranges() {
            caller_range= return_range= has_return_flags=
            ! grep -qs ' flags;' "$tracing/events/futexscope/fs_lookup_return/format" || has_return_flags=1
            set -- $(awk 'found && $1 != found { print "0x" found, "0x" $1; exit }
                $3 == "get_futex_key" { found = $1 }' /proc/kallsyms)
            [ $# = 2 ] && [ "$1" != 0x0000000000000000 ] || return 0
            caller_range="caller >= $1 && caller < $2"
            return_range="__probe_ret_ip >= $1 && __probe_ret_ip < $2"
        }

        undefine() {
            [ ! -d "$tracing/events/futexscope" ] || for event in "$tracing"/events/futexscope/fs_*; do
                echo "-:futexscope/${event##*/}" >> "$tracing/dynamic_events"
            done
        }

        """#

    /// How events are turned on in an instance of tracefs, and how a trace says when it was made.
    private static let inInstance = #"""
        enable() {
            event=$instance/events/$1/$2
            [ -d "$event" ] || return 0
            [ -z "$3" ] || printf '%s\n' "$3" > "$event/filter"
            [ -z "$4" ] || printf '%s\n' "$4" > "$event/trigger"
            echo 1 > "$event/enable"
        }

        disable() {
            event=$instance/events/$1/$2
            [ -d "$event" ] || return 0
            echo 0 > "$event/enable"
            [ -z "$4" ] || printf '!%s\n' "$4" > "$event/trigger"
            [ -z "$3" ] || echo 0 > "$event/filter"
        }

        note() {
            [ "$1" != futexscope ] || [ -d "$tracing/events/$1/$2" ] || missing="$missing,$2"
        }

        # Writes the kernel and the time into an event: nothing else relates the times of the trace to a clock.
        mark() {
            now=$(date +%s%N)
            case $now in *[!0-9]* | ??????????) now=$(date +%s)000000000 ;; esac
            all_events note
            echo "futexscope wall_ns=$now release=$(uname -r) host=$(uname -n) missing=${missing#,}" > "$instance/trace_marker"
            echo 0 > "$instance/tracing_on"
            grep -a 'tracing_mark_write: futexscope wall_ns=' "$instance/trace" | tail -n 1 | sed 's/^/# /'
        }

        """#
}

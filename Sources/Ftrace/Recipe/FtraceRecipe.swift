// SPDX-License-Identifier: Apache-2.0

// The recipe: a shell script that makes a kernel record, through tracefs or trace-cmd, what `FtraceReader`
// needs. It filters in the kernel, so that a busy host writes lines for shared futexes and for pages
// that somebody held, and for nothing else; what a kernel refuses is left out and said in the trace.

import Events

/// Makes the script for one kernel.
public struct FtraceRecipe: Sendable {
    let facts: KernelFacts

    public init(facts: KernelFacts) {
        self.facts = facts
    }

    /// One event: its name and the definitions to try, the best first.
    private struct Definition {
        var name: String
        var attempts: [String]
        var filter = ""
        var trigger = ""
    }

    /// Operations of reclaim, as tracepoints: begin and end.
    static let reclaimTracepoints = [
        "mm_vmscan_direct_reclaim_begin", "mm_vmscan_direct_reclaim_end", "mm_vmscan_memcg_reclaim_begin",
        "mm_vmscan_memcg_reclaim_end", "mm_vmscan_node_reclaim_begin", "mm_vmscan_node_reclaim_end",
        "mm_vmscan_kswapd_wake", "mm_vmscan_kswapd_sleep",
    ]

    /// The whole script, for a POSIX shell.
    public var script: String {
        let definitions = definitions
        let defining = definitions.map { definition in
            (["    define \(definition.name)"] + definition.attempts.map { "        '\($0)'" })
                .joined(separator: " \\\n")
        }
        var events = definitions.map { definition in
            var line = "    \"$1\" futexscope \(definition.name)"
            if !definition.filter.isEmpty || !definition.trigger.isEmpty { line += " \"\(definition.filter)\"" }
            if !definition.trigger.isEmpty { line += " '\(definition.trigger)'" }
            return line
        }
        events += Self.reclaimTracepoints.map { "    \"$1\" vmscan \($0)" }
        events.append("    ! has mm_filemap_delete_from_page_cache || \"$1\" filemap mm_filemap_delete_from_page_cache")
        return Self.head(release: facts.release)
            + "define_all() {\n" + defining.joined(separator: "\n") + "\n}\n\n"
            + "# Calls $1 with system, event, filter and trigger of each event.\nall_events() {\n"
            + events.joined(separator: "\n") + "\n}\n" + Self.tail
    }

    // MARK: Events

    private var definitions: [Definition] {
        var all = [lookup, returning("fs_lookup_return", from: KernelFunctions.lookup.names[0]), pin, pinReturn]
        if let lockWait = facts.lockWait {
            all.append(entering("fs_lock_wait", lockWait, "page=$arg1:x64"))
        }
        if let unlock = facts.unlock { all.append(self.unlock(unlock)) }
        all.append(detach)
        for function in facts.landmarks {
            guard let known = KernelFunctions.landmark(named: function.name), !known.isFrequent else { continue }
            let arguments =
                switch known.operation {
                case .fallocate?: "mode=$arg2:x32 offset=$arg3:s64 length=$arg4:s64"
                case .fadvise?: "advice=$arg4:u32"
                case .kind?, nil: ""
                }
            all.append(entering("fs_in_\(function.name)", function.symbol, arguments))
            all.append(returning("fs_out_\(function.name)", from: function.symbol, with: ""))
        }
        return all
    }

    private func entering(_ name: String, _ symbol: String, _ arguments: String) -> Definition {
        let text = "p:futexscope/\(name) \(symbol)"
        return Definition(name: name, attempts: [arguments.isEmpty ? text : "\(text) \(arguments)"])
    }

    private func returning(_ name: String, from symbol: String, with arguments: String = "ret=$retval:s32")
        -> Definition
    {
        // So many calls may be under way at once before one is not seen to return.
        let text = "r512:futexscope/\(name) \(symbol)"
        return Definition(name: name, attempts: [arguments.isEmpty ? text : "\(text) \(arguments)"])
    }

    private var lookup: Definition {
        let shared = facts.sharedIsBool ? "fshared=$arg2:u8" : "flags=$arg2:x32"
        var lookup = entering("fs_lookup", KernelFunctions.lookup.names[0], "uaddr=$arg1:x64 \(shared) write=$arg4:u32")
        lookup.filter = facts.sharedIsBool ? "fshared != 0" : "flags & 0x10"
        return lookup
    }

    private var pin: Definition {
        var pin = entering("fs_pin", KernelFunctions.pin.names[0], "address=$arg1:x64 count=$arg2:s32 flags=$arg3:x32")
        pin.filter = "count == 1"
        return pin
    }

    private var pinReturn: Definition {
        var pin = returning("fs_pin_return", from: KernelFunctions.pin.names[0])
        // Arguments can be had at the return from 6.9 on.
        let page = "page=+0($arg4):x64 mapping=+\(facts.offsets.mapping)(+0($arg4)):x64"
        pin.attempts.insert("\(pin.attempts[0]) \(page)", at: 0)
        pin.filter = "${return_range}"
        return pin
    }

    private func bit(_ name: String, _ number: Int, of page: String) -> String {
        "\(name)=+\(facts.offsets.flags + number / 64 * 8)(\(page)):b1@\(number % 64)/64"
    }

    /// What is the same for a page at its unlock and at its detach.
    private func size(of page: String) -> String {
        var text = bit("large", facts.bits.head, of: page)
        if let order = facts.offsets.order { text += " order=+\(order)(\(page)):u8" }
        return text
    }

    private func unlock(_ function: String) -> Definition {
        let page = "$arg1"
        var text = "page=\(page):x64 mapping=+\(facts.offsets.mapping)(\(page)):x64 "
        text += bit("reserved", facts.bits.reserved, of: page) + " "
        text += bit("swapcache", facts.bits.swapCache, of: page) + " "
        text += bit("swapbacked", facts.bits.swapBacked, of: page) + " "
        text += size(of: page)
        let caller = facts.architecture == .x86 ? " caller=+0($stack):symbol" : " caller=%lr:symbol"
        var numbers = ""
        // Numbers become addresses by a size that the reader takes for granted.
        if facts.hasPageBase, facts.pageStructureSize == DetachTable.pageStructureSize {
            numbers += " base=@vmemmap_base:x64"
            if let zeroPage = facts.zeroPage { numbers += " zero=@\(zeroPage):x64" }
            if let hugeZeroPage = facts.hugeZeroPage { numbers += " hugezero=@\(hugeZeroPage):x64" }
        }
        var unlock = entering("fs_unlock", function, text + caller + numbers)
        let plain = entering("fs_unlock", function, text + caller).attempts
        if !numbers.isEmpty { unlock.attempts += plain }
        unlock.filter = "${caller_range}"
        return unlock
    }

    private var detach: Definition {
        func text(page: String) -> String {
            let offsets = facts.offsets
            let host = "+\(offsets.host)(+\(offsets.mapping)(\(page)))"
            let superBlock = "+\(offsets.superBlock)(\(host))"
            return
                "page=\(page):x64 index=+\(offsets.index)(\(page)):u64 references=+\(offsets.references)(\(page)):s32 "
                + "dev=+\(offsets.device)(\(superBlock)):u32 inode=+\(offsets.inode)(\(host)):u64 "
                + "size=+\(offsets.size)(\(host)):s64 magic=+\(offsets.magic)(\(superBlock)):x32 " + size(of: page)
        }
        var attempts = ["t:futexscope/fs_detach mm_filemap_delete_from_page_cache \(text(page: "$arg1"))"]
        if let unaccount = facts.unaccount {
            attempts.append("p:futexscope/fs_detach \(unaccount) \(text(page: "$arg2"))")
        }
        // The cache and the remover hold it; if nobody else does, no lookup can meet it.
        return Definition(
            name: "fs_detach", attempts: attempts, filter: "references > 2", trigger: "stacktrace if references > 2")
    }

    // MARK: The script around them

    private static func head(release: String) -> String {
        """
        #!/bin/sh
        # Records what futexscope needs to explain lookups of futexes after the fact.
        # Made for the kernel \(release) and right for that one alone. As root:
        #   sh FILE start              defines the events and begins to record
        #   sh FILE save TEXT          ends the recording and writes it to a file
        #   sh FILE stop               removes everything that was defined
        #   sh FILE trace-cmd OPTION…  or with trace-cmd, which records until Ctrl-C (or for COMMAND…)
        # INSTANCE=/sys/kernel/tracing records into the main buffer, the one that ftrace_dump_on_oops and
        # SysRq-z print on the console. BUFFER_KB is the room on each CPU.
        tracing=/sys/kernel/tracing
        instance=${INSTANCE:-$tracing/instances/futexscope}
        size=${BUFFER_KB:-8192}
        release='\(release.filter { $0.isASCII && ($0.isLetter || $0.isNumber || "._+~-".contains($0)) })'
        missing=


        """
    }

    private static let tail = #"""

        fail() {
            echo "$0: $2" >&2
            exit "$1"
        }

        # On another kernel the offsets would be wrong, and so would be everything that is read.
        prepare() {
            [ "$(uname -r)" = "$release" ] || fail 77 "made for the kernel $release, and this is $(uname -r)"
            [ -w "$tracing/dynamic_events" ] || fail 77 "cannot define events: be root, with tracefs on $tracing"
            [ ! -d "$tracing/events/futexscope" ] || fail 1 "the events are defined already: stop first"
            define_all
        }

        # define NAME DEFINITION…: the first one that this kernel takes.
        define() {
            name=$1
            shift
            for definition; do
                ! printf '%s\n' "$definition" >> "$tracing/dynamic_events" 2> /dev/null || return 0
            done
            missing="$missing,$name"
        }

        # has NAME: whether the detach has to come from this tracepoint, for want of a better event.
        has() {
            [ ! -d "$tracing/events/futexscope/fs_detach" ] && [ -d "$tracing/events/filemap/$1" ]
        }

        # The calls that get_futex_key() makes itself, as filters; empty where addresses are hidden.
        find_ranges() {
            caller_range= return_range=
            set -- $(awk 'found && $1 != found { print "0x" found, "0x" $1; exit }
                $3 == "get_futex_key" { found = $1 }' /proc/kallsyms)
            [ $# = 2 ] && [ "$1" != 0x0000000000000000 ] || return 0
            caller_range="caller >= $1 && caller < $2"
            return_range="__probe_ret_ip >= $1 && __probe_ret_ip < $2"
        }

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

        argue() {
            [ -d "$tracing/events/$1/$2" ] || return 0
            arguments="$arguments -e $1:$2"
            [ -z "$3" ] || arguments="$arguments -f '$3'"
            [ -z "$4" ] || arguments="$arguments -R '$4'"
        }

        undefine() {
            [ ! -d "$tracing/events/futexscope" ] || for event in "$tracing"/events/futexscope/fs_*; do
                echo "-:futexscope/${event##*/}" >> "$tracing/dynamic_events"
            done
        }

        note() {
            [ "$1" != futexscope ] || [ -d "$tracing/events/$1/$2" ] || missing="$missing,$2"
        }

        # Says which kernel and what time it is, in an event: nothing else ties its times to a clock.
        mark() {
            now=$(date +%s%N)
            case $now in *[!0-9]* | ??????????) now=$(date +%s)000000000 ;; esac
            all_events note
            echo "futexscope wall_ns=$now release=$(uname -r) missing=${missing#,}" > "$instance/trace_marker"
            echo 0 > "$instance/tracing_on"
            grep -a 'tracing_mark_write: futexscope wall_ns=' "$instance/trace" | tail -n 1 | sed 's/^/# /'
        }

        start() {
            prepare
            [ -d "$instance" ] || mkdir "$instance" || exit
            echo 0 > "$instance/tracing_on"
            echo mono > "$instance/trace_clock"
            echo "$size" > "$instance/buffer_size_kb"
            echo > "$instance/trace"
            echo 1 > "$instance/options/record-tgid"
            find_ranges
            all_events enable
            echo 1 > "$instance/tracing_on"
            [ -z "$missing" ] || echo "this kernel does not take: ${missing#,}" >&2
        }

        case $1 in
        start) start ;;
        save)
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

// SPDX-License-Identifier: Apache-2.0

// The events that ftrace records, for the printed script and for a live run: which probes, with which arguments,
// filters and triggers. A pure function of the kernel's facts. Filters run in the kernel, so a busy host records only
// shared futexes and pages that another task held.

import Events

/// The events of one kernel.
public struct RecordedEvents: Sendable {
    /// The readers of the events.
    public enum Use: Sendable {
        /// A person or `FtraceReader`, later: everything that explains a lookup, except what a text contains anyway.
        case text
        /// The same after the machine was reset, when the kernel no longer knows the names of tasks.
        case nextBoot
        /// A live run that follows each shared lookup from entry to return.
        case full
        /// A live run that sees observations alone: nothing is recorded for a lookup that finds its mapping.
        case sentinel
    }

    /// Which events of a probe are recorded.
    public enum Filter: Sendable, Equatable {
        case none
        /// In the kernel's words.
        case condition(String)
        /// Those whose `caller` lies in the function of the lookup.
        case calledByLookup
        /// Those of calls that return there.
        case returnsToLookup
        /// In the kernel's words, where the best definition was taken; else all.
        case returnsOfShared(String)
    }

    /// A probe to define: its name and the definitions to try, the best first. A definition of several lines puts the
    /// probe on several places.
    public struct Probe: Sendable, Equatable {
        public var name: String
        public var attempts: [String]
        public var filter = Filter.none
        public var trigger = ""
        /// Nothing can be observed without it.
        public var isRequired = false
    }

    /// A tracepoint that the kernel has by itself, or has not.
    public struct Tracepoint: Sendable, Equatable {
        public var system: String
        public var name: String
    }

    public let probes: [Probe]
    public let tracepoints: [Tracepoint]

    /// `group` is the system under which the probes appear in tracefs.
    public init(facts: KernelFacts, group: String, for use: Use) {
        let definitions = Definitions(facts: facts, group: group, use: use)
        probes = definitions.probes
        tracepoints =
            use == .sentinel
            ? [] : KernelFunctions.reclaimTracepoints.map { Tracepoint(system: "vmscan", name: $0) }
    }
}

/// The texts of the definitions.
private struct Definitions {
    typealias Probe = RecordedEvents.Probe

    let facts: KernelFacts
    let group: String
    let use: RecordedEvents.Use

    var probes: [Probe] {
        var all: [Probe] = []
        if use != .sentinel {
            all += [lookup, lookupReturn, pin, pinReturn]
            for position in all.indices { all[position].isRequired = true }
            if let lockWait = facts.lockWait {
                all.append(entering("fs_lock_wait", lockWait, "page=$arg1:x64"))
            }
        }
        if let unlock = facts.unlock { all.append(self.unlock(unlock)) }
        all.append(detach)
        return all + operations
    }

    /// Entry and return of functions that name a cause. A stack names it as well; only the entry shows the mode of
    /// fallocate().
    private var operations: [Probe] {
        var all: [Probe] = []
        for function in facts.landmarks {
            guard let known = KernelFunctions.landmark(named: function.name), !known.isFrequent else { continue }
            var isCut = false
            let arguments =
                switch known.operation {
                case .fallocate?: "mode=$arg2:x32 offset=$arg3:s64 length=$arg4:s64"
                case .fadvise?: "advice=$arg4:u32"
                case .kind?, nil: ""
                }
            if case .fallocate? = known.operation { isCut = true }
            guard use != .sentinel || isCut else { continue }
            var entry = entering("fs_in_\(function.name)", function.symbol, arguments + comm)
            // Modes that remove pages, and no others.
            if use == .sentinel { entry.filter = .condition("mode & 0x3a") }
            all.append(entry)
            all.append(returning("fs_out_\(function.name)", from: function.symbol, with: ""))
        }
        return all
    }

    /// The name of the task at that moment. A text has it in a column; a buffer that is read without that kernel does
    /// not.
    private var comm: String { use == .text ? "" : " comm=$comm:string" }

    private func entering(_ name: String, _ symbol: String, _ arguments: String) -> Probe {
        let text = "p:\(group)/\(name) \(symbol)"
        return Probe(name: name, attempts: [arguments.isEmpty ? text : "\(text) \(arguments.drop { $0 == " " })"])
    }

    private func returning(_ name: String, from symbol: String, with arguments: String = "ret=$retval:s32") -> Probe {
        // The kernel follows at most 512 calls in flight at once; the return of one more is not recorded.
        let text = "r512:\(group)/\(name) \(symbol)"
        return Probe(name: name, attempts: [arguments.isEmpty ? text : "\(text) \(arguments)"])
    }

    /// The second argument of the lookup, and the condition that it is shared.
    private var shared: (argument: String, condition: String) {
        facts.layout.sharedIsBool ? ("fshared=$arg2:u8", "fshared != 0") : ("flags=$arg2:x32", "flags & 0x10")
    }

    private var lookup: Probe {
        var lookup = entering(
            "fs_lookup", KernelFunctions.lookup.names[0], "uaddr=$arg1:x64 \(shared.argument) write=$arg4:u32" + comm)
        lookup.filter = .condition(shared.condition)
        return lookup
    }

    private var lookupReturn: Probe {
        var lookup = returning("fs_lookup_return", from: KernelFunctions.lookup.names[0])
        // Arguments can be had at the return from 6.9 on, when this one was no truth value any more.
        guard !facts.layout.sharedIsBool else { return lookup }
        lookup.attempts.insert("\(lookup.attempts[0]) \(shared.argument)", at: 0)
        lookup.filter = .returnsOfShared(shared.condition)
        return lookup
    }

    private var pin: Probe {
        var pin = entering(
            "fs_pin", KernelFunctions.pin.names[0], "address=$arg1:x64 count=$arg2:s32 flags=$arg3:x32")
        // Not by caller: the probe at the return may have replaced the address of the return already.
        pin.filter = .condition("count == 1")
        return pin
    }

    private var pinReturn: Probe {
        var pin = returning("fs_pin_return", from: KernelFunctions.pin.names[0])
        // From 6.9 on.
        let page = "page=+0($arg4):x64 mapping=+\(facts.layout.offsets.mapping)(+0($arg4)):x64"
        pin.attempts.insert("\(pin.attempts[0]) \(page)", at: 0)
        pin.filter = .returnsToLookup
        return pin
    }

    private func bit(_ name: String, _ number: Int, of page: String) -> String {
        "\(name)=+\(facts.layout.offsets.flags + number / 64 * 8)(\(page)):b1@\(number % 64)/64"
    }

    /// The arguments that a page has at its unlock and at its detach.
    private func size(of page: String) -> String {
        var text = bit("large", facts.layout.bits.head, of: page)
        if let order = facts.layout.offsets.order { text += " order=+\(order)(\(page)):u8" }
        return text
    }

    private func unlock(_ function: String) -> Probe {
        // The calls themselves run only for a page without a mapping; the function runs for every unlock of the host.
        let sites = use == .text || use == .nextBoot ? [] : facts.lookupCode?.unlockSites ?? []
        let page = sites.isEmpty ? "$arg1" : facts.architecture == .x86 ? "%di" : "%x0"
        var text = "page=\(page):x64 mapping=+\(facts.layout.offsets.mapping)(\(page)):x64 "
        text += bit("reserved", facts.layout.bits.reserved, of: page) + " "
        text += bit("swapcache", facts.layout.bits.swapCache, of: page) + " "
        text += bit("swapbacked", facts.layout.bits.swapBacked, of: page) + " "
        text += size(of: page)
        if use == .sentinel {
            text += " " + bit("uptodate", facts.layout.bits.upToDate, of: page)
        }
        if use == .sentinel || use == .full { text += " index=+\(facts.layout.offsets.index)(\(page)):u64" }
        if sites.isEmpty { text += facts.architecture == .x86 ? " caller=+0($stack):symbol" : " caller=%lr:symbol" }
        var numbers = ""
        // Numbers become addresses with a size that the reader assumes.
        if facts.hasPageBase, facts.layout.pageStructureSize == DetachTable.pageStructureSize {
            numbers += " base=@vmemmap_base:x64"
            if let zeroPage = facts.zeroPage { numbers += " zero=@\(zeroPage):x64" }
            if let hugeZeroPage = facts.hugeZeroPage { numbers += " hugezero=@\(hugeZeroPage):x64" }
        }
        func attempt(_ arguments: String) -> String {
            let places = sites.map { "\(KernelFunctions.lookup.names[0])+0x\(String($0, radix: 16))" }
            return (places.isEmpty ? [function] : places)
                .map { "p:\(group)/fs_unlock \($0) \(arguments)" }.joined(separator: "\n")
        }
        var unlock = Probe(name: "fs_unlock", attempts: [attempt(text + numbers + comm)], isRequired: true)
        if !numbers.isEmpty { unlock.attempts.append(attempt(text + comm)) }
        if sites.isEmpty { unlock.filter = .calledByLookup }
        return unlock
    }

    private var detach: Probe {
        func text(page: String) -> String {
            let offsets = facts.layout.offsets
            let host = "+\(offsets.host)(+\(offsets.mapping)(\(page)))"
            let superBlock = "+\(offsets.superBlock)(\(host))"
            return
                "page=\(page):x64 index=+\(offsets.index)(\(page)):u64 references=+\(offsets.references)(\(page)):s32 "
                + "dev=+\(offsets.device)(\(superBlock)):u32 inode=+\(offsets.inode)(\(host)):u64 "
                + "size=+\(offsets.size)(\(host)):s64 magic=+\(offsets.magic)(\(superBlock)):x32 " + size(of: page)
                + comm
        }
        var attempts = ["t:\(group)/fs_detach mm_filemap_delete_from_page_cache \(text(page: "$arg1"))"]
        if let unaccount = facts.unaccount {
            attempts.append("p:\(group)/fs_detach \(unaccount) \(text(page: "$arg2"))")
        }
        // The cache and the remover hold the page; if no other task does, no lookup can meet it.
        return Probe(
            name: "fs_detach", attempts: attempts, filter: .condition("references > 2"),
            trigger: "stacktrace if references > 2")
    }
}

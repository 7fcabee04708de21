// SPDX-License-Identifier: Apache-2.0

// From events of the text to events of futexscope: what is known of tasks, detaches and sums, and which
// part of the reconstruction an event belongs to. The lookups are in Lookups.swift, the detaches and the
// operations around them in Detaches.swift. What the text leaves out stays unknown.

import Events

/// Whose event it is, and when.
struct EventHead {
    var tid: UInt32 = 0
    /// The process, where the trace knows it.
    var tgid: UInt32?
    /// The task's name, cut to fifteen bytes as the kernel does.
    var comm = Comm(low: 0, high: 0)
    /// In an interrupt, so that the event is not the task's own doing.
    var isInterrupt = false
    /// Nanoseconds of the trace's clock.
    var time: UInt64 = 0
}

/// What one trace tells, event by event.
struct Reconstruction {
    let names: KnownNames
    private let showsKernelAddresses: Bool
    let tellsAll: Bool
    var tasks = TaskTable()
    var detaches = DetachTable()
    /// Address of the first page's structure, once an event has said it.
    var pageBase: UInt64?
    var totals = Totals()
    var seen = Seen()
    private var firstTime: UInt64?
    /// Of the newest event.
    private(set) var time: UInt64 = 0
    /// The detach to which a stack in the next lines belongs, and the line at which that begins.
    var stackOwner: (place: Int, line: UInt64)?

    /// What sorts of events there were, to say at the end what was missing.
    struct Seen {
        var lookups: UInt64 = 0
        var pins: UInt64 = 0
        var unlocks: UInt64 = 0
        var detaches: UInt64 = 0
        var functions: UInt64 = 0
        /// Unlocks that may be the function's own or not.
        var doubtfulUnlocks: UInt64 = 0
        var hasProcesses = false
        var isAny: Bool { lookups > 0 || pins > 0 || unlocks > 0 || detaches > 0 || functions > 0 }
    }

    init(showsKernelAddresses: Bool, tellsAll: Bool) {
        names = KnownNames()
        self.showsKernelAddresses = showsKernelAddresses
        self.tellsAll = tellsAll
        totals.lookups = 0
    }

    /// Events are missing from here on backwards: nothing that was open can be trusted.
    mutating func forget() {
        tasks.removeAll()
        stackOwner = nil
    }

    /// Another trace begins, with times of its own.
    mutating func beginAgain() {
        forget()
        detaches.removeAll()
    }

    mutating func lose(_ stage: Loss.Stage, _ count: UInt64 = 1, into sink: inout some EventSink) {
        guard count > 0 else { return }
        sink.take(Loss(time: time, stage: stage, count: count))
    }

    /// One event; of `line` it need only be known that later events have larger ones. False when an argument is
    /// missing without which it says nothing.
    mutating func take(
        _ name: EventName, _ head: EventHead, _ arguments: borrowing Arguments, line: UInt64,
        into sink: inout some EventSink
    ) -> Bool {
        time = head.time
        if firstTime == nil { firstTime = time }
        guard let place = tasks.place(of: head.tid) else {
            lose(.lookupTable, into: &sink)
            return true
        }
        if let tgid = head.tgid {
            tasks.states[place].identity.pid = tgid
            seen.hasProcesses = true
        }
        tasks.states[place].identity.comm = head.comm
        if name == .stack {
            stackOwner = tasks.states[place].detach.map { ($0, line) }
            tasks.states[place].detach = nil
            return true
        }
        tasks.states[place].detach = nil
        switch name {
        case .lookup: return beginLookup(place, arguments, line: line, into: &sink)
        case .lookupReturn: return endLookup(place, arguments, line: line, into: &sink)
        case .pin: return beginPin(place, arguments, line: line, into: &sink)
        case .pinReturn: return endPin(place, arguments)
        case .lockWait: waitForLock(place, isInterrupt: head.isInterrupt)
        case .unlock: return unlock(place, arguments, isInterrupt: head.isInterrupt, line: line, into: &sink)
        case .detach: return detach(place, arguments, line: line)
        case .removal: return removal(place, arguments, line: line)
        case .enter(let function): return enter(place, function, arguments, into: &sink)
        case .leave(let function): leave(place, function, into: &sink)
        case .stack, .marker, .systemCall: break
        }
        return true
    }

    /// The end of the text: lookups that go round still, and the sums.
    mutating func end(into sink: inout some EventSink) {
        for task in tasks.unfinished {
            guard task.lookup.passes > 1 else { continue }
            sink.take(told(task.lookup, of: task.identity, result: nil), isProgress: true)
        }
        totals.durationNs = firstTime.map { time > $0 ? time - $0 : 0 } ?? 0
        totals.isFinal = true
        sink.take(totals)
    }

    /// As the user sees it.
    func id(_ page: UInt64) -> PageID {
        if showsKernelAddresses { return PageID(rawValue: page) }
        // Mixed, so that nobody takes it for an address; the text itself hides nothing.
        var mixed = (page ^ (page >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return PageID(rawValue: mixed ^ (mixed >> 31))
    }
}

// SPDX-License-Identifier: Apache-2.0

// From events of a trace to events of futexscope: what is known of tasks, detaches and sums, and which part of the
// reconstruction an event belongs to. The lookups are in Lookups.swift, the detaches and the operations around them in
// Detaches.swift. What the trace leaves out stays unknown. A text may have lost lines without a word, so an order of
// events that no kernel makes counts as a loss: what was open for that task is dropped.

import Events

/// Whose event it is, and when. Small, since there is one for each line.
struct EventHead {
    var tid: UInt32 = 0
    /// The process, where the trace knows it.
    var tgid: UInt32?
    /// In an interrupt, so that the event is not the task's own doing.
    var isInterrupt = false
    /// The time is a bare number, as of a clock that counts something else than nanoseconds.
    var isCount = false
    /// The columns of the name hold something else, and the name was taken from behind that.
    var isNameDoubtful = false
    /// The name has fewer columns than it should, as if a line end in it had cut the line.
    var isNameShort = false
    /// The task's name, cut to fifteen bytes as the kernel does.
    var comm = Comm(low: 0, high: 0)
    /// Nanoseconds of the trace's clock.
    var time: UInt64 = 0
}

/// What one trace says, event by event.
struct Reconstruction {
    /// Nanoseconds by which time must step back so that another trace must have begun.
    private static let restart: UInt64 = 1_000_000_000

    let names: KnownNames
    /// Lines may be missing without a word, as in a text that has come over a console.
    let mayLackLines: Bool
    private let showsKernelAddresses: Bool
    let tellsAll: Bool
    var tasks = TaskTable()
    var detaches = DetachTable()
    /// Address of the first page's structure, once an event has said it.
    var pageBase: UInt64?
    var totals = Totals()
    var seen = Seen()
    /// Of the newest event.
    private(set) var time: UInt64 = 0
    /// There was an event in this trace; another trace may have been before.
    private var isUnderWay = false
    /// How often time has stepped back within this trace: times from before and after a step have no difference.
    private(set) var era: UInt64 = 0
    /// Lines or events at which time stepped back, and those at which another trace began because of it.
    private(set) var steps = Places("line", "steps back in time: no duration goes over one")
    private(set) var restarts = Places("line", "steps back in time by more than a second: each begins another trace")
    /// The clock counts something else than nanoseconds: there are no durations.
    var counts = false
    /// Of all functions that were seen to be entered.
    var landmarksEntered: Landmarks = []
    /// The detach to which a stack in the next lines belongs, and the line at which that begins.
    var stackOwner: (place: Int, line: UInt64)?
    var latestDetach: (place: Int, line: UInt64)?

    /// What sorts of events there were, to say at the end what was missing.
    struct Seen {
        var lookups: UInt64 = 0
        var pins: UInt64 = 0
        var pinReturns: UInt64 = 0
        var unlocks: UInt64 = 0
        var detaches: UInt64 = 0
        var functions: UInt64 = 0
        /// Unlocks that may be the function's own or not.
        var doubtfulUnlocks: UInt64 = 0
        var hasProcesses = false
        var isAny: Bool { lookups > 0 || pins > 0 || unlocks > 0 || detaches > 0 || functions > 0 }
    }

    init(showsKernelAddresses: Bool, tellsAll: Bool, mayLackLines: Bool) {
        names = KnownNames()
        self.showsKernelAddresses = showsKernelAddresses
        self.tellsAll = tellsAll
        self.mayLackLines = mayLackLines
        totals.lookups = 0
    }

    // MARK: Losses

    mutating func lose(_ stage: Loss.Stage, _ count: UInt64 = 1, into sink: inout some EventSink) {
        guard count > 0 else { return }
        sink.take(Loss(time: time, stage: stage, count: count))
    }

    /// Events are missing before the next one: nothing that is open can be trusted. Lookups that are open are dropped
    /// and counted.
    mutating func forget(into sink: inout some EventSink) {
        guard !tasks.isEmpty else { return }
        lose(.returnMissed, UInt64(tasks.states.count { $0.lookup.isOpen }), into: &sink)
        tasks.removeAll()
        stackOwner = nil
    }

    /// Something may be missing here: what is open is dropped, and a loss is counted if there is anything.
    mutating func doubt(into sink: inout some EventSink) {
        guard stackOwner != nil || tasks.states.contains(where: { !$0.isIdle }) else { return }
        lose(.ftraceBuffer, into: &sink)
        forget(into: &sink)
    }

    /// The events of a task are in an order that no kernel makes: some are missing.
    mutating func dropLookup(_ place: Int, into sink: inout some EventSink) {
        tasks.states[place].lookup.isOpen = false
        lose(.ftraceBuffer, into: &sink)
    }

    /// Another trace begins, with times of its own. Nothing goes on from the one before.
    mutating func beginAgain(into sink: inout some EventSink) {
        guard isUnderWay else { return }
        reportUnfinished(into: &sink)
        tasks.removeAll()
        stackOwner = nil
        detaches.removeAll()
        isUnderWay = false
        era += 1
    }

    /// Takes the time of the next event.
    private mutating func advance(to next: UInt64, line: UInt64, into sink: inout some EventSink) {
        if isUnderWay, next < time {
            if time - next > Self.restart {
                restarts.add(line)
                beginAgain(into: &sink)
            } else {
                steps.add(line)
                era += 1
            }
        } else if isUnderWay {
            totals.durationNs &+= next - time
        }
        (time, isUnderWay) = (next, true)
    }

    // MARK: Events

    /// One event; of `line` it need only be known that later events have larger numbers. False when an argument is
    /// missing without which the event says nothing.
    mutating func take(
        _ name: EventName, _ head: EventHead, _ arguments: borrowing Arguments, line: UInt64,
        into sink: inout some EventSink
    ) -> Bool {
        advance(to: head.time, line: line, into: &sink)
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
        case .pinReturn: return endPin(place, arguments, into: &sink)
        case .lockWait: waitForLock(place, isInterrupt: head.isInterrupt)
        case .unlock: return unlock(place, arguments, isInterrupt: head.isInterrupt, line: line, into: &sink)
        case .detach: return detach(place, arguments, line: line)
        case .removal: return removal(place, arguments, line: line)
        case .enter(let function): return enter(place, function, arguments, line: line, into: &sink)
        case .leave(let function): leave(place, function, into: &sink)
        case .stack, .marker, .systemCall: break
        }
        return true
    }

    /// The end of the trace: lookups that still loop, and the sums.
    mutating func end(into sink: inout some EventSink) {
        reportUnfinished(into: &sink)
        totals.isFinal = true
        sink.take(totals)
    }

    private mutating func reportUnfinished(into sink: inout some EventSink) {
        for task in tasks.unfinished {
            guard task.lookup.retries.total > 0 else { continue }
            sink.take(reported(task.lookup, of: task.identity, result: nil), isProgress: true)
        }
    }

    /// As the user sees it.
    func id(_ page: UInt64) -> PageID {
        if showsKernelAddresses { return PageID(rawValue: page) }
        // Mixed, so that it does not look like an address; the trace itself hides nothing.
        var mixed = (page ^ (page >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return PageID(rawValue: mixed ^ (mixed >> 31))
    }
}

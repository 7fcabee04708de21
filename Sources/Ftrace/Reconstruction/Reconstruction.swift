// SPDX-License-Identifier: Apache-2.0

// From events of a trace to events of futexscope: the state of tasks, detaches and sums, and which part of the
// reconstruction an event belongs to. The lookups are in Lookups.swift, the detaches and the operations around them in
// Detaches.swift. Facts that the trace does not contain stay unknown. A text may have lost lines without a mark, so an
// order of events that no kernel makes counts as a loss: the open state of that task is dropped.

import Events

/// The task of an event, and its time. The value is small, because there is one for each line.
struct EventHead {
    var tid: UInt32 = 0
    /// The process, where the trace knows it.
    var tgid: UInt32?
    /// The event is in an interrupt, so the task did not cause it.
    var isInterrupt = false
    /// What is unusual about the head of its line in a text.
    var oddities: Oddities = []
    /// The task's name, cut to fifteen bytes as the kernel does.
    var comm = Comm(low: 0, high: 0)
    /// Nanoseconds of the trace's clock.
    var time: UInt64 = 0

    struct Oddities: OptionSet, Sendable {
        let rawValue: UInt8
        /// The time is a bare number, as of a clock that counts something else than nanoseconds.
        static let isCount = Oddities(rawValue: 1)
        /// The columns of the name hold something else, and the name was read from behind it.
        static let isNameDoubtful = Oddities(rawValue: 2)
        /// The name has fewer columns than it should, so it may be the rest of a longer one.
        static let isNameShort = Oddities(rawValue: 4)
        /// The line is from perf, whose names have no columns.
        static let isPerf = Oddities(rawValue: 8)
    }
}

/// The state of one trace, event by event.
struct Reconstruction {
    /// When time steps back by this many nanoseconds, another trace has begun.
    private static let restart: UInt64 = 1_000_000_000

    let names: KnownNames
    /// Lines may be missing without a mark, as in a text from a console.
    let mayLackLines: Bool
    private let showsKernelAddresses: Bool
    let emitsAll: Bool
    /// Lookups were recorded from entry to return; else their observations alone.
    let followsLookups: Bool
    /// Which lookups are reported and counted.
    let wanted: LookupFilter
    /// Whether a process maps a file now; nil where that cannot be found out.
    let mapsFile: ((_ process: UInt32, _ file: FileID) -> Bool)?
    var tasks = TaskTable()
    var detaches = DetachTable()
    /// Address of the first page's structure, once an event has shown it.
    var pageBase: UInt64?
    var totals = Totals()
    var seen = Seen()
    /// Of the newest event.
    private(set) var time: UInt64 = 0
    /// There was an event in this trace; another trace may have been before.
    private var isUnderWay = false
    /// How often time has stepped back within this trace: there is no difference between times before and after a step.
    private(set) var era: UInt64 = 0
    /// Lines or events at which time stepped back, and those at which another trace began because of it.
    private(set) var steps = Places("line", "steps back in time: no duration goes over one")
    private(set) var restarts = Places("line", "steps back in time by more than a second: each begins another trace")
    /// The clock counts something else than nanoseconds: there are no durations.
    var counts = false
    /// All functions whose entry was seen.
    var landmarksEntered: Landmarks = []
    /// The detach to which a stack in the next lines belongs, and the line at which that begins.
    var stackOwner: StackOwner?
    var latestDetach: (place: Int, line: UInt64)?

    /// The kinds of events that occurred, so that missing kinds can be reported at the end.
    struct Seen {
        var lookups: UInt64 = 0
        var pins: UInt64 = 0
        var pinReturns: UInt64 = 0
        var unlocks: UInt64 = 0
        var detaches: UInt64 = 0
        var functions: UInt64 = 0
        /// Ends of lookups, of any kind.
        var returns: UInt64 = 0
        /// Unlocks that may or may not be the function's own.
        var doubtfulUnlocks: UInt64 = 0
        /// Lookups that retried, or of which one ended and another began.
        var doubtfulLookups: UInt64 = 0
        var hasProcesses = false
        var isAny: Bool { lookups > 0 || pins > 0 || unlocks > 0 || detaches > 0 || functions > 0 }
    }

    init(
        showsKernelAddresses: Bool, emitsAll: Bool, mayLackLines: Bool, followsLookups: Bool = true,
        wanted: LookupFilter = LookupFilter(), mapsFile: ((UInt32, FileID) -> Bool)? = nil
    ) {
        names = KnownNames()
        self.showsKernelAddresses = showsKernelAddresses
        self.emitsAll = emitsAll
        self.mayLackLines = mayLackLines
        self.followsLookups = followsLookups
        self.wanted = wanted
        self.mapsFile = mapsFile
        if followsLookups { totals.lookups = 0 }
    }

    // MARK: Losses

    @inline(never)
    mutating func lose(_ stage: Loss.Stage, _ count: UInt64 = 1, into sink: inout some EventSink) {
        guard count > 0 else { return }
        sink.take(Loss(time: time, stage: stage, count: count))
    }

    /// Events are missing before the next one, so the open state cannot be trusted. Lookups that are open are dropped
    /// and counted.
    @inline(never)
    mutating func forget(into sink: inout some EventSink) {
        // An observation alone does not show when its lookup began, so a lost detach may have replaced the one that was
        // stored for its page before the loss.
        if !followsLookups { detaches.removeAll() }
        guard !tasks.isEmpty else { return }
        lose(.returnMissed, UInt64(tasks.states.count { $0.lookup.isOpen }), into: &sink)
        tasks.removeAll()
        stackOwner = nil
    }

    /// Something may be missing here: the open state is dropped, and a loss is counted if there is any.
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

    /// Another trace begins, with times of its own. Nothing continues from the one before.
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
    @inline(__always)
    private mutating func advance(to next: UInt64, line: UInt64, into sink: inout some EventSink) {
        if isUnderWay, next < time {
            stepBack(to: next, line: line, into: &sink)
        } else if isUnderWay, !counts {
            totals.durationNs &+= next - time
        }
        (time, isUnderWay) = (next, true)
    }

    @inline(never)
    private mutating func stepBack(to next: UInt64, line: UInt64, into sink: inout some EventSink) {
        if time - next > Self.restart {
            restarts.add(line)
            beginAgain(into: &sink)
        } else {
            steps.add(line)
            era += 1
        }
    }

    // MARK: Events

    /// One event; later events must have larger values of `line`. False when an argument is missing without which the
    /// event is useless.
    @inline(__always)
    mutating func take(
        _ name: EventName, _ head: EventHead, _ arguments: borrowing Arguments, line: UInt64,
        into sink: inout some EventSink
    ) -> Bool {
        advance(to: head.time, line: line, into: &sink)
        guard let place = tasks.place(of: head.tid) else {
            lose(.lookupTable, into: &sink)
            return true
        }
        if head.tgid != nil { seen.hasProcesses = true }
        let latest = tasks.states[place].takeEvent(head)
        if tasks.states[place].underWay != nil { endDetach(place, name, line: line) }
        switch name {
        case .lookup: return beginLookup(place, arguments, line: line, into: &sink)
        case .lookupReturn: return endLookup(place, arguments, line: line, into: &sink)
        case .pin: return beginPin(place, arguments, line: line, into: &sink)
        case .pinReturn: return endPin(place, arguments, line: line, into: &sink)
        case .lockWait: waitForLock(place, isInterrupt: head.isInterrupt)
        case .unlock:
            return followsLookups
                ? unlock(place, arguments, isInterrupt: head.isInterrupt, line: line, into: &sink)
                : observe(place, arguments, line: line, into: &sink)
        case .detach: return detach(place, arguments, line: line, into: &sink)
        case .removal: return removal(place, arguments, line: line)
        case .enter(let function): return enter(place, function, arguments, line: line, into: &sink)
        case .leave(let function): leave(place, function, into: &sink)
        case .stack: stackOwner = latest.map { StackOwner(place: $0, line: line) }
        case .marker, .systemCall: break
        }
        return true
    }

    /// The end of the trace: lookups that have met something and not returned, and the sums.
    mutating func end(into sink: inout some EventSink) {
        reportUnfinished(into: &sink)
        totals.isFinal = true
        sink.take(totals)
    }

    mutating func reportUnfinished(into sink: inout some EventSink) {
        for task in tasks.unfinished {
            if task.lookup.retries.total > 0 {
                sink.take(reported(task.lookup, of: task.identity, result: nil), isProgress: true)
            }
            if task.lookup.isUnlocked { endUnseen(task, into: &sink) }
        }
    }

    /// The id that the user sees.
    func id(_ page: UInt64) -> PageID {
        if showsKernelAddresses { return PageID(rawValue: page) }
        // Mixed, so that it does not look like an address; the trace itself hides nothing.
        var mixed = (page ^ (page >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return PageID(rawValue: mixed ^ (mixed >> 31))
    }
}

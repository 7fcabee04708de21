// SPDX-License-Identifier: Apache-2.0

// From events of a trace to events of futexscope. This file has the state (tasks, detaches, totals), the losses, and
// the step from an event to the function for it. Lookups are in Lookups.swift, detaches and the operations around them
// in Detaches.swift. Facts that the trace does not contain stay unknown. A text may lack lines although nothing shows
// it. So an order of events that no kernel makes is counted as a loss: the lookup is dropped, and in a text all open state.

import Events

/// The task of an event, and its time. The value is small, because there is one for each line.
struct EventHead {
    var tid: UInt32 = 0
    /// The process, where the trace knows it.
    var tgid: UInt32?
    /// The event is in an interrupt, so the task did not cause it.
    var isInterrupt = false
    /// In a text, how the head of its line differs from what the kernel prints.
    var oddities: Oddities = []
    /// The task's name, cut to fifteen bytes as the kernel does.
    var comm = Comm(low: 0, high: 0)
    /// Nanoseconds of the trace's clock.
    var time: UInt64 = 0

    struct Oddities: OptionSet, Sendable {
        let rawValue: UInt8
        /// The time is a number without a unit, as of a clock that does not count nanoseconds: "12345: ".
        static let isCount = Oddities(rawValue: 1)
        /// A prefix is in the columns of the name, and the name was read from behind it: "host: app-123".
        static let isNameDoubtful = Oddities(rawValue: 2)
        /// The name has less than its fixed number of columns, so it may be the rest of a longer one.
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
    /// Lines may be missing although nothing shows it, as in a text from a console.
    let mayLackLines: Bool
    private let showsKernelAddresses: Bool
    let emitsAll: Bool
    /// Lookups were recorded from entry to return; else only their observations were.
    let followsLookups: Bool
    /// Which lookups are reported and counted.
    let wanted: LookupFilter
    /// Whether a process maps a file now. Nil where that cannot be known, as for a trace of another host.
    let mapsFile: ((_ process: UInt32, _ file: FileID) -> Bool)?
    var tasks = TaskTable()
    var detaches = DetachTable()
    /// Address of the first page's structure, once an event has shown it.
    var pageBase: UInt64?
    var totals = Totals()
    var seen = Seen()
    /// Time of the newest event, in nanoseconds of the trace's clock.
    private(set) var time: UInt64 = 0
    /// There was an event since this trace began. One input may have several traces.
    private var isUnderWay = false
    /// How often time has stepped back. Times before and after a step are not subtracted from each other.
    private(set) var era: UInt64 = 0
    /// Lines or events at which time stepped back, and those at which another trace began because of it.
    private(set) var steps = Places("line", "steps back in time: no duration goes over one")
    private(set) var restarts = Places("line", "steps back in time by more than a second: each begins another trace")
    /// The clock does not count nanoseconds, so there are no durations.
    var counts = false
    /// Landmarks of all functions whose entry was seen.
    var landmarksEntered: Landmarks = []
    /// The trace has entries or ends of functions, perhaps further behind.
    var hasFunctions = false
    /// What decides about a stack in a trace that may lack lines; see `DetachTable.Slot.settled`.
    var entriesSeen: Landmarks? { hasFunctions ? landmarksEntered : nil }
    /// The detach to which a stack in the next lines belongs.
    var stackOwner: StackOwner?
    /// The newest detach, by its place in the table, and its line.
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
        /// Unlocks within lookups that get_futex_key() itself or another function may have made.
        var doubtfulUnlocks: UInt64 = 0
        /// Lookups that either retried, or are two lookups with a return and an entry missing between them.
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

    /// Reports a loss of `count` events; nothing for 0.
    @inline(never)
    mutating func lose(_ stage: Loss.Stage, _ count: UInt64 = 1, into sink: inout some EventSink) {
        guard count > 0 else { return }
        sink.take(Loss(time: time, stage: stage, count: count))
    }

    /// Events are missing before the next one, so the open state cannot be trusted. Lookups that are open are dropped
    /// and counted.
    @inline(never)
    mutating func forget(into sink: inout some EventSink) {
        // An observation alone does not show when its lookup began. So its page may have been detached again in the
        // lost events, and an older detach in the table would be the wrong one.
        if !followsLookups { detaches.removeAll() }
        guard !tasks.isEmpty else { return }
        lose(.returnMissed, UInt64(tasks.states.count { $0.lookup.isOpen }), into: &sink)
        tasks.removeAll()
        stackOwner = nil
    }

    /// Events may be missing here. If a lookup, a function or a stack is open, that state is dropped and a loss is
    /// counted.
    mutating func doubt(into sink: inout some EventSink) {
        guard stackOwner != nil || tasks.states.contains(where: { !$0.isIdle }) else { return }
        lose(.ftraceBuffer, into: &sink)
        forget(into: &sink)
    }

    /// Drops a task's lookup and counts a loss: its events are in an order that no kernel makes, so some are missing.
    @inline(never)
    mutating func dropLookup(_ place: Int, into sink: inout some EventSink) {
        tasks.states[place].stopLookup()
        loseUnmarked(into: &sink)
    }

    /// Counts a loss that only the order of a task's events shows. In a text, lines of all tasks are missing then, and it
    /// is not known where: nothing that is open can be trusted.
    @inline(never)
    mutating func loseUnmarked(into sink: inout some EventSink) {
        lose(.ftraceBuffer, into: &sink)
        guard mayLackLines else { return }
        var dropped: UInt64 = 0
        for place in tasks.takeActive() {
            if tasks.states[place].lookup.isOpen {
                tasks.states[place].stopLookup()
                dropped += 1
            }
            tasks.states[place].forgetFunctions()
        }
        lose(.returnMissed, dropped, into: &sink)
    }

    /// Another trace begins, with times of its own. Nothing continues from the one before.
    mutating func beginAgain(into sink: inout some EventSink) {
        guard isUnderWay else { return }
        reportUnfinished(into: &sink)
        // A lookup that has pinned its page ends in missing lines, or with its kernel.
        lose(.returnMissed, UInt64(tasks.states.count { $0.lookup.isWaitingForUnlock }), into: &sink)
        tasks.removeAll()
        stackOwner = nil
        detaches.removeAll()
        isUnderWay = false
        era += 1
    }

    /// Goes to the time of the next event.
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

    /// Takes one event. Later events must have larger values of `line`. False when an argument is missing without which
    /// the event is useless.
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
        if !tasks.states[place].isActive { tasks.activate(place) }
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

    /// The end of the trace: reports the lookups that have not returned, and the totals.
    mutating func end(into sink: inout some EventSink) {
        reportUnfinished(into: &sink)
        totals.isFinal = true
        sink.take(totals)
    }

    /// Reports the lookups that have met something and not returned.
    mutating func reportUnfinished(into sink: inout some EventSink) {
        for task in tasks.unfinished {
            if task.lookup.retries.total > 0 {
                sink.take(reported(task.lookup, of: task.identity, result: nil), isProgress: true)
            }
            if task.lookup.isUnlocked { endUnseen(task, into: &sink) }
        }
    }

    /// The id of a page that the user sees: its address, or a number that hides it.
    func id(_ page: UInt64) -> PageID {
        if showsKernelAddresses { return PageID(rawValue: page) }
        // A mixed number must not look like an address. It needs no secret, because the trace itself has the address.
        var mixed = (page ^ (page >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return PageID(rawValue: mixed ^ (mixed >> 31))
    }
}

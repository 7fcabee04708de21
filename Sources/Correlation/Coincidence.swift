// SPDX-License-Identifier: Apache-2.0

// How observed lookups lie in time against the operations that detach pages. A lookup coincides with a kind of operation
// if it overlaps one of that kind anywhere on the host. The share expected by chance is the part of the run that the
// kind's operations cover, each widened by the duration of the lookup. Operations are reported at their end, so lookups
// wait until no later end can reach them. Memory: at most 98,304 waiting lookups of 24 bytes, 64 KiB of intervals and
// 4 KiB of gaps for each kind, and 1024 operations in progress.

public import Events

/// The coincidence in time of observed lookups with one kind of operation.
public struct CoincidenceRow: Sendable, Equatable {
    public var kind: ActivityKind
    /// Operations that were reported one by one.
    public var operations: UInt64
    /// Nanoseconds in which at least one of them was in progress.
    public var busyNs: UInt64
    /// The probability that a lookup that starts at a random time overlaps an operation: the mean over the durations
    /// of the observed lookups. 0 to 1.
    public var share: Double
    /// Duration of the run in nanoseconds.
    public var runNs: UInt64
    /// Observed lookups that overlap an operation, and those that overlap none.
    public var during: UInt64
    public var outside: UInt64
    /// Observed lookups whose cause is this kind, which is known independently of time; nil where no cause stands for
    /// this kind alone.
    public var caused: UInt64?
    /// The expected number of overlaps if lookups and operations were independent, and its standard deviation.
    public var expected: Double
    public var deviation: Double

    /// `during` divided by `expected`: about 1 if they are independent. Nil where none is expected.
    public var ratio: Double? { expected > 0 ? Double(during) / expected : nil }
    /// Lookups per second during operations, and outside; nil where there is no such time.
    public var rateDuring: Double? { Self.rate(during, ns: share * Double(runNs)) }
    public var rateOutside: Double? { Self.rate(outside, ns: (1 - share) * Double(runNs)) }

    private static func rate(_ count: UInt64, ns: Double) -> Double? {
        ns > 0 ? Double(count) / ns * 1e9 : nil
    }
}

/// Takes observed lookups and operations, roughly in the order of their ends.
struct Coincidence: Sendable, Equatable {
    /// The largest number of lookups that wait, and the longest wait in nanoseconds of the events' time.
    static let waitingLimit = 65_536
    static let horizonNs: UInt64 = 10_000_000_000
    static let openLimit = 1024

    private struct Observed: Sendable, Equatable {
        var start: UInt64
        var end: UInt64
        /// One bit for each kind that it is known to overlap.
        var met: UInt16 = 0
    }

    private struct Kind: Sendable, Equatable {
        var operations: UInt64 = 0
        var during: UInt64 = 0
        var caused: UInt64 = 0
        var intervals = IntervalUnion()
        /// Starts of operations in progress, by thread.
        var open: [UInt32: UInt64] = [:]
        /// The first of `open`.
        var openSince: UInt64?

        mutating func close(_ tid: UInt32) {
            guard let begun = open.removeValue(forKey: tid), begun == openSince else { return }
            openSince = open.values.min()
        }

        func overlaps(_ lookup: Observed) -> Bool {
            intervals.overlap(from: lookup.start, to: lookup.end) || (openSince.map { $0 <= lookup.end } ?? false)
        }
    }

    /// The kind that a cause stands for.
    private static let kindOfCause = ActivityKind.allCases.reduce(into: CaseTable<Cause, ActivityKind>()) {
        table, kind in
        if let cause = kind.cause { table[cause, default: kind] = kind }
    }

    private let window: ClosedRange<UInt64>
    /// By raw value.
    private var kinds = [Kind](repeating: Kind(), count: ActivityKind.allCases.count + 1)
    /// In the order of arrival; those before `next` have been decided.
    private var waiting: [Observed] = []
    private var next = 0
    private var latest: UInt64 = 0
    /// The latest end among the lookups that were decided.
    private var decided: UInt64?
    private var observed: UInt64 = 0
    private var lengths = DurationHistogram()

    /// Operations were lost or came too late, so that lookups may overlap more of them than is known.
    private(set) var isLowerBound = false

    init(window: ClosedRange<UInt64>) { self.window = window }

    // MARK: Feeding

    /// An observed lookup within the window.
    mutating func add(_ finding: Finding) {
        let lookup = finding.lookup
        // It was in progress at the detach that it met, whether its entry was seen or not.
        let length = lookup.durationNs ?? finding.detachAgeNs ?? 0
        let start = lookup.time >= length ? lookup.time - length : 0
        observed += 1
        lengths.add(length)
        if let kind = Self.kindOfCause[finding.cause] { kinds[kind.index].caused += 1 }
        waiting.append(Observed(start: max(start, window.lowerBound), end: lookup.time))
        advance(to: lookup.time)
        if waiting.count - next > Self.waitingLimit { decideNext() }
    }

    /// The start or end of an operation; the timeline gets the times in which operations were in progress.
    mutating func add(_ activity: Activity, timeline: inout Timeline) {
        let (index, tid) = (activity.kind.index, activity.task.tid)
        guard let durationNs = activity.durationNs else {
            begin(index, tid: tid, at: activity.time)
            return
        }
        let start = activity.time >= durationNs ? activity.time - durationNs : 0
        // The start event has the same time as the start of the duration. What started later on the same task
        // cannot end after it.
        if let begun = kinds[index].open[tid], begun >= start {
            kinds[index].close(tid)
        } else if let decided, start <= decided {
            isLowerBound = true
        }
        count(activity.kind, from: start, to: activity.time, timeline: &timeline)
        advance(to: activity.time)
    }

    private mutating func begin(_ index: Int, tid: UInt32, at time: UInt64) {
        // Reclaim may start within reclaim: the outer one lasts longer.
        guard kinds[index].open[tid] == nil else { return }
        guard kinds[index].open.count < Self.openLimit else {
            isLowerBound = true
            return
        }
        kinds[index].open[tid] = time
        kinds[index].openSince = min(kinds[index].openSince ?? time, time)
    }

    private mutating func count(_ kind: ActivityKind, from start: UInt64, to end: UInt64, timeline: inout Timeline) {
        guard end >= window.lowerBound, start <= window.upperBound else { return }
        kinds[kind.index].operations += 1
        // An operation in progress that started earlier covers it.
        if let since = kinds[kind.index].openSince, since <= start { return }
        let (from, to) = (max(start, window.lowerBound), min(end, window.upperBound))
        if !kinds[kind.index].intervals.insert(from: from, to: to) { isLowerBound = true }
        if kinds[kind.index].intervals.isFull { settle(kind, timeline: &timeline) }
    }

    /// Something was lost.
    mutating func add(_ loss: Loss) {
        guard loss.stage.hidesOperations else { return }
        isLowerBound = true
        // What started may have ended unseen.
        forgetOpen()
    }

    /// The events have reached this time: lookups older than the horizon are decided.
    mutating func advance(to time: UInt64) {
        latest = max(latest, time)
        while next < waiting.count, latest - min(latest, waiting[next].end) > Self.horizonNs { decideNext() }
    }

    // MARK: Deciding

    private mutating func decideNext() {
        let lookup = waiting[next]
        next += 1
        decided = max(decided ?? 0, lookup.end)
        for index in kinds.indices where lookup.met & 1 << index != 0 || kinds[index].overlaps(lookup) {
            kinds[index].during += 1
        }
        if next >= Self.waitingLimit / 2 {
            waiting.removeFirst(next)
            next = 0
        }
    }

    /// Settles the older intervals of a kind, after the lookups that may need them have been compared with them.
    private mutating func settle(_ kind: ActivityKind, timeline: inout Timeline) {
        let bit: UInt16 = 1 << kind.index
        // Only these can overlap what will be settled; the others are compared later.
        let end = kinds[kind.index].intervals.endOfOlderHalf
        let asked = kinds[kind.index]
        for index in next..<waiting.count where waiting[index].start <= end && waiting[index].met & bit == 0 {
            if asked.overlaps(waiting[index]) { waiting[index].met |= bit }
        }
        for interval in kinds[kind.index].intervals.settleOlderHalf() {
            timeline.addBusy(kind, from: interval.start, to: interval.end)
        }
    }

    private mutating func forgetOpen() {
        for index in kinds.indices { (kinds[index].open, kinds[index].openSince) = ([:], nil) }
    }

    // MARK: The end

    /// The run is over: operations in progress last until its end, and all waiting lookups are decided. Shares are of
    /// `run`.
    mutating func finish(run: ClosedRange<UInt64>, timeline: inout Timeline) -> [CoincidenceRow] {
        latest = max(latest, run.upperBound)
        let runNs = run.upperBound - run.lowerBound
        let begins = kinds.map { $0.open.values.sorted() }
        forgetOpen()
        for kind in ActivityKind.allCases {
            for begun in begins[kind.index] where begun <= latest {
                count(kind, from: begun, to: latest, timeline: &timeline)
            }
        }
        while next < waiting.count { decideNext() }
        return ActivityKind.allCases.compactMap { kind in
            for interval in kinds[kind.index].intervals.settleAll(begin: run.lowerBound) {
                timeline.addBusy(kind, from: interval.start, to: interval.end)
            }
            let state = kinds[kind.index]
            return state.operations + state.during + state.caused == 0 ? nil : row(kind, state, runNs: runNs)
        }
    }

    private func row(_ kind: ActivityKind, _ state: Kind, runNs: UInt64) -> CoincidenceRow {
        let (gaps, busyNs) = (state.intervals.gaps.means, Double(state.intervals.settledNs))
        var (expected, variance) = (0.0, 0.0)
        for (length, count) in lengths.means where state.operations > 0 && runNs > 0 {
            // A lookup overlaps an operation if it starts within it, or at most its own duration before it.
            let before = gaps.reduce(0) { $0 + $1.count * min($1.duration, length) }
            let share = min(1, (busyNs + before) / Double(runNs))
            expected += count * share
            variance += count * share * (1 - share)
        }
        return CoincidenceRow(
            kind: kind, operations: state.operations, busyNs: state.intervals.settledNs,
            share: observed > 0 ? expected / Double(observed) : min(1, runNs > 0 ? busyNs / Double(runNs) : 0),
            runNs: runNs, during: state.during, outside: observed - min(observed, state.during),
            caused: kind.cause == nil ? nil : state.caused, expected: expected,
            deviation: variance.squareRoot())
    }
}

extension ActivityKind {
    /// The cause that stands for this kind alone.
    public var cause: Cause? { Cause(rawValue: name) }
    fileprivate var index: Int { Int(rawValue) }
}

// SPDX-License-Identifier: Apache-2.0

// A whole run, for a report: the distributions of passes and durations, when findings came, pairs of culprit and victim,
// what stays unexplained, and how observed lookups lie in time against the operations that detach pages. An observed
// lookup is one that counts in the summary's table of causes: it met a page without a mapping, or one whose detach was
// seen. Streaming; memory is bounded by about 4 MB, nearly all of it for the coincidence in time.

public import Events

/// Feed it every event with the finding that the correlator made of it, then `finish()` once.
public struct Analysis: Sendable, Equatable {
    /// Rows kept of pairs of culprit and victim.
    public static let pairLimit = 512

    public struct PairKey: Sendable, Hashable {
        /// Nil for a page that never has a mapping, and where the detach is not known.
        public var culprit: Summary.ProcessKey?
        public var victim: Summary.ProcessKey
        public var cause: Cause

        /// By the cause's number: hashing its name would take longer than all the rest.
        public func hash(into hasher: inout Hasher) {
            hasher.combine(culprit)
            hasher.combine(victim)
            hasher.combine(CaseTable<Cause, Pair>.number(of: cause))
        }
    }

    /// Observed lookups.
    public struct Pair: Sendable, Equatable {
        public var lookups: UInt64 = 0
        public var failed: UInt64 = 0
        public var spurious: UInt64 = 0
        public init() {}

        init(_ finding: Finding) {
            lookups = 1
            failed = finding.outcome == .failed ? 1 : 0
            spurious = finding.spurious == true ? 1 : 0
        }

        static func += (sum: inout Pair, one: Pair) {
            sum.lookups += one.lookups
            sum.failed += one.failed
            sum.spurious += one.spurious
        }
    }

    /// Observed lookups without a cause, and those of them whose evidence may be among the events lost.
    public struct Unknown: Sendable, Equatable {
        public var lookups: UInt64 = 0
        public var incomplete: UInt64 = 0
        public init() {}
    }

    /// Only findings within it count, and only the part of each operation that lies within it.
    public let window: ClosedRange<UInt64>

    /// Of every finding whose entry was seen; of a loop that has not ended, its latest finding.
    public private(set) var passes = Histogram()
    public private(set) var durationsNs = Histogram()
    public private(set) var passesByCause = CaseTable<Cause, Histogram>()
    public private(set) var durationsNsByCause = CaseTable<Cause, Histogram>()
    public private(set) var timeline = Timeline()
    public private(set) var pairs: [PairKey: Pair] = [:]
    /// Observed lookups whose pair had no row left.
    public private(set) var pairsBeyondLimit: UInt64 = 0
    public private(set) var unknown = CaseTable<UnknownReason, Unknown>()
    /// Observed lookups.
    public private(set) var observed: UInt64 = 0

    /// The run, as far as events and totals show, CLOCK_MONOTONIC nanoseconds; nil when there was neither.
    public var span: ClosedRange<UInt64>? { first <= last ? first...last : nil }
    private var first = UInt64.max
    private var last: UInt64 = 0
    /// Nanoseconds of it within the window. Known once finished, as is what follows.
    public private(set) var runNs: UInt64 = 0
    /// The kinds that occurred, or that explain a finding, in the order of `ActivityKind`.
    public private(set) var coincidence: [CoincidenceRow] = []
    /// Operations were lost: `during` and `busyNs` are lower bounds.
    public private(set) var coincidenceIsLowerBound = false

    private var inTime: Coincidence

    public init(window: ClosedRange<UInt64> = 0...UInt64.max) {
        self.window = window
        inTime = Coincidence(window: window)
    }

    /// Takes the next event. `finding` is nil where the event completes none, or the filter rejects it.
    public mutating func take(_ event: Event, finding: Finding?) {
        switch event {
        case .lookup(let lookup):
            take(lookup)
            if let finding { take(finding) }
        case .progress(let lookup): take(lookup)
        case .detach(let detach): take(detach)
        case .activity(let activity): take(activity)
        case .lost(let loss): take(loss)
        case .totals(let totals): take(totals)
        case .name: break
        }
    }

    /// Takes a lookup that ended, or the progress of one.
    public mutating func take(_ lookup: Lookup) { reach(lookup.time, lengthNs: lookup.durationNs) }

    /// Takes the finding of a lookup that ended.
    public mutating func take(_ finding: Finding) { add(finding) }

    public mutating func take(_ detach: Detach) { reach(detach.time) }

    public mutating func take(_ activity: Activity) {
        reach(activity.time, lengthNs: activity.durationNs)
        inTime.add(activity, timeline: &timeline)
    }

    public mutating func take(_ loss: Loss) { inTime.add(loss) }

    public mutating func take(_ totals: Totals) {
        // The run started before the first event, and ended after the last.
        guard totals.time > 0 else { return }
        widenSpan(from: totals.time - min(totals.time, totals.durationNs), to: totals.time)
    }

    /// Ends the run. `unfinished` are the latest findings of lookups that have not ended.
    public mutating func finish(unfinished: [Finding] = []) {
        for finding in unfinished { add(finding) }
        let run = (span ?? 0...0).clamped(to: window)
        runNs = run.upperBound - run.lowerBound
        if timeline.originNs != nil { timeline.extend(to: run.upperBound) }
        coincidence = inTime.finish(run: run, timeline: &timeline)
        coincidenceIsLowerBound = inTime.isLowerBound
        inTime = Coincidence(window: window)
    }

    /// Something ended at this time that had taken `lengthNs`.
    private mutating func reach(_ time: UInt64, lengthNs: UInt64? = nil) {
        inTime.advance(to: time)
        let begin = time - min(time, lengthNs ?? 0)
        widenSpan(from: begin, to: time)
        guard window.contains(time) else { return }
        timeline.extend(to: max(begin, window.lowerBound))
        timeline.extend(to: time)
    }

    private mutating func widenSpan(from begin: UInt64, to end: UInt64) {
        first = min(first, begin)
        last = max(last, end)
    }

    // MARK: Findings

    private mutating func add(_ finding: Finding) {
        let lookup = finding.lookup
        guard lookup.observations > 0 || lookup.retries.total > 0, window.contains(lookup.time) else { return }
        let cause = finding.explainedCause
        if let durationNs = lookup.durationNs {
            passes.add(lookup.passes)
            durationsNs.add(durationNs)
            if let cause {
                passesByCause[cause, default: Histogram()].add(lookup.passes)
                durationsNsByCause[cause, default: Histogram()].add(durationNs)
            }
        }
        guard let cause else { return }
        observed += 1
        timeline.add(cause, failed: finding.outcome == .failed, at: lookup.time)
        inTime.add(finding)
        addPair(finding, cause: cause)
        if let reason = finding.unknownReason {
            unknown[reason, default: Unknown()].lookups += 1
            if finding.isIncomplete { unknown[reason, default: Unknown()].incomplete += 1 }
        }
    }

    private mutating func addPair(_ finding: Finding, cause: Cause) {
        let victim = finding.lookup.victim
        let key = PairKey(
            culprit: finding.detach.map { Summary.ProcessKey(pid: $0.culprit.pid, comm: $0.culprit.comm) },
            victim: Summary.ProcessKey(pid: victim.pid, comm: victim.comm), cause: cause)
        guard let place = pairs.index(forKey: key) else {
            guard pairs.count < Self.pairLimit else {
                pairsBeyondLimit += 1
                return
            }
            pairs[key] = Pair(finding)
            return
        }
        pairs.values[place] += Pair(finding)
    }
}

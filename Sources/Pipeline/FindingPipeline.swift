// SPDX-License-Identifier: Apache-2.0

// The common part of all consumers of events, whether they write findings, show them live, serve them, or wait for one:
// the correlator, the names that findings need, the counters, and the analysis of the whole run where it is wanted.
// Pure: the caller supplies events, times, and facts that only the system knows.

public import Correlation
public import Events
public import Presentation

/// One run from its first event to its report.
public struct FindingPipeline: Sendable {
    private var correlator: Correlator
    private var context: Context
    private let run: RunInfo
    private let grouping: WorkloadGrouping
    private let filters: String
    /// Time of the last event that has one: CLOCK_MONOTONIC nanoseconds.
    public private(set) var latestTime: UInt64 = 0
    private var totals = Totals()

    /// The state that is needed while the correlator holds a finding.
    private struct Context: Sendable {
        var analysis: Analysis?
        var legend: Legend
    }

    /// `grouping` is how tables and conclusions group tasks; to group by process, the correlator has to keep processes.
    /// `filters` are those that the correlator applies, as options of the command.
    public init(
        correlator: Correlator, run: RunInfo, analysis: Analysis? = nil, grouping: WorkloadGrouping = .workload,
        filters: String = ""
    ) {
        (self.correlator, self.run) = (correlator, run)
        (self.grouping, self.filters) = (grouping, filters)
        context = Context(analysis: analysis, legend: Legend(of: run))
    }

    /// Names as learnt so far, and the run's clock.
    public var legend: Legend { context.legend }

    // MARK: Events

    /// Takes the next event; `found` gets the finding, if it makes one known.
    public mutating func take(_ event: Event, found: (Finding, Legend) -> Void) {
        switch event {
        case .lookup(let lookup): take(lookup, isProgress: false, found: found)
        case .progress(let lookup): take(lookup, isProgress: true, found: found)
        case .detach(let detach): take(detach)
        case .activity(let activity): take(activity)
        case .name(let name): take(name)
        case .lost(let loss): take(loss)
        case .totals(let totals): take(totals)
        }
    }

    /// Takes a lookup that ended, or the progress of one; `found` gets the finding, if there is one.
    public mutating func take(_ lookup: Lookup, isProgress: Bool, found: (Finding, Legend) -> Void) {
        latestTime = max(latestTime, lookup.time)
        context.analysis?.take(lookup)
        Self.take(
            lookup, isProgress: isProgress, by: &correlator, into: &context.analysis, legend: context.legend,
            found: found)
    }

    // Static, with the parts as parameters: a closure that captures the context copies the legend for each finding.
    private static func take(
        _ lookup: Lookup, isProgress: Bool, by correlator: inout Correlator, into analysis: inout Analysis?,
        legend: borrowing Legend, found: (Finding, Legend) -> Void
    ) {
        correlator.take(lookup, isProgress: isProgress) { finding in
            if !finding.isProgress { analysis?.take(finding) }
            found(finding, legend)
        }
    }

    public mutating func take(_ detach: Detach) {
        latestTime = max(latestTime, detach.time)
        correlator.take(detach)
        context.analysis?.take(detach)
    }

    public mutating func take(_ activity: Activity) {
        latestTime = max(latestTime, activity.time)
        context.analysis?.take(activity)
    }

    /// - Returns: the subject whose name was dropped for this one.
    @discardableResult
    public mutating func take(_ name: Name) -> Name.Subject? {
        correlator.take(name)
        return context.legend.names.learn(name)
    }

    public mutating func take(_ loss: Loss) {
        correlator.take(loss)
        context.analysis?.take(loss)
    }

    public mutating func take(_ totals: Totals) {
        self.totals = totals
        latestTime = max(latestTime, totals.time)
        context.analysis?.take(totals)
    }

    // MARK: What is known

    /// Whether the source has said that it ended in the ordinary way.
    public var hasFinalCounters: Bool { totals.isFinal }

    /// The state so far. First, loops are dropped that would have been reported again by now, and those for which
    /// `canLoop` is false: only the caller can find out whether a task still exists.
    /// - Parameter now: CLOCK_MONOTONIC nanoseconds; the time of the last counters if it is nil.
    public mutating func state(at now: UInt64? = nil, canLoop: (TaskIdentity) -> Bool) -> RunState {
        correlator.giveUpLoops(at: now ?? totals.time, unless: canLoop)
        return RunState(report: report(omissions: []), loops: correlator.loops.all, legend: legend)
    }

    /// Ends the run: loops that have not ended are counted with their last known values.
    public mutating func end(omissions: [Omission] = []) -> RunReport {
        let unfinished = correlator.finish()
        context.analysis?.finish(unfinished: unfinished)
        return report(omissions: omissions)
    }

    private func report(omissions: [Omission]) -> RunReport {
        RunReport(
            summary: correlator.summary, totals: totals, losses: correlator.losses, run: run,
            analysis: context.analysis, omissions: omissions, grouping: grouping,
            filters: filters)
    }
}

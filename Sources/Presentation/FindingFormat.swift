// SPDX-License-Identifier: Apache-2.0

// The protocol of a format of findings: bytes for the start, for each finding, for each loss, and for the end. A format
// is pure: it appends to a buffer, and knows neither where the bytes go nor what time it is.

public import Correlation
public import Events

/// One way to write findings.
public protocol FindingFormat: Sendable {
    /// Whether losses and the summary are part of the format. If not, the caller reports them separately.
    var holdsLossesAndSummary: Bool { get }
    /// Whether it shows lookups that found their mapping. If not, no findings are made of them.
    var showsEveryLookup: Bool { get }
    /// Whether a copy of the format can write each row by itself and gives the same bytes.
    var rowsStandAlone: Bool { get }
    /// Whether it has rows of this kind; nothing is written for other kinds.
    func holds(_ type: RowType) -> Bool

    /// The bytes before the first finding.
    mutating func begin(into bytes: inout [UInt8])
    mutating func write(_ finding: Finding, legend: Legend, into bytes: inout [UInt8])
    /// For formats with detaches: each detach is written once.
    mutating func write(_ detach: Detach, legend: Legend, into bytes: inout [UInt8])
    /// For formats with activities.
    mutating func write(_ activity: Activity, legend: Legend, into bytes: inout [UInt8])
    mutating func write(_ loss: Loss, legend: Legend, into bytes: inout [UInt8])
    mutating func end(_ report: RunReport, legend: Legend, into bytes: inout [UInt8])
    /// What a reader looks for in vain in the output of a run that is over, in one line for standard error; nil where nothing
    /// is missing, or the output says it. `rows` are the lookups that were written, with findings or without.
    func shortfall(in report: RunReport, rows: UInt64, legend: Legend) -> String?
    /// No event came for a while: what was held back is written now. Nothing to most formats.
    mutating func idle(into bytes: inout [UInt8])
    /// The width of the terminal changed; most formats do nothing.
    mutating func resize(to width: Int, into bytes: inout [UInt8])
}

extension FindingFormat {
    public var showsEveryLookup: Bool { true }
    public var rowsStandAlone: Bool { false }
    public func holds(_ type: RowType) -> Bool { type == .findings || type == .losses }
    public mutating func write(_ detach: Detach, legend: Legend, into bytes: inout [UInt8]) {}
    public mutating func write(_ activity: Activity, legend: Legend, into bytes: inout [UInt8]) {}
    public func shortfall(in report: RunReport, rows: UInt64, legend: Legend) -> String? {
        guard !holdsLossesAndSummary, holds(.findings), rows == 0 else { return nil }
        return report.conclusions(legend: legend).list.first?.line
    }
    public mutating func resize(to width: Int, into bytes: inout [UInt8]) {}
    public mutating func idle(into bytes: inout [UInt8]) {}
}

extension RunInfo {
    /// Whether lookups are followed from entry to return, so that passes and durations are known. A source that does not
    /// list its probes may know them.
    public var followsLookups: Bool {
        probes.isEmpty || probes.contains { $0.role == "lookup" && $0.hook != nil }
    }
}

/// What is known at the end of a run.
public struct RunReport: Sendable, Equatable {
    public var summary: Summary
    public var totals: Totals
    /// Losses of every stage, the correlator's own included.
    public var losses: [Loss.Stage: UInt64]
    public var run: RunInfo
    /// The analysis of the whole run; nil when it was not requested.
    public var analysis: Analysis?
    /// Parts of the source that are not among the events.
    public var omissions: [Omission]
    /// How tasks are grouped in the table of who hit whom and in the conclusions.
    public var grouping: WorkloadGrouping
    /// Filters that were applied after the capture, as options of the command; empty for none.
    public var filters: String

    public init(
        summary: Summary, totals: Totals, losses: [Loss.Stage: UInt64], run: RunInfo, analysis: Analysis? = nil,
        omissions: [Omission] = [], grouping: WorkloadGrouping = .workload, filters: String = ""
    ) {
        self.summary = summary
        self.totals = totals
        self.losses = losses
        self.run = run
        self.analysis = analysis
        self.omissions = omissions
        self.grouping = grouping
        self.filters = filters
    }

    /// The stages that lost something, in the order of the pipeline.
    var lostStages: [(stage: Loss.Stage, count: UInt64)] {
        Loss.Stage.allCases.compactMap { stage in
            losses[stage].flatMap { $0 > 0 ? (stage, $0) : nil }
        }
    }
}

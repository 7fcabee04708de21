// SPDX-License-Identifier: Apache-2.0

// One of several runs that are reported together: what a format of one run would have written at its end, kept until the
// others have been read.

public import Correlation
public import Events

/// A run that was read to its end.
public struct ReportedRun: Sendable {
    /// What was read, as the user named it.
    public let source: String
    let report: RunReport
    let legend: Legend

    public init(source: String, report: RunReport, legend: Legend) {
        (self.source, self.report, self.legend) = (source, report, legend)
    }

    /// Whether both are of one run. A text has no identifier of its run; then the same findings at the same times show
    /// it, such as those of a text and of its compressed copy.
    public func isSameRun(as other: ReportedRun) -> Bool {
        guard report.run.id == nil, other.report.run.id == nil else { return report.run.id == other.report.run.id }
        return analysis.observed > 0 && analysis == other.analysis
    }

    var facts: ReportFacts { ReportFacts(report, legend: legend, origin: ReportOrigin(source: source)) }

    var analysis: Analysis { report.analysis ?? Analysis() }

    /// Events of any stage that are missing.
    var lost: UInt64 { report.lostStages.reduce(0) { $0 &+ $1.count } }
}

/// What is written for each run is nothing; what its tables would have is kept by the stream.
public struct NoFormat: FindingFormat {
    public init() {}
    public var holdsLossesAndSummary: Bool { true }
    public var showsEveryLookup: Bool { false }
    public func holds(_ type: RowType) -> Bool { false }
    public func begin(into bytes: inout [UInt8]) {}
    public func write(_ finding: Finding, legend: Legend, into bytes: inout [UInt8]) {}
    public func write(_ loss: Loss, legend: Legend, into bytes: inout [UInt8]) {}
    public func end(_ report: RunReport, legend: Legend, into bytes: inout [UInt8]) {}
}

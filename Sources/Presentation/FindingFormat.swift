// SPDX-License-Identifier: Apache-2.0

// What a format of findings is: bytes for the head, for each finding, for each loss, for the end. A
// format is pure; it appends to a buffer and knows neither where that goes nor what time it is.

public import Correlation
public import Events

/// One way to write findings.
public protocol FindingFormat: Sendable {
    /// Whether losses and the summary are part of it. Where they are not, somebody else has to tell
    /// them beside it.
    var holdsLossesAndSummary: Bool { get }
    /// Whether a lookup that met nothing has a place in it; where it has none, nobody needs to make a finding
    /// of one.
    var showsEveryLookup: Bool { get }
    /// Whether each row can be written apart from the others, by a copy of the format, and gives the same bytes.
    var rowsStandAlone: Bool { get }
    /// Whether what is of this kind has a place in it; of other kinds nothing is written.
    func holds(_ type: RowType) -> Bool

    /// What comes before the first finding.
    mutating func begin(into bytes: inout [UInt8])
    mutating func write(_ finding: Finding, legend: Legend, into bytes: inout [UInt8])
    /// Where it holds detaches, each once.
    mutating func write(_ detach: Detach, legend: Legend, into bytes: inout [UInt8])
    /// Where it holds activities.
    mutating func write(_ activity: Activity, legend: Legend, into bytes: inout [UInt8])
    mutating func write(_ loss: Loss, into bytes: inout [UInt8])
    mutating func end(_ report: RunReport, legend: Legend, into bytes: inout [UInt8])
    /// The terminal has another width; nothing to most formats.
    mutating func resize(to width: Int, into bytes: inout [UInt8])
}

extension FindingFormat {
    public var showsEveryLookup: Bool { true }
    public var rowsStandAlone: Bool { false }
    public func holds(_ type: RowType) -> Bool { type == .findings || type == .losses }
    public mutating func write(_ detach: Detach, legend: Legend, into bytes: inout [UInt8]) {}
    public mutating func write(_ activity: Activity, legend: Legend, into bytes: inout [UInt8]) {}
    public mutating func resize(to width: Int, into bytes: inout [UInt8]) {}
}

/// What is known at the end of a run.
public struct RunReport: Sendable, Equatable {
    public var summary: Summary
    public var totals: Totals
    /// Losses of every stage, the correlator's own included.
    public var losses: [Loss.Stage: UInt64]
    public var run: RunInfo
    /// How the run looks as a whole; nil when nobody asked for that.
    public var analysis: Analysis?
    /// What the source could not give.
    public var omissions: [Omission]

    public init(
        summary: Summary, totals: Totals, losses: [Loss.Stage: UInt64], run: RunInfo, analysis: Analysis? = nil,
        omissions: [Omission] = []
    ) {
        self.summary = summary
        self.totals = totals
        self.losses = losses
        self.run = run
        self.analysis = analysis
        self.omissions = omissions
    }

    /// The stages that lost something, in the order of the way of the data.
    var lostStages: [(stage: Loss.Stage, count: UInt64)] {
        Loss.Stage.allCases.compactMap { stage in
            losses[stage].flatMap { $0 > 0 ? (stage, $0) : nil }
        }
    }
}

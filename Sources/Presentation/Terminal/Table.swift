// SPDX-License-Identifier: Apache-2.0

// The live table: a header once, then one line a finding, as wide as the terminal and never wider than
// it. What there is no room for is shortened or left out, in the order that `TableLayout` says; nothing
// that matters is shown by colour alone.

public import Correlation
public import Events

/// One line a finding, the summary as text at the end. Findings that differ from the line before only in their time are
/// counted, and stand in one line once a second.
public struct Table: FindingFormat {
    /// Nanoseconds of the events' time after which findings that are counted get a line.
    private static let foldNs: UInt64 = 1_000_000_000

    private var layout: TableLayout
    private let paint: Paint
    private let isTimed: Bool
    private let columns: [TableColumn]?
    private let folds: Bool
    /// Of the last finding that has a line.
    private var last: Kind?
    private var count: UInt64 = 0
    private var (first, latest): (UInt64, UInt64) = (0, 0)
    private var clock = WallClock(offsetNs: 0)

    /// `width` is in columns; below 80 lines are as for 80. Colour is used only when asked for. Without `isTimed` there
    /// are no passes and durations, and equal findings are folded.
    public init(width: Int, colour: Bool, isTimed: Bool = true, columns: [TableColumn]? = nil) {
        (self.isTimed, self.columns) = (isTimed, columns)
        layout = TableLayout(width: width, isTimed: isTimed, columns: columns)
        folds = !layout.showsDurations
        paint = Paint(isOn: colour)
    }

    public var holdsLossesAndSummary: Bool { true }

    public func begin(into bytes: inout [UInt8]) {
        bytes += (paint.header(layout.header) + "\n").utf8
    }

    /// The terminal has another width now: the header is written again, since the columns move.
    public mutating func resize(to width: Int, into bytes: inout [UInt8]) {
        guard width != layout.width else { return }
        idle(into: &bytes)
        layout = TableLayout(width: width, isTimed: isTimed, columns: columns)
        begin(into: &bytes)
    }

    public mutating func write(_ finding: Finding, legend: Legend, into bytes: inout [UInt8]) {
        let kind = Kind(finding)
        let time = finding.lookup.time
        if folds, !finding.isProgress, kind == last {
            clock = legend.clock
            if count == 0 { first = time }
            (count, latest) = (count + 1, time)
            if latest &- first >= Self.foldNs { idle(into: &bytes) }
            return
        }
        idle(into: &bytes)
        last = finding.isProgress ? nil : kind
        bytes += (layout.line(finding, legend: legend, paint: paint) + "\n").utf8
    }

    public mutating func idle(into bytes: inout [UInt8]) {
        guard count > 0 else { return }
        bytes += (paint.faint(layout.fold(count, from: first, to: latest, clock: clock)) + "\n").utf8
        count = 0
    }

    public mutating func write(_ loss: Loss, legend: Legend, into bytes: inout [UInt8]) {
        idle(into: &bytes)
        let text = "\(loss.count) lost at \(loss.stage.rawValue): \(loss.stage.meaning)"
        bytes += (paint.warning(TerminalText(text).head(layout.width - 1)) + "\n").utf8
    }

    public mutating func end(_ report: RunReport, legend: Legend, into bytes: inout [UInt8]) {
        idle(into: &bytes)
        bytes += SummaryText(report: report, legend: legend, width: layout.width, paint: paint).text.utf8
    }

    /// What a line shows besides times.
    private struct Kind: Equatable {
        let (victim, culprit): (TaskIdentity, TaskIdentity?)
        let (cause, confidence, reason): (Cause?, Confidence, UnknownReason?)
        let (result, isSpurious, isNeighbour): (Int32?, Bool?, Bool?)
        let (file, retries, verdicts): (FileID?, RetryCounts, Verdicts?)

        init(_ finding: Finding) {
            (victim, culprit) = (finding.lookup.victim, finding.detach?.culprit)
            (cause, confidence, reason) = (finding.explainedCause, finding.confidence, finding.unknownReason)
            (result, isSpurious, isNeighbour) = (finding.lookup.result, finding.spurious, finding.neighbour)
            (file, retries, verdicts) = (finding.file, finding.lookup.retries, finding.verdicts)
        }
    }
}

/// Colours of a terminal, or none.
struct Paint: Sendable {
    var isOn: Bool

    func header(_ text: String) -> String { wrap(text, "1") }
    func failure(_ text: String) -> String { wrap(text, "31") }
    func alarm(_ text: String) -> String { wrap(text, "1;31") }
    func warning(_ text: String) -> String { wrap(text, "33") }
    func faint(_ text: String) -> String { wrap(text, "2") }
    func good(_ text: String) -> String { wrap(text, "32") }

    private func wrap(_ text: String, _ code: String) -> String {
        isOn && !text.isEmpty ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }
}

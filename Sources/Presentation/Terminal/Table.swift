// SPDX-License-Identifier: Apache-2.0

// The live table: a header once, then one line a finding, as wide as the terminal and never wider than
// it. What there is no room for is shortened or left out, in the order that `TableLayout` says; nothing
// that matters is shown by colour alone.

public import Correlation
public import Events

/// One line a finding, the summary as text at the end.
public struct Table: FindingFormat {
    private var layout: TableLayout
    private let paint: Paint

    /// `width` is in columns; below 80 lines are as for 80. Colour is used only when asked for.
    public init(width: Int, colour: Bool) {
        layout = TableLayout(width: width)
        paint = Paint(isOn: colour)
    }

    public var holdsLossesAndSummary: Bool { true }

    public func begin(into bytes: inout [UInt8]) {
        bytes += (paint.header(layout.header) + "\n").utf8
    }

    /// The terminal has another width now: the header is told again, since the columns move.
    public mutating func resize(to width: Int, into bytes: inout [UInt8]) {
        guard width != layout.width else { return }
        layout = TableLayout(width: width)
        begin(into: &bytes)
    }

    public func write(_ finding: Finding, legend: Legend, into bytes: inout [UInt8]) {
        bytes += (layout.line(finding, legend: legend, paint: paint) + "\n").utf8
    }

    public func write(_ loss: Loss, into bytes: inout [UInt8]) {
        let text = "\(loss.count) lost at \(loss.stage.rawValue): \(loss.stage.meaning)"
        bytes += (paint.warning(TerminalText(text).head(layout.width - 1)) + "\n").utf8
    }

    public func end(_ report: RunReport, legend: Legend, into bytes: inout [UInt8]) {
        bytes += SummaryText(report: report, legend: legend, width: layout.width, paint: paint).text.utf8
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

extension Loss.Stage {
    /// One clause for the reader of a table.
    public var meaning: String {
        switch self {
        case .ringLookup: "no room in the ring buffer for lookups"
        case .ringProgress: "no room in the ring buffer for progress"
        case .ringDetach: "no room in the ring buffer for detaches"
        case .ringActivity: "no room in the ring buffer for activities"
        case .lookupTable: "too many lookups at once"
        case .operationTable: "too many operations at once"
        case .slotCollision: "two detaches met in one slot"
        case .slotOverwritten: "a young detach gave way to another"
        case .returnMissed: "a call's return was not seen"
        case .scopeCollision: "pages of an operation counted for nobody"
        case .programMissed: "the kernel skipped a running program"
        case .ftraceBuffer: "the kernel's trace buffer was too small"
        case .delivery: "sent by the kernel side and not delivered"
        case .lookupMissed: "a lookup's entry was not seen"
        case .observationMissed: "observations that no program saw"
        case .malformed: "records of unknown kind or size"
        case .recording: "in a part of the recording that is damaged or gone"
        case .correlator: "no room for a detach or a loop in memory"
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

// Call paths for flame graphs, in Brendan Gregg's folded stacks: "frame;frame;frame count" in each line, the outermost
// first. The first frame is the culprit's name, the others are the functions through which it came to detach the page.
// The count is the number of lookups that met such a detach, so the width of a frame shows the affected lookups.

public import Correlation
public import Events

/// One line for each culprit's name and call path, in the order of their text, at the end of the run.
///
/// Untrusted text is escaped as in CSV, without the apostrophe, and `;` is `\x3b`. Memory is bounded: call paths
/// without room for a line of their own are in the line `[others]`.
public struct Folded: FindingFormat {
    /// Lines kept.
    static let limit = 16_384
    /// Replaces an empty name.
    static let nameless = "[no name]"
    /// Replaces functions that are not known.
    static let unknown = "[call path not known]"
    static let others = "[others]"

    private struct Key: Hashable {
        var culprit: Comm
        var path: CallPathID
    }

    private struct Line {
        var text: String
        var count: UInt64
    }

    private var lines: [Key: Line] = [:]
    private var beyondLimit: UInt64 = 0

    public init() {}

    public var holdsLossesAndSummary: Bool { false }
    public var showsEveryLookup: Bool { false }
    public func holds(_ type: RowType) -> Bool { type == .findings }

    public func begin(into bytes: inout [UInt8]) {}

    public mutating func write(_ finding: Finding, legend: Legend, into bytes: inout [UInt8]) {
        // A lookup in progress is counted when it ends.
        guard let detach = finding.detach, !finding.isProgress else { return }
        let key = Key(culprit: detach.culprit.comm, path: detach.callPath)
        if lines[key] != nil {
            lines[key]?.count += 1
        } else if lines.count < Self.limit {
            lines[key] = Line(text: Self.text(detach, legend: legend), count: 1)
        } else {
            beyondLimit += 1
        }
    }

    private static func text(_ detach: Detach, legend: Legend) -> String {
        let path = legend.names.callPath(detach.callPath)?.functions.map(Self.frame) ?? []
        return ([frame(detach.culprit.comm.text)] + (path.isEmpty ? [unknown] : path)).joined(separator: ";")
    }

    private static func frame(_ text: some StringProtocol) -> String {
        let escaped = TerminalText.escaped(String(text)).split(separator: ";", omittingEmptySubsequences: false)
            .joined(separator: "\\x3b")
        return escaped.allSatisfy { $0 == " " } ? nameless : escaped
    }

    /// Without any detach there is no line; without any call path each line has a culprit alone.
    public func shortfall(in report: RunReport, rows: UInt64, legend: Legend) -> String? {
        let findings = report.summary.findings
        if findings == 0 { return report.conclusions(legend: legend).list.first?.line }
        let which = report.filters.isEmpty ? "" : " that \(noun(findings, "matches", "match")) \(report.filters)"
        if lines.isEmpty {
            return
                "no call paths: of \(counted(findings, "finding"))\(TerminalText.escaped(which)) none has a detach that was seen"
        }
        guard lines.keys.allSatisfy({ $0.path.isNone }) else { return nil }
        return
            "no call paths: the input has none for the detaches of these findings, so each line has the culprit alone"
    }

    public func write(_ loss: Loss, legend: Legend, into bytes: inout [UInt8]) {}

    public func end(_ report: RunReport, legend: Legend, into bytes: inout [UInt8]) {
        // Two numbers may stand for one path, in a run with more paths than the source keeps.
        var counts: [String: UInt64] = [:]
        for line in lines.values { counts[line.text, default: 0] += line.count }
        for (text, count) in counts.sorted(by: { $0.key < $1.key }) { bytes += "\(text) \(count)\n".utf8 }
        if beyondLimit > 0 { bytes += "\(Self.others) \(beyondLimit)\n".utf8 }
    }
}

// SPDX-License-Identifier: Apache-2.0

// A run that is over, on one screen: what it means comes first, then which rule would have cost what, causes, who hit
// whom, files, when and how long, the coincidence in time, and last what is missing from all that. At least
// 80 columns; wider terminals show more of the coincidence, and longer bars.

public import Correlation
public import Events

/// Nothing for a finding; the report at the end.
public struct ReportText: FindingFormat {
    private let width: Int
    private let paint: Paint
    private let origin: ReportOrigin

    /// `width` is in columns; below 80 lines are as for 80. Colour is used only when asked for.
    public init(width: Int, colour: Bool, origin: ReportOrigin) {
        (self.width, paint, self.origin) = (max(width, 80), Paint(isOn: colour), origin)
    }

    public var holdsLossesAndSummary: Bool { true }
    public var showsEveryLookup: Bool { false }

    public func begin(into bytes: inout [UInt8]) {}
    public func write(_ finding: Finding, legend: Legend, into bytes: inout [UInt8]) {}
    public func write(_ loss: Loss, legend: Legend, into bytes: inout [UInt8]) {}

    public func end(_ report: RunReport, legend: Legend, into bytes: inout [UInt8]) {
        let facts = ReportFacts(report, legend: legend, origin: origin)
        let summary = SummaryText(report: report, legend: legend, width: width, paint: paint)
        let rows = SummaryText.rowsShown
        var lines = facts.conclusions.lines(width: width, paint: paint) + [""]
        lines += facts.head.map { name, value in
            let line = summary.row(name, TerminalText.escaped(value))
            return name == "cut off" ? paint.warning(line) : line
        }
        if report.summary.causes.isEmpty {
            lines += [""] + wrapped(report.noCause, width: width, indent: "")
        } else {
            lines += summary.lines(facts.rules)
            lines += summary.lines(report.causes)
            lines += summary.lines(report.pairs(limit: rows, legend: legend))
        }
        lines += summary.lines(report.failures)
        lines += summary.lines(report.workloads(limit: rows, legend: legend))
        lines += summary.lines(report.files(limit: rows, legend: legend))
        if !facts.report.run.hasCountsForTimes { lines += time(facts) }
        lines += histogram("passes", facts.analysis.passes) { "\($0)" }
        lines += histogram("duration", facts.analysis.durationsNs, ShortNumber.duration)
        if !facts.report.run.hasCountsForTimes { lines += summary.lines(facts.coincidence) }
        lines += [""] + facts.counters.map { summary.row($0.name, $0.value) }
        lines += summary.lines(facts.unknown) + (facts.analysis.unknown.isEmpty ? [] : [""])
        lines += summary.losses
        lines += facts.omissions.map { paint.warning(summary.row("left out", TerminalText.escaped($0))) }
        bytes += (lines.joined(separator: "\n") + "\n").utf8
    }

    /// One row for the observed lookups, one for each kind of operation that was in progress.
    private func time(_ facts: ReportFacts) -> [String] {
        let timeline = facts.analysis.timeline
        let observed = facts.causesShown.map(timeline.observed).reduce([]) { sums, values in
            sums.isEmpty ? values : zip(sums, values).map { $0 &+ $1 }
        }
        guard let origin = timeline.originNs, !observed.isEmpty else { return [] }
        let together = (timeline.bins + width - 27) / (width - 26)
        func groups(_ values: [UInt64]) -> [UInt64] {
            stride(from: 0, to: values.count, by: together).map { first in
                values[first..<min(first + together, values.count)].reduce(0, &+)
            }
        }
        let columnNs = timeline.binNs &* UInt64(together)
        let title = "\(ShortNumber.duration(columnNs)) a column, from \(facts.instant(origin))"
        var lines = ["", paint.header(pad("WHEN", 24) + title)]
        let most = groups(observed).max() ?? 0
        lines.append(pad("observed lookups", 24) + Bar.row(groups(observed), of: most) + "|")
        for kind in facts.lanes {
            lines.append(pad(kind.name, 24) + Bar.row(groups(timeline.busyNs(kind)), of: columnNs) + "|")
        }
        return lines
    }

    /// A bar for each power of two.
    private func histogram(_ name: String, _ histogram: Histogram, _ text: (UInt64) -> String) -> [String] {
        let buckets = histogram.buckets
        guard let most = buckets.map(\.count).max() else { return [] }
        let counts = max(8, "\(most)".utf8.count + 1)
        let columns = width - 1 - 18 - counts - 2
        var lines = ["", paint.header(pad(name.uppercased(), 18) + padLeft("FINDINGS", counts))]
        for (position, bucket) in buckets.enumerated() {
            // Of many empty ones in a row the first stands for all.
            if bucket.count == 0, buckets[position - 1].count == 0 { continue }
            let next = buckets[(position + 1)...].first { $0.count > 0 }
            if bucket.count == 0, let next, next.range.lowerBound - 1 > bucket.range.upperBound {
                lines.append("  …")
                continue
            }
            let (low, high) = (text(bucket.range.lowerBound), text(bucket.range.upperBound))
            let range = low == high ? low : "\(low) to \(high)"
            let bar = Bar.text(bucket.count, of: most, columns: columns)
            lines.append(pad(range, 18) + padLeft("\(bucket.count)", counts) + (bar.isEmpty ? "" : "  " + bar))
        }
        return lines
    }
}

/// Bars made of characters.
enum Bar {
    private static let heights: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

    /// One character a value, as high for it as a line is for `most`; what is not nothing shows.
    static func row(_ values: [UInt64], of most: UInt64) -> String {
        String(
            values.map { value in
                guard value > 0, most > 0 else { return " " as Character }
                let height = (Double(value) / Double(most) * 8).rounded(.up)
                return heights[Int(min(max(height, 1), 8)) - 1]
            })
    }

    private static let parts: [Character] = ["▏", "▎", "▍", "▌", "▋", "▊", "▉"]

    /// As long for `count` as `columns` are for `most`, to the eighth of a column; what is not nothing shows.
    static func text(_ count: UInt64, of most: UInt64, columns: Int) -> String {
        guard count > 0, most > 0, columns > 0 else { return "" }
        let eighths = max(1, Int(Double(count) / Double(most) * Double(columns * 8)))
        let whole = String(repeating: "█", count: min(eighths / 8, columns))
        return eighths / 8 < columns && eighths % 8 > 0 ? whole + String(parts[eighths % 8 - 1]) : whole
    }
}

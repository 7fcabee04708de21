// SPDX-License-Identifier: Apache-2.0

// The end of a run for a reader: what it means, lookups, failures and retries, the causes, who hit whom, what each rule would have
// done, who and which files were concerned, the activities with and without a finding, what was lost,
// what the tool cost. Always within 80 columns except for paths on a wider terminal.

import Correlation
import Events

/// The summary as text.
public struct SummaryText {
    /// Rows shown of processes and of files.
    static let rowsShown = 10

    private let report: RunReport
    private let legend: Legend
    private let width: Int
    private let paint: Paint
    private var summary: Summary { report.summary }
    private var totals: Totals { report.totals }

    init(report: RunReport, legend: Legend, width: Int, paint: Paint) {
        (self.report, self.legend, self.width, self.paint) = (report, legend, max(width, 80), paint)
    }

    /// For a stream beside that of the findings.
    public init(report: RunReport, legend: Legend, width: Int, colour: Bool) {
        self.init(report: report, legend: legend, width: width, paint: Paint(isOn: colour))
    }

    public var text: String {
        var lines = [""] + report.conclusions(legend: legend).lines(width: width, paint: paint) + [""]
        lines += report.counters.map { row($0.name, $0.value) }
        lines += summary.causes.isEmpty ? ["", report.noCause] : self.lines(report.causes)
        lines += self.lines(report.failures)
        lines += self.lines(report.pairs(limit: Self.rowsShown, legend: legend))
        lines += self.lines(report.verdicts)
        lines += self.lines(report.processes(limit: Self.rowsShown))
        lines += self.lines(report.workloads(limit: Self.rowsShown, legend: legend))
        lines += self.lines(report.files(limit: Self.rowsShown, legend: legend))
        lines += activities
        lines += losses
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: Sections

    /// With the observations beside them, and how many of the detaches could matter.
    private var activities: [String] {
        let detaches = row(
            "detaches",
            counted(totals.detaches, "folio") + " left the page cache, \(totals.detachesHeld) of them held by somebody"
        )
        let table = report.activities
        return table.rows.isEmpty ? ["", row("activities", "none"), detaches] : lines(table) + ["", detaches]
    }

    var losses: [String] {
        report.missing.map { name, value in
            let line = row(name, TerminalText.escaped(value))
            return name == "lost" && !report.lostStages.isEmpty ? paint.warning(line) : line
        }
    }

    // MARK: Lines

    /// A name and its value, broken between words where it is too long.
    func row(_ name: String, _ value: String) -> String {
        let indent = 16
        var (lines, line) = ([String](), pad(name, indent - 1))
        for word in value.split(separator: " ") {
            if TerminalText(line).columns + 1 + TerminalText(String(word)).columns >= width, line.utf8.count >= indent {
                lines.append(line)
                line = pad("", indent - 1)
            }
            line += " " + word
        }
        return (lines + [line]).joined(separator: "\n")
    }

    /// Nothing where there are no rows.
    func lines(_ table: ReportTable) -> [String] {
        table.rows.isEmpty ? [] : [""] + table.lines(width: width, paint: paint)
    }
}

// The end of a run for a reader: lookups, failures and retries, the causes, what each rule would have
// done, who and which files were concerned, the activities with and without a finding, what was lost,
// what the tool cost. Always within 80 columns except for paths on a wider terminal.

import Correlation
import Events

/// The summary as text.
public struct SummaryText {
    /// Rows shown of processes and of files.
    private static let rowsShown = 10

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
        var lines = [""]
        lines += counters
        lines += causes
        lines += verdicts
        lines += processes
        lines += files
        lines += activities
        lines += losses
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: Sections

    private var counters: [String] {
        let retried = RetryReason.allCases.filter { totals.retries[$0] > 0 }
        let reasons = retried.map { "\($0.rawValue) \(totals.retries[$0])" }.joined(separator: ", ")
        var findings = "\(summary.findings)"
        if summary.looping > 0 { findings += ", \(summary.looping) of them still looping" }
        if summary.incomplete > 0 { findings += ", \(summary.incomplete) incomplete" }
        return [
            row("traced", ShortNumber.duration(totals.durationNs)),
            row("shared lookups", totals.lookups.map { "\($0)" } ?? "not counted"),
            row("observations", "\(totals.observations) passes met a page without a mapping"),
            row("findings", findings),
            row("retries", (reasons.isEmpty ? "none" : reasons) + rest),
            row("failures", failures),
        ]
    }

    private var failures: String {
        let unmapped = "\(totals.failedUnmapped) unmapped"
        guard totals.followsLookups else { return unmapped + rest }
        return "\(unmapped), \(totals.failedPin) pin, \(totals.failedReadOnly) read-only, \(totals.failedOther) other"
    }

    /// Where only observations are seen.
    private var rest: String { totals.followsLookups ? "" : "; others not counted" }

    private var causes: [String] {
        let rows = Cause.allCases.compactMap { cause in summary.causes[cause].map { (cause, $0) } }
        guard !rows.isEmpty else { return ["", "No lookup met a page without a mapping."] }
        var lines = heading("CAUSE", 24, ["LOOKUPS", "OBSERVED", "FAILED", "SPURIOUS"])
        for (cause, row) in rows {
            lines.append(numbers(cause.rawValue, 24, [row.lookups, row.observations, row.failed, row.spurious]))
        }
        if rows.count > 1 {
            let all = summary.allCauses
            lines.append(numbers("all", 24, [all.lookups, all.observations, all.failed, all.spurious]))
        }
        return lines
    }

    /// Each rule and each result, cause by cause.
    private var verdicts: [String] {
        var rows = Cause.allCases.compactMap { cause in summary.causes[cause].map { (cause.rawValue, $0) } }
        guard !rows.isEmpty else { return [] }
        if rows.count > 1 { rows.append(("all", summary.allCauses)) }
        var lines = heading("EACH RULE WOULD HAVE MADE OF IT", 39, RuleResult.allCases.map { $0.rawValue.uppercased() })
        for (name, row) in rows {
            for (position, entry) in row.rules.enumerated() {
                let label = pad(position == 0 ? name : "", 23) + pad(entry.rule.name, 8)
                lines.append(numbers(label, 39, RuleResult.allCases.map { entry.counts[$0] }))
            }
        }
        lines.append(
            paint.faint(
                "  " + rows[0].1.rules.map { "\($0.rule.name): \($0.rule.kernels)" }.joined(separator: "; ")))
        return lines
    }

    private var processes: [String] {
        let rows = summary.sortedProcesses
        guard !rows.isEmpty else { return [] }
        var lines = heading("PROCESS", 24, ["VICTIM", "FAILED", "CULPRIT"])
        for (key, row) in rows.prefix(Self.rowsShown) {
            let name = "\(TerminalText(key.comm.text).head(24 - 1 - "\(key.pid)".utf8.count))/\(key.pid)"
            lines.append(numbers(name, 24, [row.asVictim, row.failed, row.asCulprit]))
        }
        return lines + more(rows.count, beyond: summary.processesBeyondLimit, "processes")
    }

    private var files: [String] {
        let rows = summary.sortedFiles
        guard !rows.isEmpty else { return [] }
        let head = pad("DEVICE:INODE", 24) + padLeft("LOOKUPS", 10) + padLeft("FAILED", 10) + "  PATH"
        var lines = ["", paint.header(head)]
        for (file, row) in rows.prefix(Self.rowsShown) {
            let line = numbers("\(Legend.device(of: file)):\(file.inode)", 24, [row.asVictim, row.failed])
            let path = legend.names.path(of: file).map { TerminalText($0).tail(width - 47) } ?? "-"
            lines.append(line + "  " + path)
        }
        return lines + more(rows.count, beyond: summary.filesBeyondLimit, "files")
    }

    /// With the observations beside them: that an activity explains none is an answer too.
    private var activities: [String] {
        let kinds = ActivityKind.allCases.filter { (totals.activities[$0]?.operations ?? 0) > 0 }
        let counts = "\(totals.detaches) folios left the page cache, \(totals.detachesHeld) of them held by somebody"
        guard !kinds.isEmpty else { return ["", row("activities", "none"), row("detaches", counts)] }
        var lines = heading("ACTIVITY", 24, ["OPERATIONS", "PAGES", "TIME", "OBSERVED"])
        for kind in kinds {
            guard let activity = totals.activities[kind] else { continue }
            let observed = Cause(rawValue: kind.name).map { "\(summary.causes[$0]?.observations ?? 0)" } ?? "-"
            let cells = [
                "\(activity.operations)", "\(activity.pages)", ShortNumber.duration(activity.durationNs), observed,
            ]
            lines.append(pad(kind.name, 24) + cells.map { padLeft($0, 10) }.joined())
        }
        return lines + ["", row("detaches", counts)]
    }

    private var losses: [String] {
        var lines: [String] = []
        if report.lostStages.isEmpty { lines.append(row("lost", "nothing")) }
        for (stage, count) in report.lostStages {
            lines.append(paint.warning(row("lost", "\(count) at \(stage.rawValue): \(stage.meaning)")))
        }
        if let cost = totals.cost {
            var text = "maps \((cost.mapBytes + 1023) / 1024) KiB"
            if cost.runCount > 0 {
                text += ", \(ShortNumber.duration(cost.runTimeNs)) in \(cost.runCount) program runs"
                text += ", \(cost.runTimeNs / cost.runCount) ns each"
            }
            lines.append(row("own cost", text))
        }
        let missing = report.run.probes.filter { $0.hook == nil }
        for probe in missing {
            lines.append(row("not attached", TerminalText.escaped("\(probe.role): \(probe.note ?? "")")))
        }
        return lines
    }

    // MARK: Lines

    /// A name and its value, broken between words where it is too long.
    private func row(_ name: String, _ value: String) -> String {
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

    private func heading(_ name: String, _ columns: Int, _ titles: [String]) -> [String] {
        ["", paint.header(pad(name, columns) + titles.map { padLeft($0, 10) }.joined())]
    }

    private func numbers(_ name: String, _ columns: Int, _ values: [UInt64]) -> String {
        pad(name, columns) + values.map { padLeft("\($0)", 10) }.joined()
    }

    private func more(_ count: Int, beyond: UInt64, _ what: String) -> [String] {
        var lines: [String] = []
        if count > Self.rowsShown { lines.append(paint.faint("  and \(count - Self.rowsShown) more \(what)")) }
        if beyond > 0 { lines.append(paint.faint("  and \(beyond) findings of \(what) that had no row left")) }
        return lines
    }
}

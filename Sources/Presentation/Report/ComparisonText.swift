// SPDX-License-Identifier: Apache-2.0

// A comparison for a mailing list, in lines of at most 72 columns, and as one JSON line.

import Correlation
import Events

extension Comparison {
    static let width = 72

    /// Lines of at most 72 columns.
    public var text: [UInt8] {
        var lines = run("A", a) + run("B", b)
        lines += ["", "COUNTS, AND RATES PER \(unit.text.uppercased())", Self.heading]
        for group in [Group.result, .cause, .pair] {
            let rows = rows.filter { $0.group == group }
            if rows.isEmpty { continue }
            switch group {
            case .result: break
            case .cause: lines += ["", "BY CAUSE"]
            case .pair: lines += ["", "WHO HIT WHOM"]
            }
            for row in rows { lines += self.lines(row) }
        }
        if pairsOmitted > 0 { lines.append("and \(pairsOmitted) more " + noun(pairsOmitted, "pair")) }
        lines.append("")
        lines += paragraph(
            "The range is the 95 % interval of the rate, if findings are independent of each other; those of one burst "
                + "are not. appeared, went: in one run only. A change with ? is within the range of chance.")
        for caution in cautions { lines += paragraph(TerminalText.escaped(caution)) }
        return Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    /// Lines of less than the width.
    private func paragraph(_ text: String, indent: String = "") -> [String] {
        wrapped(text, width: Self.width + 1, indent: indent)
    }

    private func run(_ name: String, _ run: ReportedRun) -> [String] {
        let lookups = run.report.totals.lookups.map { counted($0, "shared lookup") } ?? "shared lookups not counted"
        let values =
            run.facts.head.filter { $0.name != "filters" } + [
                ("filters", run.report.filters.isEmpty ? "none" : run.report.filters),
                ("counted", lookups + ", \(counted(run.lost, "event")) lost"),
            ]
        return values.enumerated().flatMap { position, value in
            let lines = paragraph(TerminalText.escaped(value.value), indent: pad("", 12))
            let head = pad(position == 0 ? name : "", 3) + value.name
            return [pad(head, 12) + lines[0].dropFirst(12)] + lines.dropFirst()
        }
    }

    private static let heading =
        pad("", 17) + padLeft("A", 7) + padLeft("rate", 14) + padLeft("B", 7) + padLeft("rate", 14) + "  change"

    private func lines(_ row: Row) -> [String] {
        let numbers =
            [row.a, row.b].map { padLeft("\($0.count)", 7) + padLeft(Self.range($0), 14) }.joined()
            + "  " + (row.change == .unknown ? "-" : row.change.rawValue) + (row.isUnclear ? " ?" : "")
        guard let victim = row.victim else {
            let word = row.group == .cause ? Cause(rawValue: row.word)?.abbreviation ?? row.word : row.word
            return [pad(word, 17) + numbers]
        }
        let names = "\(row.culprit ?? "no known culprit") -> \(victim), \(row.word)"
        return paragraph(TerminalText.escaped(names)) + [pad("", 17) + numbers]
    }

    private static func range(_ rate: PoissonRate) -> String {
        guard let interval = rate.interval else { return "-" }
        return ShortNumber.coarse(interval.lowerBound) + "-" + ShortNumber.coarse(interval.upperBound)
    }

    /// One object: both runs, and a row for each thing that is counted.
    public var json: [UInt8] {
        JSONWriter.line { line in
            line.text("type", "comparison")
            line.text("per", unit.rawValue)
            for (key, run) in [("a", a), ("b", b)] {
                line.object(JSONKey(key)) {
                    $0.writeIdentity(of: run)
                    $0.text("filters", run.report.filters)
                    $0.number("lookups", run.report.totals.lookups)
                    $0.number("analysed_ns", run.analysis.runNs)
                    $0.number("lost", run.lost)
                }
            }
            line.list("rows", rows) {
                $0.text("group", $1.group.rawValue)
                $0.text("name", $1.word)
                $0.text("culprit", $1.culprit)
                $0.text("victim", $1.victim)
                for (key, rate) in [("a", $1.a), ("b", $1.b)] {
                    $0.object(JSONKey(key)) {
                        $0.number("count", rate.count)
                        $0.decimal("rate", rate.rate)
                        $0.decimal("low", rate.interval?.lowerBound)
                        $0.decimal("high", rate.interval?.upperBound)
                    }
                }
                $0.text("change", $1.change.rawValue)
                $0.flag("clear", $1.isClear)
            }
            line.number("pairs_omitted", UInt64(pairsOmitted))
            line.texts("cautions", cautions)
        }
    }
}

extension Comparison.Row {
    /// There is a change, and chance explains it.
    fileprivate var isUnclear: Bool {
        switch change {
        case .appeared, .went, .rose, .fell: !isClear
        case .same, .unknown: false
        }
    }
}

extension JSONWriter {
    /// `source`, `host`, `kernel`, `run_id`, `begin`, `end`.
    mutating func writeIdentity(of run: ReportedRun) {
        text("source", run.source)
        append(members: run.legend.membersOfRun)
        text("begin", run.analysis.span.map { run.legend.clock.timestamp($0.lowerBound) })
        text("end", run.analysis.span.map { run.legend.clock.timestamp($0.upperBound) })
    }
}

// SPDX-License-Identifier: Apache-2.0

// Several runs as one report, such as one from each host: what they mean together, and the tables of a report with a
// column for the host. Each run keeps its own causes: a detach on one host explains nothing on another.

import Correlation
import Events

/// At least one run, in the order in which they were named.
public struct MergedReport: Sendable {
    private static let rowsShown = 20

    private let runs: [(name: String, run: ReportedRun)]

    public init(_ runs: [ReportedRun]) {
        // Runs of one host are distinguished by what was read.
        let hosts = runs.map { $0.report.run.host }
        let sources = Self.shortened(runs.map(\.source))
        self.runs = zip(runs, zip(hosts, sources)).map { run, names in
            guard let host = names.0 else { return (names.1, run) }
            return (hosts.count(where: { $0 == host }) > 1 ? "\(host) (\(names.1))" : host, run)
        }
    }

    /// Paths without the folders that are not needed to distinguish them.
    private static func shortened(_ paths: [String]) -> [String] {
        let parts = paths.map { $0.split(separator: "/") }
        for count in 1..<max(2, parts.map(\.count).max() ?? 1) {
            let names = parts.map { $0.suffix(count).joined(separator: "/") }
            if Set(names).count == names.count, !names.contains("") { return names }
        }
        return paths
    }

    /// The column of the runs. In text, of names that begin alike the end is kept.
    private func host(_ columns: Int) -> ReportTable.Column {
        var column = ReportTable.Column.name("host", columns)
        column.keepsEnd = Set(runs.map { TerminalText($0.name).head(columns - 1) }).count < runs.count
        return column
    }

    /// What was read of a run, when that was, and what was asked for.
    private func origin(of run: ReportedRun) -> String {
        let head = run.facts.head
        let values = ["captured", "snapshot", "cut off"].compactMap { name in
            head.first { $0.name == name }.map { "\(name): \($0.value)" }
        }
        return ([run.source, head.first { $0.name == "when" }?.value ?? ""] + values).joined(separator: ", ")
    }

    /// Those of the report, which all runs have in common.
    private var filters: String { runs.first?.run.report.filters ?? "" }

    // MARK: What it says

    /// The most harmful of all runs, each with its host.
    var conclusions: Conclusions {
        var (all, omitted) = ([Conclusion](), 0)
        for (name, run) in runs {
            let conclusions = run.report.conclusions(legend: run.legend)
            omitted += conclusions.omitted
            all += conclusions.list.map { conclusion in
                var conclusion = conclusion
                conclusion.host = name
                conclusion.sentence = "\(name): \(conclusion.sentence)"
                return conclusion
            }
        }
        let order = all.enumerated().sorted { left, right in
            let (rank, other) = (left.element.rank, right.element.rank)
            if rank != other { return rank < other }
            if left.element.lookups != right.element.lookups { return left.element.lookups > right.element.lookups }
            return left.offset < right.offset
        }
        var conclusions = Conclusions.none
        conclusions.list = order.prefix(Conclusions.limit).map(\.element)
        // One of nothing is about no kind of findings.
        conclusions.omitted = omitted + order.dropFirst(Conclusions.limit).count { $0.element.verdict != .nothing }
        return conclusions
    }

    var tables: [ReportTable] { [hosts, rules, causes, pairs, files].filter { !$0.rows.isEmpty } }

    private var hosts: ReportTable {
        var rows = runs.map { name, run -> [ReportTable.Cell] in
            let all = run.report.summary.allCauses
            let kernel = run.report.run.kernelRelease
            return [
                .foreign(name), .number(run.report.summary.findings), .number(all.failed), .number(all.spurious),
                .number(run.report.summary.looping), .number(run.lost), kernel.map { .foreign($0) } ?? .own("-"),
            ]
        }
        let sums = runs.reduce(into: [UInt64](repeating: 0, count: 5)) { sums, run in
            let (summary, all) = (run.run.report.summary, run.run.report.summary.allCauses)
            for (place, value) in [summary.findings, all.failed, all.spurious, summary.looping, run.run.lost]
                .enumerated()
            {
                sums[place] &+= value
            }
        }
        rows.append([.own("all")] + sums.map { .number($0) } + [.own("")])
        return ReportTable(
            caption: "Hosts",
            columns: [
                host(22), .number("findings", 9), .number("failed", 8), .number("spurious", 9),
                .number("looping", 8), .number("lost", 8), .name("kernel", nil),
            ], rows: rows, hasSum: true)
    }

    private var rules: ReportTable {
        let all = runs.reduce(into: Summary.CauseRow()) { sum, run in
            let row = run.run.report.summary.allCauses
            for rule in row.rules.keys { sum.rules[rule, default: Summary.RuleCounts()] += row.counts(of: rule) }
        }
        let judged = runs.reduce(0 as UInt64) { $0 + $1.run.report.summary.judged }
        return judged == 0
            ? ReportTable(caption: "", columns: [], rows: []) : .rules(all, notes: [ReportTable.ruleNote])
    }

    private var causes: ReportTable {
        ReportTable(
            caption: "By host and cause",
            columns: [
                host(15), .name("cause", 23), .number("lookups", 9), .number("observations", 13),
                .number("failed", 9), .number("spurious", 9),
            ],
            rows: runs.flatMap { name, run in
                Cause.allCases.compactMap { cause in
                    run.report.summary.causes[cause].map { row in
                        [.foreign(name), .own(cause.rawValue)]
                            + [row.lookups, row.observations, row.failed, row.spurious].map { .number($0) }
                    }
                }
            })
    }

    /// Pairs of each run, most lookups first; equal ones in the order of the runs.
    private var allPairs: [(name: String, run: ReportedRun, pair: WorkloadPair)] {
        runs.flatMap { name, run in
            run.report.summary.pairs(by: run.report.grouping, names: run.legend.names).map { (name, run, $0) }
        }.enumerated().sorted { left, right in
            let (more, less) = (left.element.2.lookups, right.element.2.lookups)
            return more != less ? more > less : left.offset < right.offset
        }.map { (name: $0.element.0, run: $0.element.1, pair: $0.element.2) }
    }

    private var pairs: ReportTable {
        let all = allPairs
        let beyond = runs.reduce(0 as UInt64) { $0 + $1.run.report.summary.encounters.beyondLimit }
        return ReportTable(
            caption: "Who hit whom",
            columns: [
                host(16), .name("culprit", 17), .name("victim", 17), .name("cause", 12),
                .number("lookups", 8), .number("spurious", 9),
                ReportTable.Column(title: "failed", width: 9, isForWide: true),
            ],
            rows: all.prefix(Self.rowsShown).map { name, _, pair in
                [
                    .foreign(name), pair.culprit.map { .foreign($0) } ?? .path(nil), .foreign(pair.victim),
                    .own(pair.cause.abbreviation), .number(pair.lookups), .number(pair.spurious), .number(pair.failed),
                ]
            }, notes: RunReport.more(all.count, Self.rowsShown, beyond: beyond, "pair", "pairs"),
            isStackedWhereNarrow: true)
    }

    private var files: ReportTable {
        let all = runs.flatMap { name, run in run.report.summary.sortedFiles.map { (name, run, $0) } }
            .enumerated().sorted { left, right in
                let (more, less) = (left.element.2.row.asVictim, right.element.2.row.asVictim)
                return more != less ? more > less : left.offset < right.offset
            }.map(\.element)
        let beyond = runs.reduce(0 as UInt64) { $0 + $1.run.report.summary.filesBeyondLimit }
        return ReportTable(
            caption: "By file",
            columns: [host(22), .number("findings", 9), .number("failed", 9), .name("file", nil)],
            rows: all.prefix(Self.rowsShown).map { name, run, file in
                [
                    .foreign(name), .number(file.row.asVictim), .number(file.row.failed),
                    .path(run.report.summary.title(of: file.key, names: run.legend.names)),
                ]
            }, notes: RunReport.more(all.count, Self.rowsShown, beyond: beyond, "file", "files"),
            isStackedWhereNarrow: true)
    }

    /// What could not be read of each run.
    private var omissions: [(name: String, value: String)] {
        runs.flatMap { name, run in run.facts.omissions.map { (name, $0) } }
    }

    // MARK: As text, page and JSON

    /// Lines within `width` columns, at least 80; paths may be longer.
    public func text(width: Int, colour: Bool) -> [UInt8] {
        let (width, paint) = (max(width, 80), Paint(isOn: colour))
        var lines = conclusions.lines(width: width, paint: paint) + [""]
        for (name, run) in runs {
            lines += wrapped(TerminalText.escaped("\(name): \(origin(of: run))"), width: width, indent: "")
        }
        if !filters.isEmpty { lines += wrapped(TerminalText.escaped("filters: \(filters)"), width: width, indent: "") }
        for table in tables { lines += [""] + table.lines(width: width, paint: paint) }
        for (name, value) in omissions {
            lines += wrapped(TerminalText.escaped("\(name): left out: \(value)"), width: width, indent: "").map(
                paint.warning)
        }
        return Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    /// One page with the same tables.
    public var page: [UInt8] {
        var page = HTMLWriter()
        page.element("html", ["lang": "en"]) {
            $0.element("head") { ReportHTML.head(title: "futexscope report: \(counted(runs.count, "run"))", &$0) }
            $0.element("body") { body in
                body.element("header") { header in
                    header.element("h1", "What get_futex_key() met, in \(counted(runs.count, "run"))")
                    header.element("dl", ["class": "head"]) { list in
                        for (name, run) in runs {
                            list.element("dt") { $0.foreign(name) }
                            list.element("dd") { $0.foreign(origin(of: run)) }
                        }
                        if !filters.isEmpty {
                            list.element("dt", "filters")
                            list.element("dd") { $0.foreign(filters) }
                        }
                    }
                }
                body.element("main") { main in
                    main.write(conclusions)
                    for table in tables { main.section(table.caption) { $0.write(table, withCaption: false) } }
                    for (name, value) in omissions {
                        main.element("p", ["class": "warning"]) {
                            $0.foreign(name)
                            $0.text(": left out: ")
                            $0.foreign(value)
                        }
                    }
                    for rule in Rule.allCases { main.explain(rule.rawValue) }
                    main.writeGlossary()
                }
            }
        }
        return page.bytes
    }

    /// The last line after those of all runs.
    public var json: [UInt8] {
        JSONWriter.line { line in
            line.text("type", "merged")
            line.list("runs", runs) {
                let (summary, all) = ($1.run.report.summary, $1.run.report.summary.allCauses)
                $0.writeIdentity(of: $1.run)
                $0.number("findings", summary.findings)
                $0.number("failed", all.failed)
                $0.number("spurious", all.spurious)
                $0.number("looping", summary.looping)
                $0.number("lost", $1.run.lost)
            }
            line.write(conclusions)
            line.list("pairs", allPairs) {
                $0.text("culprit", $1.pair.culprit)
                $0.text("victim", $1.pair.victim)
                $0.text("cause", $1.pair.cause.rawValue)
                $0.number("lookups", $1.pair.lookups)
                $0.number("failed", $1.pair.failed)
                $0.number("spurious", $1.pair.spurious)
                $0.append(members: $1.run.legend.membersOfRun)
            }
        }
    }
}

extension Conclusion {
    /// The most harmful first; those with a cause before those without, and no findings last.
    fileprivate var rank: Int {
        let place = result.flatMap { Result.allCases.firstIndex(of: $0) } ?? Result.allCases.count
        return place * 2 + (cause == nil || cause == .unknown ? 1 : 0)
    }
}

// SPDX-License-Identifier: Apache-2.0

// A run that is over as one page that needs nothing beside it: no script, no font, no picture from
// elsewhere, and a policy in its head by which a browser would refuse them. The tables are those of the
// text; plots stand beside them.

public import Correlation
public import Events

/// Collects findings up to a limit, and writes the page at the end.
public struct ReportHTML: FindingFormat {
    /// Rows shown of processes, files and pairs.
    private static let rowsShown = 50

    private let origin: ReportOrigin
    private var findings = NotableFindings()

    public init(origin: ReportOrigin) { self.origin = origin }

    public var holdsLossesAndSummary: Bool { true }
    public var showsEveryLookup: Bool { false }

    public func begin(into bytes: inout [UInt8]) {}
    public func write(_ loss: Loss, into bytes: inout [UInt8]) {}

    public mutating func write(_ finding: Finding, legend: Legend, into bytes: inout [UInt8]) {
        findings.take(finding)
    }

    public func end(_ report: RunReport, legend: Legend, into bytes: inout [UInt8]) {
        let facts = ReportFacts(report, legend: legend, origin: origin)
        var page = HTMLWriter()
        page.element("html", ["lang": "en"]) {
            $0.element("head") { Self.head(facts, &$0) }
            $0.element("body") { body(facts, &$0) }
        }
        bytes += page.bytes
    }

    // MARK: Frame

    private static func head(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        page.void("meta", ["charset": "utf-8"])
        page.void(
            "meta",
            [
                "http-equiv": "Content-Security-Policy",
                "content": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
            ])
        page.void("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
        page.void("meta", ["name": "color-scheme", "content": "light dark"])
        page.element("title", "futexscope report: \(facts.origin.source)")
        page.style(ReportStyle.sheet)
    }

    private func body(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        Self.hatches(&page)
        page.element("header") { Self.header(facts, &$0) }
        page.element("main") { main in
            main.write(facts.conclusions)
            if facts.report.summary.causes.isEmpty {
                main.element("section") { $0.element("p", facts.report.noCause) }
            } else {
                Self.rules(facts, &main)
                Self.time(facts, &main)
                Self.causes(facts, &main)
                Self.pairs(facts, &main)
            }
            Self.distributions(facts, &main)
            Self.coincidence(facts, &main)
            table(facts, &main)
            Self.missing(facts, &main)
        }
        page.element("footer") {
            $0.element(
                "p",
                "Written by futexscope. An observed lookup met a page without a mapping, or a page whose detach was seen."
            )
        }
    }

    /// Patterns that all pictures use.
    private static func hatches(_ page: inout HTMLWriter) {
        page.element("svg", ["class": "defs", "aria-hidden": "true"]) { svg in
            svg.element("defs") { defs in
                for colour in ReportStyle.colours {
                    defs.element(
                        "pattern",
                        [
                            "id": "\(colour)-hatched", "width": "6", "height": "6", "patternUnits": "userSpaceOnUse",
                            "patternTransform": "rotate(45)",
                        ]
                    ) {
                        $0.element("rect", ["width": "6", "height": "6", "class": colour]) { _ in }
                        $0.element("line", ["x1": "0", "y1": "0", "x2": "0", "y2": "6", "class": "hatch"]) { _ in }
                    }
                }
            }
        }
    }

    private static func header(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        let (summary, all) = (facts.report.summary, facts.report.summary.allCauses)
        page.element("h1", "What get_futex_key() met")
        page.element("dl", ["class": "head"]) { list in
            for (name, value) in facts.head where name != "cut off" {
                list.element("dt", name)
                list.element("dd") { $0.foreign(value) }
            }
        }
        for (name, value) in facts.head where name == "cut off" {
            page.element("p", ["class": "warning"]) {
                $0.element("strong", "Cut off: ")
                $0.text(value + ".")
            }
        }
        let lost = facts.report.lostStages.reduce(0 as UInt64) { $0 &+ $1.count }
        let figures: [(String, UInt64)] = [
            ("findings", summary.findings), ("with an observation", summary.judged), ("failed", all.failed),
            ("failed spuriously", all.spurious),
            ("still looping", summary.looping), ("of unknown cause", summary.causes[.unknown]?.lookups ?? 0),
            ("events lost", lost),
        ]
        page.write(figures: figures)
    }

    // MARK: Sections

    private static func rules(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        page.section("What each rule would have returned") {
            facts.rulesPicture().write(
                id: "rules", title: "What each rule would have returned for the findings with an observation",
                description: "One bar for each rule, divided by result. The table below has the numbers.", into: &$0)
            legend(ReportFacts.rulesLegend, &$0)
            $0.write(facts.rules, withCaption: false)
        }
    }

    private static func time(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        let timeline = facts.analysis.timeline
        page.section("When") {
            let lanes = facts.lanes.isEmpty ? "" : " Below, when operations that detach pages were in progress."
            facts.timelinePicture().write(
                id: "time", title: "Observed lookups over time",
                description: "Observed lookups by cause in \(timeline.bins) intervals of "
                    + "\(ShortNumber.duration(timeline.binNs)).\(lanes) The table below has the numbers.",
                into: &$0)
            legend(
                facts.causesShown.map { ($0.style, $0.rawValue) } + [("failures", "failed, on the scale of the bars")]
                    + (facts.lanes.isEmpty ? [] : [("lane", "operation in progress, by its share of the time")]), &$0)
            $0.write(facts.times(rows: 12), withCaption: false)
        }
    }

    private static func causes(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        page.section("Causes") {
            $0.element("div", ["class": "columns"]) { columns in
                columns.element("div") {
                    facts.causesPicture().write(
                        id: "causes", title: "Observed lookups by cause",
                        description: "One bar for each cause. The table below has the numbers.", into: &$0)
                    $0.write(facts.report.causes)
                }
                columns.element("div") { $0.write(facts.report.verdicts) }
            }
        }
    }

    private static func pairs(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        page.section("Who and where") {
            $0.write(facts.report.pairs(limit: rowsShown, legend: facts.legend))
            $0.write(facts.report.processes(limit: rowsShown))
            $0.write(facts.report.workloads(limit: rowsShown, legend: facts.legend))
            $0.write(facts.report.files(limit: rowsShown, legend: facts.legend))
        }
    }

    private static func distributions(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        let analysis = facts.analysis
        guard analysis.passes.total > 0 else { return }
        page.section("How long") { section in
            if !facts.causesShown.isEmpty {
                legend(facts.causesShown.map { ($0.style, $0.rawValue) } + [("none", "only went back")], &section)
            }
            section.element("div", ["class": "columns"]) { columns in
                columns.element("div") {
                    $0.element("h3", "Passes")
                    facts.histogramPicture(
                        analysis.passes, analysis.passesByCause, axis: "passes, from", text: ShortNumber.count
                    )
                    .write(
                        id: "passes", title: "Findings by passes",
                        description: "Findings by powers of two of their passes. The table below has the numbers.",
                        into: &$0)
                    $0.write(ReportFacts.distribution(analysis.passes, "passes", text: ShortNumber.count))
                }
                columns.element("div") {
                    $0.element("h3", "Duration")
                    facts.histogramPicture(
                        analysis.durationsNs, analysis.durationsNsByCause, axis: "duration, from",
                        text: ShortNumber.duration
                    )
                    .write(
                        id: "durations", title: "Findings by duration",
                        description: "Findings by powers of two of their duration. The table below has the numbers.",
                        into: &$0)
                    $0.write(ReportFacts.distribution(analysis.durationsNs, "duration", text: ShortNumber.duration))
                }
            }
        }
    }

    private static func coincidence(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        page.section("Coincidence in time") {
            if facts.analysis.coincidence.contains(where: { $0.operations > 0 }), facts.analysis.observed > 0 {
                facts.coincidencePicture().write(
                    id: "coincidence", title: "Observed lookups during operations, and by chance",
                    description:
                        "One bar for each kind of operation: observed lookups that overlapped one. A mark shows "
                        + "how many would by chance. The table below has the numbers.", into: &$0)
                legend(
                    [
                        ("during", "overlapped it"), ("chance", "by chance"),
                        ("chance-range", "± one standard deviation"),
                    ],
                    &$0)
            }
            $0.write(facts.coincidence, withCaption: false)
            $0.write(facts.report.activities)
        }
    }

    private func table(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        let shown = findings.shown
        guard !shown.isEmpty else { return }
        page.section("Findings", "findings") {
            let all = facts.report.summary.findings
            let rest = all > UInt64(shown.count) ? "; \(all - UInt64(shown.count)) more are not shown" : ""
            $0.element(
                "p", ["class": "note"],
                "Spurious failures (!) and loops first, then the others, as they came\(rest). "
                    + "? after a cause: inferred; > after it: the hole was in a neighbour page.")
            $0.write(facts.findings(shown), withCaption: false)
        }
    }

    private static func missing(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        page.section("What was counted, and what is missing") { section in
            section.element("dl", ["class": "head"]) { list in
                for (name, value) in facts.counters + facts.report.missing {
                    list.element("dt", name)
                    list.element("dd") { $0.foreign(value) }
                }
                for omission in facts.omissions {
                    list.element("dt", "left out")
                    list.element("dd") { $0.foreign(omission) }
                }
            }
            section.write(facts.unknown)
        }
    }

    private static func legend(_ entries: [(style: String, name: String)], _ page: inout HTMLWriter) {
        page.element("ul", ["class": "legend", "aria-hidden": "true"]) { list in
            for entry in entries {
                list.element("li") {
                    $0.element("svg", ["viewBox": "0 0 22 17"]) {
                        switch entry.style {
                        case "chance":
                            $0.element("line", ["x1": "11", "y1": "0", "x2": "11", "y2": "17", "class": entry.style]) {
                                _ in
                            }
                        default:
                            $0.element(
                                "rect", ["x": "1", "y": "1", "width": "20", "height": "15", "class": entry.style]
                            ) { _ in }
                        }
                    }
                    $0.element("span", entry.name)
                }
            }
        }
    }
}

extension HTMLWriter {
    /// Numbers to see first.
    mutating func write(figures: [(name: String, value: UInt64)]) {
        element("dl", ["class": "figures"]) { list in
            for (name, value) in figures {
                list.element("div") {
                    $0.element("dt", name)
                    $0.element("dd", ShortNumber.count(value))
                }
            }
        }
    }

    mutating func section(_ title: String, _ style: String = "", _ body: (inout HTMLWriter) -> Void) {
        element("section", ["class": style]) {
            $0.element("h2", title)
            body(&$0)
        }
    }

    /// Nothing where there are no rows.
    mutating func write(_ table: ReportTable, withCaption: Bool = true) {
        guard !table.rows.isEmpty else { return }
        element("div", ["class": "scroll"]) { block in
            block.element("table") {
                if withCaption { $0.element("caption", table.caption) }
                $0.element("thead") {
                    $0.element("tr") { row in
                        for column in table.columns {
                            row.element("th", ["scope": "col", "class": column.isNumber ? "n" : ""], column.title)
                        }
                    }
                }
                $0.element("tbody") { body in
                    for (position, row) in table.rows.enumerated() {
                        let isSum = table.hasSum && position == table.rows.count - 1
                        body.element("tr", ["class": isSum ? "sum" : ""]) { $0.write(row, table.columns) }
                    }
                }
            }
            for note in table.notes { block.element("p", ["class": "note"], note) }
        }
    }

    private mutating func write(_ row: [ReportTable.Cell], _ columns: [ReportTable.Column]) {
        for (position, (cell, column)) in zip(row, columns).enumerated() {
            let style = column.isNumber ? "n" : ""
            switch cell {
            case .own(let text):
                let isHead = position == 0 && !column.isNumber
                element(isHead ? "th" : "td", isHead ? ["scope": "row"] : ["class": style], text)
            case .number(let number): element("td", ["class": number == 0 ? style + " zero" : style], "\(number)")
            case .process(nil), .path(nil): element("td", "-")
            case .process(let process?):
                element("td", ["class": "task"]) {
                    $0.foreign(process.comm.text)
                    $0.text("/\(process.pid)")
                }
            case .path(let path?): element("td", ["class": "path"]) { $0.foreign(path) }
            case .foreign(let text): element("td") { $0.foreign(text) }
            case .mark(let text): element("td") { $0.element("span", ["class": "mark"], text) }
            }
        }
    }
}

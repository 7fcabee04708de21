// SPDX-License-Identifier: Apache-2.0

// A run that is over as one page that needs nothing beside it: no font, no picture and no script from elsewhere, and a
// policy in its head by which a browser would refuse them. The tables are those of the text; plots stand beside them. Its
// own small script is in ReportScript.swift; the page is whole without it.

public import Correlation
public import Events

/// Collects findings up to a limit, and writes the page at the end.
public struct ReportHTML: FindingFormat {
    /// Rows shown of processes, files and pairs.
    private static let rowsShown = 50

    /// The style sheet hides those after them on paper.
    private static let findingsPrinted = 25

    private let origin: ReportOrigin
    private var findings = NotableFindings()

    public init(origin: ReportOrigin) { self.origin = origin }

    public var holdsLossesAndSummary: Bool { true }
    public var showsEveryLookup: Bool { false }

    public func begin(into bytes: inout [UInt8]) {}
    public func write(_ loss: Loss, legend: Legend, into bytes: inout [UInt8]) {}

    public mutating func write(_ finding: Finding, legend: Legend, into bytes: inout [UInt8]) {
        findings.take(finding)
    }

    public func end(_ report: RunReport, legend: Legend, into bytes: inout [UInt8]) {
        let facts = ReportFacts(report, legend: legend, origin: origin)
        var page = HTMLWriter()
        page.element("html", ["lang": "en"]) {
            $0.element("head") { Self.head(title: "futexscope report: \(facts.origin.source)", &$0) }
            $0.element("body") { body(facts, &$0) }
        }
        bytes += page.bytes
    }

    // MARK: Frame

    static func head(title: String, _ page: inout HTMLWriter) {
        page.void("meta", ["charset": "utf-8"])
        page.void(
            "meta",
            [
                "http-equiv": "Content-Security-Policy",
                "content":
                    "default-src 'none'; style-src 'unsafe-inline'; script-src '\(ReportScript.hash)'; base-uri 'none'; form-action 'none'",
            ])
        page.void("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
        page.void("meta", ["name": "color-scheme", "content": "light dark"])
        page.element("title", title)
        page.style(ReportStyle.sheet)
        page.script(ReportScript.script)
    }

    private func body(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        Self.hatches(&page)
        page.element("header") { Self.header(facts, &$0) }
        page.element("main") { main in
            main.write(facts.conclusions)
            if facts.report.summary.causes.isEmpty {
                main.element("section") { $0.element("p", facts.report.noCause) }
            } else {
                for rule in Rule.allCases { main.explain(rule.rawValue) }
                Self.pairs(facts, &main)
                if !facts.report.run.hasCountsForTimes { Self.time(facts, &main) }
                Self.files(facts, &main)
                Self.causes(facts, &main)
                Self.rules(facts, &main)
            }
            Self.distributions(facts, &main)
            if !facts.report.run.hasCountsForTimes { Self.coincidence(facts, &main) }
            table(facts, &main)
            Self.missing(facts, &main)
            main.writeGlossary()
        }
        page.element("footer") { $0.element("p", "Written by futexscope.") }
    }

    /// Patterns that all pictures use.
    static func hatches(_ page: inout HTMLWriter) {
        page.element("svg", ["class": "defs", "aria-hidden": "true"]) { svg in
            svg.element("defs") { defs in
                for colour in ReportStyle.hatched {
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
        page.write(counters: facts.head.filter { $0.name != "cut off" })
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
        page.section("What each rule would have returned") { section in
            legend(ReportFacts.rulesLegend, &section)
            section.element("div", ["class": "columns"]) { columns in
                columns.element("div") {
                    facts.rulesPicture().write(
                        id: "rules", title: "What each rule would have returned for the findings with an observation",
                        description: "One bar for each rule, divided by result. The table has the numbers.", into: &$0)
                }
                columns.element("div") { $0.write(facts.rules, withCaption: false) }
            }
            section.element("div", ["class": "screen"]) { $0.write(facts.report.verdicts) }
            section.element("p", ["class": "note printed"], "The page on a screen has this for each cause as well.")
        }
    }

    private static func time(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        let timeline = facts.analysis.timeline
        page.section("When") {
            let lanes = facts.lanes.isEmpty ? "" : " Below, when operations that detach pages were in progress."
            legend(
                facts.causesShown.map { ($0.style, $0.rawValue) } + [("failed", "failed, on the scale of the bars")]
                    + (facts.lanes.isEmpty ? [] : [("lane", "operation in progress, by its share of the time")]), &$0)
            // Of the two a reader sees the one that fits the screen.
            for shape in [TimelineShape.wide, .narrow] {
                facts.timelinePicture(shape).write(
                    id: "time-\(shape.name)", title: "Observed lookups over time",
                    description: "Observed lookups by cause in intervals of "
                        + "\(ShortNumber.duration(timeline.binNs &* UInt64(shape.together(timeline)))).\(lanes) "
                        + "The table below has the numbers.",
                    style: shape.name, into: &$0, data: facts.timelineData(shape))
            }
            $0.write(facts.times(rows: 12), withCaption: false)
        }
    }

    private static func causes(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        page.section("Causes") {
            $0.element("div", ["class": "columns"]) { columns in
                columns.element("div") {
                    facts.causesPicture().write(
                        id: "causes", title: "Observed lookups by cause",
                        description: "One bar for each cause. The table has the numbers.", into: &$0)
                }
                columns.element("div") {
                    $0.write(facts.report.causes, withCaption: false)
                    $0.write(facts.report.failures)
                }
            }
        }
    }

    private static func pairs(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        page.section("Who hit whom") {
            $0.write(facts.report.pairs(limit: rowsShown, legend: facts.legend), withCaption: false)
        }
    }

    private static func files(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        page.section("Which file, whose work") {
            $0.write(facts.report.files(limit: rowsShown, legend: facts.legend))
            $0.write(facts.report.workloads(limit: rowsShown, legend: facts.legend))
            $0.element("div", ["class": "screen"]) { $0.write(facts.report.processes(limit: rowsShown)) }
        }
    }

    private static func distributions(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        let analysis = facts.analysis
        guard analysis.passes.total > 0 else { return }
        page.section("How long") { section in
            if !facts.causesShown.isEmpty {
                legend(facts.causesShown.map { ($0.style, $0.rawValue) } + [("none", "only retried")], &section)
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
            let hidden = all - min(all, UInt64(shown.count))
            let rest =
                hidden > 0
                ? "; \(hidden) more \(noun(hidden, "is", "are")) not shown: each pair and cause has a share of the places"
                : ""
            $0.element(
                "p", ["class": "note"],
                "Spurious failures (!) and loops first, then the others, in the order of time\(rest). "
                    + "? after a cause: inferred; > after it: the hole was in a neighbour page.")
            if shown.count > Self.findingsPrinted {
                $0.element(
                    "p", ["class": "note printed"],
                    "On paper are the first \(Self.findingsPrinted) of \(shown.count); the page on a screen has all.")
            }
            $0.write(facts.findings(shown), withCaption: false)
        }
    }

    private static func missing(_ facts: ReportFacts, _ page: inout HTMLWriter) {
        page.section("What was counted, and what is missing") { section in
            section.write(
                counters: facts.counters + facts.report.missing + facts.omissions.map { ("left out", $0) })
            section.write(facts.unknown)
        }
    }

    static func legend(_ entries: [(style: String, name: String)], _ page: inout HTMLWriter) {
        page.element("ul", ["class": "legend"]) { list in
            for entry in entries {
                list.element("li", data: [("cause", Cause(rawValue: entry.name)?.rawValue ?? "")]) {
                    $0.element("svg", ["viewBox": "0 0 22 17", "aria-hidden": "true"]) {
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

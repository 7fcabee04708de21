// SPDX-License-Identifier: Apache-2.0

// What is on the pages, without a browser: the columns of each depth, and that each number has a meaning.

import Correlation
import EventSamples
import Events
import Pipeline
import Testing

@testable import Presentation

@Suite("Pages") struct PageTests {
    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private static let full = text(Story.reported(ReportHTML(origin: Story.origin)))

    /// A run at the default depth: entries and returns of lookups are not seen.
    private static let sentinelEvents: [Event] =
        Story.events.prefix(4) + [
            .detach(.sample { ($0.landmarks, $0.hole, $0.scope) = ([.invalidate2], nil, .directIOInvalidation) }),
            .lookup(.inside()),
        ]

    private static let sentinel: String = {
        var (run, totals) = (Story.recorded, Story.totals)
        run.probes.removeAll { $0.role == "lookup" }
        totals.lookups = nil
        return text(
            Story.reported(ReportHTML(origin: Story.origin), events: sentinelEvents, run: run, totals: totals))
    }()

    /// At the default depth.
    private static let sentinelLive: String = {
        var state = MetricsTests.state(totals: MetricsTests.sentinelTotals, events: sentinelEvents)
        var correlator = Correlator()
        state.latest = sentinelEvents.compactMap { correlator.take($0) }
        return text(LivePage(state, version: "1").bytes(nonce: "n"))
    }()

    private static let live = text(LivePage(LivePageTests.state(), version: "1").bytes(nonce: "n"))

    private static let merged: String = {
        var runs: [ReportedRun] = []
        for source in ["a.ctf", "b.ctf"] {
            var stream = FindingStream(
                format: NoFormat(), correlator: Correlator(), run: Story.recorded, analysis: Analysis())
            _ = stream.take(Story.activities + Story.events + [.totals(Story.totals)])
            runs.append(ReportedRun(source: source, report: stream.end(), legend: stream.legend))
        }
        return text(MergedReport(runs).page)
    }()

    private static let pages = [full, sentinel, live, sentinelLive, merged]

    /// The titles of the table of findings, in order.
    private static func findingColumns(_ page: String) throws -> [String] {
        let heads = page.matches(of: /<thead><tr>(.*)/).map { head in
            head.output.1.matches(of: /<th[^>]*>([^<]*)<\/th>/).map { String($0.output.1) }
        }
        return try #require(heads.first { $0.contains("age") })
    }

    @Test("who, what and which file come first; passes and durations only where they are known")
    func columnsByDepth() throws {
        let first = ["time UTC", "victim", "result", "cause", "culprit", "file", "age"]
        #expect(try Self.findingColumns(Self.full) == first + ["passes", "took", "rules"])
        #expect(try Self.findingColumns(Self.live) == first + ["passes", "took", "rules"])
        #expect(try Self.findingColumns(Self.sentinel) == first + ["rules"])
        #expect(try Self.findingColumns(Self.sentinelLive) == first + ["rules"])
        // A row has a cell for each column.
        for page in [Self.full, Self.sentinel] {
            let columns = try Self.findingColumns(page)
            for row in page.matches(of: /<tr[^>]*>(<th data-name="time UTC".*)/) {
                #expect(row.output.1.matches(of: /data-name="([^"]+)"/).map { String($0.output.1) } == columns)
            }
        }
    }

    @Test("a table that is too wide for a phone is stacked there, with the title before each cell")
    func stacked() {
        for page in Self.pages {
            for table in page.matches(of: /<table><thead><tr>(.*)/) {
                let columns = table.output.1.matches(of: /<th/).count
                #expect(columns <= 7 || table.output.1.contains(">kernel<"), "\(table.output.1)")
            }
        }
        #expect(Self.full.contains(".stacked tr { display: flex"))
    }

    @Test("each number of a page has one meaning, in its title and in the glossary of the page")
    func meanings() throws {
        let words = Set(Cause.allCases.map(\.rawValue))
        for page in Self.pages {
            let glossary = try #require(page.firstMatch(of: /<section class="glossary">(?s:.*?)<\/section>/)).output
            let meanings = glossary.matches(of: /<dt>([^<]*)<\/dt><dd>([^<]+)<\/dd>/)
            let defined = meanings.map { String($0.output.1) }
            #expect(Set(defined).count == defined.count)
            let numbers =
                page.matches(of: /<th scope="col" class="n"[^>]*>([^<]*)</).map { String($0.output.1) }
                + page.matches(of: /<div>\n?<dt[^>]*>([^<]*)<\/dt><dd>[\d.kMG]+</).map { String($0.output.1) }
            #expect(numbers.count > 10)
            for number in numbers { #expect(defined.contains(number), "\(number)") }
            for title in page.matches(of: /<(?:th|dt)[^>]* title="([^"]*)"[^>]*>([^<]*)</) {
                #expect(
                    meanings.contains { $0.output.1 == title.output.2 && $0.output.2 == title.output.1 },
                    "\(title.output.2)")
            }
            // The causes that occur are explained as well.
            for cause in words where page.contains(">\(cause)</t") { #expect(defined.contains(cause), "\(cause)") }
        }
    }

    @Test("the counters of a report have meanings")
    func counters() {
        for name in ["traced", "shared lookups", "observations", "findings", "retries", "failures", "lost", "own cost"]
        {
            let meaning = HTMLWriter.escaped(Glossary.meaning(of: name) ?? "")
            #expect(Self.full.contains("<dt title=\"\(meaning)\">\(name)</dt>"), "\(name)")
        }
    }

    // MARK: All outputs

    @Test("one of a thing is not called by its plural, in any output")
    func plurals() throws {
        let events: [Event] = [
            .detach(.sample()), .lookup(.sample()),
            .lookup(
                .sample(page: nil) {
                    $0.succeed(inPass: 2)
                    ($0.observations, $0.retries.mappingChanged) = (0, 1)
                }),
            .lost(Loss(time: 1, stage: .ringDetach, count: 1)),
        ]
        var totals = Totals()
        (totals.lookups, totals.observations, totals.detaches, totals.detachesHeld) = (1, 1, 1, 1)
        (totals.durationNs, totals.isFinal, totals.failedUnmapped) = (1_000_000_000, true, 1)
        totals.cost = Totals.Cost(runTimeNs: 1, runCount: 1, mapBytes: 1024)
        var outputs: [String] = []
        let formats: [any FindingFormat] = [
            ReportText(width: 400, colour: false, origin: Story.origin), ReportHTML(origin: Story.origin),
            Table(width: 400, colour: false), JSONLines(origin: Story.origin),
        ]
        for format in formats {
            outputs.append(Self.text(Story.reported(format, events: events, totals: totals, omissions: [])))
        }
        var stream = FindingStream(
            format: NoFormat(), correlator: Correlator(), run: Story.recorded, analysis: Analysis())
        _ = stream.take(events + [.totals(totals)])
        let run = ReportedRun(source: "a", report: stream.end(), legend: stream.legend)
        outputs.append(Self.text(MergedReport([run]).text(width: 400, colour: false)))
        outputs.append(Self.text(MergedReport([run]).page))
        outputs.append(Self.text(Comparison(run, run).text).replacing("\n", with: " "))
        for output in outputs {
            let plural =
                /(?:^|[^\d.,a-zA-Z-])1 (?:more |shared |observed |program |other |futex )?(passes|observations|findings|lookups|events|runs|pairs|files|folios|kinds|calls)\b/
            let found = output.firstMatch(of: plural)
            #expect(found == nil, "\(found?.output.0 ?? "")")
        }
    }

    @Test("pages that nobody counted are not shown as none")
    func uncounted() {
        var totals = Story.totals
        totals.activities = [.holePunch: Totals.ActivityTotals(operations: 2, pages: 0, durationNs: 1000)]
        let page = Self.text(Story.reported(ReportHTML(origin: Story.origin), totals: totals))
        #expect(page.contains(/>hole-punch<\/th><td class="n">2<\/td><td class="n">-<\/td>/))
    }
}

// SPDX-License-Identifier: Apache-2.0

import Correlation
import EventSamples
import Events
import Foundation
import Golden
import Pipeline
import Testing

@testable import Presentation

/// Reports of several runs: merged, and side by side.
@Suite("Several runs") struct SeveralRunsTests {
    /// The run of `Story` on one host.
    private static func run(
        _ host: String?, source: String, events: [Event] = Story.activities + Story.events,
        lookups: UInt64? = 1_234_567,
        omissions: [Omission] = []
    ) -> ReportedRun {
        var (info, totals) = (Story.recorded, Story.totals)
        (info.host, totals.lookups, totals.time) = (host, lookups, 60_000_500_000)
        var stream = FindingStream(format: NoFormat(), correlator: Correlator(), run: info, analysis: Analysis())
        _ = stream.take(events + [.totals(totals)])
        let report = stream.end(omissions: omissions)
        #expect(stream.takeBytes().isEmpty)
        return ReportedRun(source: source, report: report, legend: stream.legend)
    }

    private static let first = run("db-1", source: "a.ctf")
    /// Without the first five seconds, and with a loss.
    private static let second = run(
        "db-2", source: "b.ctf",
        events: Story.events.suffix(3) + [
            .lookup(.sample(page: .zero())), .lost(Loss(time: 1, stage: .ringDetach, count: 2)),
        ],
        omissions: [Omission(place: "b.ctf/stream_000001, offset 0", what: "the packet's checksum is wrong")])

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private static func object(_ bytes: [UInt8]) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    // MARK: Merged

    @Test("several runs as text, page and JSON") func merged() throws {
        let merged = MergedReport([Self.first, Self.second])
        #expect(try difference(of: merged.text(width: 80, colour: false), from: "merged-80.txt") == nil)
        #expect(try difference(of: merged.page, from: "merged.html") == nil)
        #expect(try difference(of: merged.json, from: "merged.jsonl") == nil)
        for line in Self.text(merged.text(width: 80, colour: false)).split(separator: "\n") {
            #expect(line.unicodeScalars.count <= 80, "\(line)")
        }
    }

    @Test("runs without a host have the names of their inputs, as far as these differ") func inputs() {
        func hosts(_ sources: [String]) -> [String] {
            let merged = MergedReport(sources.map { Self.run(nil, source: $0) })
            let lines = Self.text(merged.text(width: 80, colour: false)).split(separator: "\n")
            let head = lines.firstIndex { $0.hasPrefix("HOST ") } ?? 0
            return lines[(head + 1)...].prefix(sources.count).map { String($0.prefix { $0 != " " }) }
        }
        #expect(hosts(["/srv/traces/a.txt", "/srv/traces/b.txt"]) == ["a.txt", "b.txt"])
        #expect(hosts(["one/trace", "two/trace"]) == ["one/trace", "two/trace"])
        let long = (1...2).map { "a-name-that-has-no-room-in-the-table-\($0).txt" }
        #expect(hosts(long).map { String($0.suffix(5)) } == ["1.txt", "2.txt"])
    }

    @Test("a filter of several runs is said") func filters() throws {
        var stream = FindingStream(
            format: NoFormat(), correlator: Correlator(), run: Story.recorded, analysis: Analysis(),
            filters: "--cause reclaim")
        _ = stream.take(Story.events)
        let merged = MergedReport([ReportedRun(source: "a.ctf", report: stream.end(), legend: stream.legend)])
        #expect(Self.text(merged.text(width: 80, colour: false)).contains("\nfilters: --cause reclaim\n"))
        #expect(Self.text(merged.page).contains("<dt>filters</dt><dd><bdi>--cause reclaim</bdi></dd>"))
    }

    @Test("sums of the table of hosts are those of the runs, and each row names its host") func sums() throws {
        let merged = MergedReport([Self.first, Self.second])
        let runs = try #require(try Self.object(merged.json)["runs"] as? [[String: Any]])
        let findings = runs.compactMap { $0["findings"] as? Int }
        #expect(findings == [Self.first, Self.second].map { Int($0.report.summary.findings) })
        #expect(
            Self.text(merged.text(width: 80, colour: false)).contains(
                "\nall                   \(String(repeating: " ", count: 9 - "\(findings.reduce(0, +))".count))\(findings.reduce(0, +))"
            ))
        let pairs = try #require(try Self.object(merged.json)["pairs"] as? [[String: Any]])
        #expect(Set(pairs.compactMap { $0["host"] as? String }) == ["db-1", "db-2"])
        for pair in pairs { #expect(pair["run_id"] as? String == Story.recorded.id?.text) }
    }

    @Test("runs of one host are distinguished by their source, and a run without a host is named by it") func names() {
        let merged = MergedReport([
            Self.run("db-1", source: "a.ctf"), Self.run("db-1", source: "b.ctf"), Self.run(nil, source: "c.txt"),
        ])
        let text = Self.text(merged.text(width: 120, colour: false))
        for name in ["db-1 (a.ctf)", "db-1 (b.ctf)", "c.txt: "] { #expect(text.contains(name)) }
    }

    @Test("a name of a host is no markup and no escape") func hostile() {
        let merged = MergedReport([
            Self.run("<b>\u{1b}[31m", source: "a.ctf"), Self.run("db-2", source: "b.ctf"),
        ])
        #expect(!Self.text(merged.page).contains("<b>"))
        for bytes in [merged.page, merged.text(width: 80, colour: false), merged.json] {
            #expect(!bytes.contains(0x1b))
        }
    }

    // MARK: Compared

    @Test("two runs side by side as text and JSON") func compared() throws {
        let comparison = Comparison(Self.first, Self.second)
        #expect(try difference(of: comparison.text, from: "comparison.txt") == nil)
        #expect(try difference(of: comparison.json, from: "comparison.jsonl") == nil)
        for line in Self.text(comparison.text).split(separator: "\n") {
            #expect(line.unicodeScalars.count <= 72, "\(line)")
        }
    }

    @Test("the same run twice has no change") func same() throws {
        let rows = Comparison(Self.first, Self.first).rows
        #expect(rows.count > 10)
        for row in rows { #expect(row.change == .same && !row.isClear) }
    }

    @Test("a change is clear only where the intervals have nothing in common") func clear() {
        func row(_ a: UInt64, _ b: UInt64) -> Comparison.Row {
            Comparison.Row(
                group: .result, word: "failed", a: PoissonRate(count: a, exposure: 1),
                b: PoissonRate(count: b, exposure: 1))
        }
        #expect(row(0, 1).change == .appeared && !row(0, 1).isClear)
        #expect(row(0, 20).change == .appeared && row(0, 20).isClear)
        #expect(row(20, 0).change == .went && row(20, 0).isClear)
        #expect(row(10, 12).change == .rose && !row(10, 12).isClear)
        #expect(row(1000, 500).change == .fell && row(1000, 500).isClear)
    }

    @Test("rates are per hour where one run did not count lookups") func hours() throws {
        let without = Self.run("db-1", source: "b.ctf", lookups: nil)
        let object = try Self.object(Comparison(Self.first, without).json)
        #expect(object["per"] as? String == "hour")
        let rows = try #require(object["rows"] as? [[String: Any]])
        let a = try #require(rows.first?["a"] as? [String: Any])
        let hours = Double(Self.first.analysis.runNs) / 3.6e12
        let (count, rate) = (try #require(a["count"] as? Double), try #require(a["rate"] as? Double))
        #expect(abs(rate - count / hours) < 1e-6 * rate)
    }
}

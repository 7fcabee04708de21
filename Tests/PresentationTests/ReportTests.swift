// SPDX-License-Identifier: Apache-2.0

import Correlation
import EventSamples
import Events
import Foundation
import Golden
import Testing

@testable import Presentation

/// A run that is over, in the three formats of a report.
@Suite("Reports") struct ReportTests {
    // MARK: Golden files

    @Test("text", arguments: [80, 120])
    func text(width: Int) throws {
        let bytes = Story.reported(ReportText(width: width, colour: false, origin: Story.origin))
        #expect(try difference(of: bytes, from: "report-\(width).txt") == nil)
    }

    @Test("JSON Lines") func json() throws {
        #expect(try difference(of: Story.reported(JSONLines(origin: Story.origin)), from: "report.jsonl") == nil)
    }

    @Test("page") func html() throws {
        #expect(try difference(of: Story.reported(ReportHTML(origin: Story.origin)), from: "report.html") == nil)
    }

    @Test("a run that was cut off before anything was found") func cutOff() throws {
        var totals = Totals()
        totals.durationNs = 40_000_000_000
        for (format, name) in [
            (ReportText(width: 80, colour: true, origin: Story.origin) as any FindingFormat, "report-empty.txt"),
            (ReportHTML(origin: Story.origin), "report-empty.html"), (JSONLines(), "report-empty.jsonl"),
        ] {
            let bytes = Story.reported(format, events: [], run: RunInfo(), totals: totals, omissions: [])
            #expect(try difference(of: bytes, from: name) == nil)
        }
    }

    @Test("where observations could not be seen, a report does not say that there was none") func hidden() throws {
        let omissions = [Omission(place: "trace", what: "there is no pin of a page", hidesObservations: true)]
        let format = ReportText(width: 200, colour: false, origin: Story.origin)
        func report(_ omissions: [Omission], losing events: [Event] = []) -> String {
            let bytes = Story.reported(format, events: events, run: RunInfo(), totals: Totals(), omissions: omissions)
            return String(decoding: bytes, as: UTF8.self)
        }
        #expect(report([]).contains("No lookup met a page without a mapping."))
        let hidden = report(omissions)
        #expect(!hidden.contains("o lookup met a page"))
        #expect(hidden.contains("could not be seen: there is no pin of a page."))
        #expect(hidden.contains("Evidence incomplete: there is no pin of a page."))
        for stage in [Loss.Stage.ringDetach, .ringLookup, .observationMissed] {
            let lost = report([], losing: [.lost(Loss(time: 1, stage: stage, count: 3))])
            #expect(lost.contains("No lookup was seen to meet a page without a mapping, but events were lost."))
        }
    }

    // MARK: Page

    @Test("the policy of a page has the hash of its script, and nothing else may run") func script() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "futexscope-script-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data(ReportScript.script.description.utf8).write(to: folder)
        let (process, pipe) = (Process(), Pipe())
        process.executableURL = URL(filePath: "/usr/bin/sha256sum")
        (process.arguments, process.standardOutput) = ([folder.path], pipe)
        try process.run()
        let answer = try #require(String(data: pipe.fileHandleForReading.readDataToEndOfFile(), encoding: .utf8))
        process.waitUntilExit()
        let digits = Array(answer.prefix(64))
        let bytes = stride(from: 0, to: 64, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
        #expect(ReportScript.hash == "sha256-" + Data(bytes).base64EncodedString())
        let page = String(decoding: Story.reported(ReportHTML(origin: Story.origin)), as: UTF8.self)
        #expect(page.contains("script-src &#39;\(ReportScript.hash)&#39;;"))
        #expect(page.contains("<script>\(ReportScript.script.description)</script>"))
        #expect(page.split(separator: "<script").count == 2)
    }

    @Test("a page has findings of each pair and cause, however many one of them has") func sample() throws {
        var findings = NotableFindings()
        var correlator = Correlator()
        func take(_ events: [Event]) { for event in events { correlator.take(event).map { findings.take($0) } } }
        for number in 0..<1000 {
            take([.lookup(.sample(page: .zero()) { ($0.time, $0.victim.comm) = (UInt64(number), Comm("loud")) })])
        }
        for name in ["a", "b", "c"] {
            for number in 0..<5 {
                take([
                    .lookup(.sample(page: .zero()) { ($0.time, $0.victim.comm) = (5000 + UInt64(number), Comm(name)) })
                ])
            }
        }
        let shown = findings.shown
        #expect(shown.count == NotableFindings.limit)
        for name in ["a", "b", "c"] { #expect(shown.count(where: { $0.lookup.victim.comm == Comm(name) }) == 5) }
    }

    // MARK: JSON

    @Test("a report is what JSON Lines write without it, and one line more")
    func sameLines() throws {
        let plain = Story.bytes(JSONLines(origin: Story.origin))
        let report = Story.reported(JSONLines(origin: Story.origin), events: Story.events, run: Story.run)
        #expect(report.starts(with: plain))
        let rest = report.dropFirst(plain.count).split(separator: UInt8(ascii: "\n"))
        #expect(rest.count == 1)
        let line = try #require(try JSONSerialization.jsonObject(with: Data(rest[0])) as? [String: Any])
        #expect(line["type"] as? String == "report")
        let rules = try #require(line["rules"] as? [String: [String: Int]])
        #expect(
            rules.mapValues { $0["spurious"] } == [
                "vma": 0, "retry": 0, "retry-zero": 0, "efault": 3, "fallback": 0, "swizzle": 2,
            ])
    }

    @Test("numbers are written so that they come back as they were")
    func decimals() throws {
        let line = JSONWriter.line {
            $0.decimal("third", 1.0 / 3)
            $0.decimal("tiny", 1.0e-12)
            $0.decimal("none", .nan)
            $0.decimal("nil", nil)
            $0.numbers("many", [1, .max])
            $0.numbers("few", [])
            $0.flag("last", true)
        }
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
        #expect(object["third"] as? Double == 1.0 / 3)
        #expect(object["tiny"] as? Double == 1.0e-12)
        #expect(object["none"] is NSNull && object["nil"] is NSNull)
        #expect((object["many"] as? [Any])?.count == 2)
        #expect((object["many"] as? [Any])?.last as? String == "18446744073709551615")
    }

    // MARK: Text

    @Test("no line is wider than the terminal, at any width", arguments: 80...160)
    func widths(width: Int) {
        let text = String(
            decoding: Story.reported(ReportText(width: width, colour: false, origin: Story.origin)), as: UTF8.self)
        for line in text.split(separator: "\n") {
            #expect(line.unicodeScalars.reduce(0) { $0 + $1.columns } < width, "\(line)")
        }
    }

    @Test("bars are as long as their counts, and a small count is visible")
    func bars() {
        #expect(Bar.text(8, of: 8, columns: 4) == "████")
        #expect(Bar.text(4, of: 8, columns: 4) == "██")
        #expect(Bar.text(5, of: 8, columns: 4) == "██▌")
        #expect(Bar.text(1, of: 1_000_000, columns: 4) == "▏")
        #expect(Bar.text(0, of: 8, columns: 4) == "")
        #expect(Bar.text(.max, of: .max, columns: 4) == "████")
        #expect(Bar.text(0, of: 0, columns: 4) == "")
        #expect(Bar.row([0, 1, 2, 4, 8, 80], of: 8) == " ▁▂▄██")
        #expect(Bar.row([0, .max, 1], of: .max) == " █▁")
        #expect(Bar.row([5], of: 0) == " ")
    }

    @Test(
        "shares, ratios and marks of an axis",
        arguments: [
            (0, "0", "0.00%", "0.00"), (0.00001, "0.000010", "<0.01%", "0.00"), (0.0123, "0.0123", "1.23%", "0.01"),
            (0.5, "0.500", "50.0%", "0.50"), (1, "1.00", "100%", "1.00"), (9.996, "10.0", "1000%", "10.0"),
            (123.4, "123", "12340%", "123"), (123_456, "123k", "12345600%", "123k"),
            (.infinity, "0", "9000000000000000000%", "0"),
        ] as [(Double, String, String, String)])
    func decimals(value: Double, decimal: String, percent: String, coarse: String) {
        #expect(ShortNumber.decimal(value) == decimal)
        #expect(ShortNumber.percent(value) == percent)
        #expect(ShortNumber.coarse(value) == coarse)
    }

    @Test(
        "marks are round, few, and reach to the top where they should",
        arguments: [
            (0, [0]), (1, [0, 1]), (5, [0, 1, 2, 3, 4, 5]), (6, [0, 2, 4, 6]), (7, [0, 2, 4, 6, 8]),
            (10, [0, 2, 4, 6, 8, 10]),
            (101, [0, 50, 100, 150]), (430, [0, 100, 200, 300, 400, 500]),
        ] as [(UInt64, [UInt64])])
    func marks(most: UInt64, marks: [UInt64]) {
        #expect(Ticks.values(upTo: most, count: 5, reachesTop: true) == marks)
        let inside = Ticks.values(upTo: most, count: 5, reachesTop: false)
        #expect(inside.allSatisfy { $0 <= most })
        #expect(Ticks.values(upTo: .max, count: 5, reachesTop: true).count <= 7)
    }

    // MARK: The page

    private static func page(_ events: [Event] = Story.activities + Story.events) -> String {
        String(decoding: Story.reported(ReportHTML(origin: Story.origin), events: events), as: UTF8.self)
    }

    @Test("the page needs nothing beside it, and forbids it")
    func offline() {
        let page = Self.page()
        #expect(page.contains("default-src 'none'".replacing("'", with: "&#39;")))
        for word in [
            "src=", "href=", "@import", "http:", "https:", "javascript:", "<iframe", "<img", "<object",
        ] {
            #expect(!page.lowercased().contains(word), "\(word)")
        }
        #expect(page.firstMatch(of: /<[^>]* on[a-z]+=/) == nil)
        #expect(!page.replacing(/url\(#[a-z-]+\)/, with: "").contains("url("))
    }

    @Test("every picture has its title and its words, and no id is there twice")
    func accessible() {
        let page = Self.page()
        let ids = page.matches(of: /id="([^"]+)"/).map { String($0.1) }
        #expect(Set(ids).count == ids.count)
        let labels = page.matches(of: /aria-labelledby="([^" ]+) ([^" ]+)"/)
        #expect(labels.count == 7)
        for label in labels { #expect(ids.contains(String(label.1)) && ids.contains(String(label.2))) }
    }

    @Test("elements are closed in order, so that nothing can leave its place")
    func wellFormed() {
        for events in [Story.activities + Story.events, []] {
            #expect(Self.unclosed(Self.page(events)) == nil)
        }
        #expect(Self.unclosed("<p><b></p></b>") == "p")
    }

    /// What is closed out of order, or not at all.
    static func unclosed(_ page: String) -> String? {
        var open: [Substring] = []
        for tag in page.matches(of: /<(\/?)([a-z][a-z0-9]*)([^>]*)>/) {
            if ["meta"].contains(tag.2) { continue }
            if tag.1.isEmpty { open.append(tag.2) } else if open.popLast() != tag.2 { return String(tag.2) }
        }
        return open.last.map(String.init)
    }

    @Test("spurious failures and loops come first, a loop once, and the rest is counted")
    func shelf() {
        var shelf = NotableFindings()
        var correlator = Correlator()
        func tell(_ event: Event) { correlator.take(event).map { shelf.take($0) } }
        for number in 0..<UInt64(NotableFindings.limit) {
            tell(.lookup(.sample(page: .zero()) { $0.time = 2_000_000 + number }))
        }
        tell(.detach(.sample()))
        tell(.lookup(.sample()))
        for shift in 6...9 {
            var progress = Lookup.looping(passes: 1 << UInt64(shift), durationNs: 1000, tid: 5)
            (progress.start, progress.time) = (20_000_000_000, 20_000_000_000 + UInt64(shift))
            tell(.progress(progress))
        }
        #expect(shelf.shown.count == NotableFindings.limit)
        #expect(shelf.shown.prefix(3).map(\.cause) == [.holePunch, .zeroPage, .zeroPage])
        #expect(shelf.shown[1].lookup.passes == 512)
        #expect(shelf.shown[2].lookup.time == 2_000_000)
        // A loop that ends keeps its place.
        tell(
            .lookup(.sample(page: .zero()) { ($0.start, $0.time, $0.victim.tid) = (20_000_000_000, 30_000_000_000, 5) })
        )
        #expect(shelf.shown[1].lookup.time == 30_000_000_000)
        for _ in 0..<2 * NotableFindings.limit { tell(.lookup(.sample())) }
        #expect(shelf.shown.count == NotableFindings.limit)
        // They are of one pair and have as many places as the others of one pair.
        #expect((99...100).contains(shelf.shown.count { $0.spurious == true }))
        #expect(shelf.shown.prefix(100).allSatisfy { $0.spurious == true || $0.lookup.victim.tid == 5 })
    }

    @Test("impossible counts do not end a report")
    func absurd() {
        var totals = Totals()
        (totals.lookups, totals.observations, totals.detaches, totals.durationNs) = (.max, .max, .max, .max)
        totals.retries = RetryCounts(swizzled: .max, mappingChanged: .max)
        totals.cost = Totals.Cost(runTimeNs: .max, runCount: .max, mapBytes: .max)
        for kind in ActivityKind.allCases {
            totals.activities[kind] = Totals.ActivityTotals(operations: .max, pages: .max, durationNs: .max)
        }
        let task = TaskIdentity(pid: .max, tid: .max, comm: Comm(low: .max, high: .max), cgroup: .max)
        var events: [Event] = []
        for time in [0, 1, .max / 2, .max] as [UInt64] {
            for durationNs in [nil, 0, time, .max] as [UInt64?] {
                events.append(
                    .activity(Activity(time: time, kind: .reclaim, task: task, durationNs: durationNs, pages: .max)))
                events.append(.lost(Loss(time: time, stage: .recording, count: .max)))
                events.append(.detach(.sample { ($0.time, $0.culprit, $0.references) = (time, task, .min) }))
                events.append(
                    .lookup(
                        .sample(page: .sample { $0.detachTime = time }) {
                            ($0.time, $0.start, $0.victim, $0.passes) = (time, durationNs ?? 0, task, .max)
                            ($0.observations, $0.lockWaits, $0.result) = (.max, .max, .min)
                        }))
            }
        }
        let run = RunInfo(wallClockOffsetNs: .max)
        for format in [
            ReportText(width: 80, colour: true, origin: Story.origin) as any FindingFormat,
            ReportHTML(origin: Story.origin), JSONLines(origin: Story.origin),
        ] {
            #expect(!Story.reported(format, events: events, run: run, totals: totals).isEmpty)
        }
    }

    @Test("lookups that met nothing take no room")
    func plain() {
        var shelf = NotableFindings()
        var correlator = Correlator(emitsAll: true)
        let lookup = Lookup.sample(page: nil) { $0.observations = 0 }
        let finding = correlator.take(.lookup(lookup))
        #expect(finding != nil)
        finding.map { shelf.take($0) }
        #expect(shelf.shown.isEmpty)
    }

    @Test("how many findings are not shown is said")
    func notShown() {
        let events = (0..<NotableFindings.limit + 3).map { _ in Event.lookup(.sample(page: .zero())) }
        #expect(Self.page(events).contains("; 3 more are not shown: each pair"))
        #expect(!Self.page().contains("more are not shown"))
    }
}

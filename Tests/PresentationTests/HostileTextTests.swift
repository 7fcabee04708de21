// SPDX-License-Identifier: Apache-2.0

// Untrusted text against every output of Presentation: each text of the table in EventSamples in the place of each name
// that another task chooses. Messages, `provoke` and recordings have the same table in their own tests.

import Correlation
import EventSamples
import Events
import Foundation
import Pipeline
import Testing

@testable import Presentation

/// One output of a run, whatever text is in it.
struct HostileOutput: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Each line is narrower than this, unless the text is long; nil for what has no width.
    var width: Int?
    /// The output of a run in which `text` stands wherever another task chooses.
    let bytes: @Sendable (HostileText) -> [UInt8]
    /// What must not depend on the text.
    let shape: @Sendable (String) throws -> [String]

    init(
        _ name: String, width: Int? = nil, shape: @escaping @Sendable (String) throws -> [String] = { _ in [] },
        bytes: @escaping @Sendable (HostileText) -> [UInt8]
    ) {
        (testDescription, self.width, self.shape, self.bytes) = (name, width, shape, bytes)
    }

    /// The output of a format of findings or of a report.
    private init(
        _ name: String, width: Int? = nil, shape: @escaping @Sendable (String) throws -> [String] = { _ in [] },
        format: @escaping @Sendable (RunInfo, ReportOrigin) -> any FindingFormat
    ) {
        self.init(
            name, width: width, shape: shape,
            bytes: { text in
                let run = Self.run(text)
                let origin = ReportOrigin(source: text.text, filters: text.text)
                return Story.reported(
                    format(run, origin), events: Self.events(text), run: run,
                    omissions: [Omission(place: text.text, what: text.text)])
            })
    }

    static let all = tables + exports + reports + severalRuns + pages + summaries + liveViews

    private static let tables: [HostileOutput] = [80, 100, 140, 300].map { width in
        HostileOutput("table of \(width) columns", width: width, shape: findingLines) { _, _ in
            Table(width: width, colour: false)
        }
    }

    private static let exports: [HostileOutput] =
        RowType.allCases.map { rows in
            HostileOutput("CSV of \(rows)", shape: fieldCounts) { _, _ in CSV(rows: rows) }
        } + [
            HostileOutput("JSON of all rows", shape: jsonKeys) { _, _ in
                JSONLines(rows: Set(RowType.allCases))
            },
            HostileOutput("Perfetto", shape: firstWords, bytes: perfetto),
            HostileOutput("folded stacks", shape: frameCounts) { _, _ in Folded() },
        ]

    private static let reports: [HostileOutput] =
        [80, 120].map { width in
            HostileOutput("report of \(width) columns", width: width) { _, origin in
                ReportText(width: width, colour: false, origin: origin)
            }
        } + [
            HostileOutput("JSON of a report", shape: jsonKeys) { _, origin in JSONLines(origin: origin) },
            HostileOutput("page of a report", shape: tags) { _, origin in ReportHTML(origin: origin) },
        ]

    private static let severalRuns: [HostileOutput] = [
        HostileOutput(
            "report of several runs", width: 120,
            bytes: { MergedReport(reportedRuns($0)).text(width: 120, colour: false) }),
        HostileOutput("JSON of several runs", shape: jsonKeys, bytes: { MergedReport(reportedRuns($0)).json }),
        HostileOutput("page of several runs", shape: tags, bytes: { MergedReport(reportedRuns($0)).page }),
        HostileOutput("comparison", bytes: { compared($0).text }),
        HostileOutput("JSON of a comparison", shape: jsonKeys, bytes: { compared($0).json }),
    ]

    private static let pages: [HostileOutput] =
        [
            HostileOutput(
                "live page", shape: tags, bytes: { LivePage(state($0), version: "0.1.0").bytes(nonce: "n0nce") })
        ]
        + MetricsFormat.allCases.map { format in
            HostileOutput(
                "metrics of \(format)", shape: series,
                bytes: { Metrics(state($0), facts: MetricsTests.facts).bytes(format) })
        }

    private static let summaries: [HostileOutput] = [
        HostileOutput(
            "summary", width: 120,
            bytes: { text in
                let (report, legend) = ended(text)
                return Array(SummaryText(report: report, legend: legend, width: 120, colour: false).text.utf8)
            }),
        HostileOutput("doctor", bytes: { Array(doctor($0).text(colour: false).utf8) }),
        HostileOutput("doctor as JSON", shape: jsonKeys, bytes: { doctor($0).json }),
    ]

    private static let liveViews: [HostileOutput] = [60, 80, 140].map { width in
        HostileOutput(
            // A longer name takes more of the lines for the conclusion; losses and keys keep theirs.
            "live view of \(width) columns", width: width,
            shape: { $0.split(separator: "\n").suffix(2).map(String.init) },
            bytes: { text in
                var view = LiveView(begin: 0)
                var pipeline = FindingPipeline(correlator: Correlator(), run: run(text))
                for event in events(text) { pipeline.take(event) { finding, _ in view.take(finding) } }
                let lines = view.frame(
                    pipeline.state { _ in true }, width: width, height: 24, now: 20_000_000_000, isPaused: false,
                    colour: false)
                return Array(lines.map { $0 + "\n" }.joined().utf8)
            })
    }

    // MARK: A run

    /// Every text that another task, a file, a recording or a host chooses.
    static func events(_ text: HostileText) -> [Event] {
        let task = TaskIdentity(pid: 211, tid: 212, comm: text.comm, cgroup: 77)
        var loop = Lookup.looping(passes: 128, durationNs: 1_000_000)
        loop.victim = TaskIdentity(pid: 1, tid: 2, comm: text.comm, cgroup: 78)
        return [
            .name(Name(subject: .file(.data), text: text.text, detail: text.text)),
            // A unit's name, and a path of any form.
            .name(Name(subject: .cgroup(77), text: "/system.slice/" + text.text + ".service")),
            .name(Name(subject: .cgroup(78), text: text.text)),
            // As a recording may have it; a separator in it would make another function of it, and no other line.
            .name(
                Name(subject: .callPath(CallPathID(rawValue: 1)), text: "x;y" + text.text.replacing(";", with: ""))),
            .detach(
                .sample {
                    ($0.culprit.comm, $0.culprit.cgroup, $0.callPath) = (text.comm, 78, CallPathID(rawValue: 1))
                }),
            .lookup(.sample { $0.victim = task }),
            .lookup(.sample(page: .zero()) { $0.victim = task }),
            .activity(Activity(time: 2_000_000, kind: .reclaim, task: task, durationNs: 70_100, pages: 32)),
            .progress(loop),
        ]
    }

    static func run(_ text: HostileText) -> RunInfo {
        let probe = ProbeReport(
            role: text.text, function: text.text, hook: nil, isRequired: false, note: text.text)
        return RunInfo(
            kernelRelease: text.text, host: text.text, probes: [probe], wallClockOffsetNs: Story.clock.offsetNs,
            filters: text.text)
    }

    private static func state(_ text: HostileText) -> RunState {
        var latest = LatestFindings()
        var stream = FindingStream(format: JSONLines(), correlator: Correlator(), run: run(text))
        var totals = Totals()
        totals.time = 3_000_000
        _ = stream.take(events(text) + [.totals(totals)]) { latest.take($0) }
        var state = stream.state { _ in true }
        (state.latest, state.blindness) = (latest.inOrder, text.text)
        return state
    }

    /// Two runs whose inputs, hosts and events have the text.
    private static func reportedRuns(_ text: HostileText) -> [ReportedRun] {
        ["a", "b"].map { name in
            let run = run(text)
            var stream = FindingStream(format: NoFormat(), correlator: Correlator(), run: run, analysis: Analysis())
            _ = stream.take(events(text))
            let report = stream.end(omissions: [Omission(place: text.text, what: text.text)])
            return ReportedRun(source: name + text.text, report: report, legend: stream.legend)
        }
    }

    private static func compared(_ text: HostileText) -> Comparison {
        let runs = reportedRuns(text)
        return Comparison(runs[0], runs[1])
    }

    private static func ended(_ text: HostileText) -> (RunReport, Legend) {
        var pipeline = FindingPipeline(correlator: Correlator(), run: run(text))
        for event in events(text) { pipeline.take(event) { _, _ in } }
        return (pipeline.end(), pipeline.legend)
    }

    private static func doctor(_ text: HostileText) -> DoctorReport {
        DoctorReport(
            host: HostReport(
                kernelRelease: text.text,
                checks: [HostReport.Check(name: "lockdown", value: text.text, isFine: false, advice: text.text)],
                refusal: text.text),
            probes: [
                ProbeReport(
                    role: "collapse", function: text.text, hook: nil, isRequired: false, note: text.text)
            ])
    }

    /// A trace as text: line ends in it are those of `PerfettoText`.
    private static let perfetto: @Sendable (HostileText) -> [UInt8] = { text in
        let trace = Story.bytes(Perfetto(of: run(text)), events: events(text))
        let lines = PerfettoText(trace)?.lines ?? ["no trace"]
        return Array(lines.map { $0 + "\n" }.joined().utf8)
    }

    // MARK: Shapes

    private static let findingLines: @Sendable (String) -> [String] = { table in
        table.split(separator: "\n").filter { $0.hasPrefix("02:00:00") }.map { String($0.prefix(8)) }
    }

    private static let fieldCounts: @Sendable (String) throws -> [String] = { csv in
        try csv.components(separatedBy: "\r\n").map { "\(try #require(HostileTextTests.fields($0)).count)" }
    }

    /// The same elements with the same attributes, each closed. Rows are in the order of their texts.
    private static let tags: @Sendable (String) throws -> [String] = { page in
        try #require(ReportTests.unclosed(page) == nil)
        // What stands between two quotes is the value of one attribute.
        return page.replacing(ReportScript.script.description, with: "").replacing(/="[^"]*"/, with: "=")
            .matches(of: /<[^>]*>/).map { String($0.0) }.sorted()
    }

    /// Of each line: whether it is a track, a time or a note.
    private static let firstWords: @Sendable (String) -> [String] = { trace in
        trace.split(separator: "\n").map { String($0.prefix { $0 != " " }) }
    }

    /// Of each line: how many frames there are.
    private static let frameCounts: @Sendable (String) -> [String] = { stacks in
        stacks.split(separator: "\n").map { "\($0.split(separator: ";", omittingEmptySubsequences: false).count)" }
    }

    /// Names and labels without the text of labels.
    private static let series: @Sendable (String) -> [String] = { metrics in
        metrics.split(separator: "\n").map { line in
            line.contains("_run_info{") || line.contains("_probe_attached{")
                ? String(line.prefix { $0 != "=" }) : String(line)
        }
    }

    /// The keys of each object, in depth.
    private static let jsonKeys: @Sendable (String) throws -> [String] = { lines in
        func keys(_ value: Any) -> String {
            switch value {
            case let object as [String: Any]:
                "{" + object.keys.sorted().map { "\($0):\(keys(object[$0]!))" }.joined(separator: ",") + "}"
            case let list as [Any]: "[" + list.map(keys).joined(separator: ",") + "]"
            default: "_"
            }
        }
        return try lines.split(separator: "\n").map { keys(try JSONSerialization.jsonObject(with: Data($0.utf8))) }
    }
}

@Suite("Hostile text") struct HostileTextTests {
    @Test(
        "no text is interpreted, adds a line, or changes what the output says besides it", arguments: HostileOutput.all,
        HostileText.all)
    func harmless(output: HostileOutput, text: HostileText) throws {
        let bytes = output.bytes(text)
        let shown = try #require(String(validating: bytes, as: UTF8.self), "it is no UTF-8")
        let lines = shown.components(separatedBy: "\r\n").flatMap { $0.components(separatedBy: "\n") }
        for line in lines { #expect(!line.unicodeScalars.contains(where: HostileText.isInterpreted), "\(line)") }
        let sameRoom = String(decoding: output.bytes(text.withoutLineFeeds), as: UTF8.self)
        #expect(shown.utf8.count { $0 == 0x0a } == sameRoom.utf8.count { $0 == 0x0a })
        // A row without a text may be another one: an empty path is no path.
        if !text.text.isEmpty { #expect(try output.shape(shown) == output.shape(Self.plain(output))) }
        guard let width = output.width, text.bytes.count < 40 else { return }
        for line in lines { #expect(line.unicodeScalars.reduce(0) { $0 + $1.columns } < width, "\(line)") }
    }

    private static func plain(_ output: HostileOutput) -> String {
        String(decoding: output.bytes(.plain), as: UTF8.self)
    }

    @Test("JSON gives the very text back", arguments: HostileText.all)
    func json(text: HostileText) throws {
        func object(_ line: Substring?) throws -> [String: Any] {
            let line = try #require(line)
            return try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        let events = HostileOutput.events(text)
        let rows = String(decoding: Story.bytes(JSONLines(), events: events), as: UTF8.self)
        let row = try object(rows.split(separator: "\n").first)
        #expect(row["comm"] as? String == text.comm.text)
        #expect((row["detach"] as? [String: Any])?["comm"] as? String == text.comm.text)
        // An empty path is no path.
        #expect((row["page"] as? [String: Any])?["path"] as? String == (text.text.isEmpty ? nil : text.text))
        #expect(row["cgroup"] as? String == "/system.slice/" + text.text + ".service")
        let report = Story.reported(
            JSONLines(origin: ReportOrigin(source: text.text, filters: text.text)), events: events,
            run: HostileOutput.run(text), omissions: [Omission(place: text.text, what: text.text)])
        let end = try object(String(decoding: report, as: UTF8.self).split(separator: "\n").last)
        #expect(end["source"] as? String == text.text)
        let pairs = try #require(end["pairs"] as? [[String: Any]])
        #expect(pairs.contains { $0["victim_comm"] as? String == text.comm.text })
        #expect(((end["omissions"] as? [[String: Any]])?.first)?["what"] as? String == text.text)
    }

    @Test("no field of CSV is a formula", arguments: RowType.allCases, HostileText.all)
    func formulas(rows: RowType, text: HostileText) throws {
        func fields(_ text: HostileText) throws -> [[String]] {
            let bytes = Story.bytes(CSV(rows: rows), events: HostileOutput.events(text))
            return try String(decoding: bytes, as: UTF8.self).components(separatedBy: "\r\n").map {
                try #require(Self.fields($0))
            }
        }
        for (row, plain) in zip(try fields(text), try fields(.plain)) {
            for (field, other) in zip(row, plain) where field != other {
                if let first = field.unicodeScalars.first {
                    #expect(!("=+-@＝＋－＠\t\r\n".unicodeScalars.contains(first)), "\(field)")
                }
            }
        }
    }

    /// RFC 4180 of one line; nil when a quote is where none may be.
    static func fields(_ line: String) -> [String]? {
        var (fields, field, rest) = ([String](), "", Substring(line))
        while true {
            if rest.hasPrefix("\"") {
                rest = rest.dropFirst()
                while let end = rest.firstIndex(of: "\"") {
                    field += rest[..<end]
                    rest = rest[rest.index(after: end)...]
                    guard rest.hasPrefix("\"") else { break }
                    field += "\""
                    rest = rest.dropFirst()
                }
            } else {
                let plain = rest.prefix { $0 != "," }
                if plain.contains("\"") { return nil }
                field += plain
                rest = rest.dropFirst(plain.count)
            }
            fields.append(field)
            field = ""
            if rest.isEmpty { return fields }
            guard rest.hasPrefix(",") else { return nil }
            rest = rest.dropFirst()
        }
    }

    @Test("a page shows the text itself where it is harmless, and by number where it is not")
    func pageShows() {
        func page(_ text: String) -> String {
            let report = Story.reported(ReportHTML(origin: ReportOrigin(source: text, filters: text)), events: [])
            return String(decoding: report, as: UTF8.self)
        }
        #expect(page("<b>&\"'").contains("<bdi>&lt;b&gt;&amp;&quot;&#39;</bdi>"))
        #expect(page("a\u{202e}b").contains(#"<bdi>a\u{202e}b</bdi>"#))
        #expect(page("日本語").contains("<bdi>日本語</bdi>"))
    }

    @Test("RFC 4180 quoting, and what is put before a formula")
    func quoting() {
        #expect(Self.comm(in: Story.bytes(CSV(), .lookup(.sample { $0.victim.comm = Comm("a\"b,c") }))) == #""a""b,c""#)
        #expect(Self.comm(in: Story.bytes(CSV(), .lookup(.sample { $0.victim.comm = Comm("=1+1") }))) == "'=1+1")
        #expect(Self.comm(in: Story.bytes(CSV(), .lookup(.sample { $0.victim.comm = Comm("a\nb") }))) == #"a\x0ab"#)
    }

    /// The sixth field as it stands there.
    private static func comm(in csv: String) -> String? {
        let line = csv.components(separatedBy: "\r\n")[1]
        return line.components(separatedBy: ",211,212,").last?.components(separatedBy: ",,0x7f").first
    }

    @Test("the head of a name and the tail of a path are kept, and no escape is cut in two")
    func shortening() {
        #expect(TerminalText("provoke-victim").head(10) == "provoke-v…")
        #expect(TerminalText("/mnt/ext4/file").tail(10) == "…ext4/file")
        #expect(TerminalText("abc").head(3) == "abc")
        #expect(TerminalText("abc").head(1) == "…")
        #expect(TerminalText("abc").head(0) == "")
        #expect(TerminalText("ab\u{1b}c").head(6) == #"ab…"#)
        #expect(TerminalText("ab\u{1b}c").tail(5) == #"…c"#)
        #expect(TerminalText("ab\u{1b}c").head(7) == #"ab\x1bc"#)
        #expect(TerminalText("日本語").head(4) == "日…")
        #expect(TerminalText("a\u{202e}b").text == #"a\u{202e}b"#)
    }
}

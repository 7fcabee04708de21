// SPDX-License-Identifier: Apache-2.0

import Correlation
import EventSamples
import Events
import Foundation
import Testing

@testable import Presentation

/// Names that other tasks choose, on their way to a terminal, a spreadsheet, a parser.
@Suite("Hostile text") struct HostileTextTests {
    /// Fifteen bytes at most, as a task can call itself.
    static let comms = [
        "\u{1b}[2J\u{1b}[31mred", "a\nb\r\nc", "\u{202e}gnp.exe", "a\"b,c\\d", "\u{7}\u{8}\u{9b}31m", "=cmd|'/C'!A0",
        "+1+1", "-2", "@SUM(A1)", "\tx", "<b>&amp;</b>", "日本語名", "e\u{301}\u{301}", "\u{200b}\u{feff}", "",
        "\u{fffd}", "＝1", "\u{2028}x", "\u{7f}",
    ]
    static let paths = comms + ["/mnt/" + String(repeating: "\u{1b}]0;x\u{7}/", count: 90), "/a\u{e0001}b", "relative"]

    static func events(comm: String, path: String) -> [Event] {
        [
            .name(Name(subject: .file(.data), text: path, detail: comm)), .name(Name(subject: .cgroup(77), text: path)),
            .detach(.sample { $0.culprit.comm = Comm(comm) }), .lookup(.sample { $0.victim.comm = Comm(comm) }),
        ]
    }

    /// What a terminal would act upon, except for line ends.
    static func isObeyed(_ scalar: Unicode.Scalar) -> Bool {
        scalar != "\n"
            && (scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format)
            || ["\u{2028}", "\u{2029}"].contains(scalar)
    }

    @Test("the table stays one line a finding, within its width, and nothing in it is obeyed", arguments: paths)
    func table(text: String) {
        for width in [80, 100, 140, 300] {
            let output = String(
                decoding: Story.bytes(Table(width: width, colour: false), events: Self.events(comm: text, path: text)),
                as: UTF8.self)
            #expect(!output.unicodeScalars.contains(where: Self.isObeyed))
            let lines = output.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines[1].hasPrefix("02:00:00"))
            #expect(lines[2].isEmpty)
            for line in lines {
                #expect(line.unicodeScalars.reduce(0) { $0 + $1.columns } < width)
            }
        }
    }

    @Test("JSON gives the very text back and holds nothing that is obeyed", arguments: paths)
    func json(text: String) throws {
        let bytes = Story.bytes(JSONLines(), events: Self.events(comm: text, path: text))
        #expect(!String(decoding: bytes, as: UTF8.self).unicodeScalars.contains(where: Self.isObeyed))
        let line = try #require(bytes.split(separator: UInt8(ascii: "\n")).first)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
        #expect(object["comm"] as? String == Comm(text).text)
        #expect((object["detach"] as? [String: Any])?["comm"] as? String == Comm(text).text)
        // An empty path is no path.
        #expect((object["page"] as? [String: Any])?["path"] as? String == (text.isEmpty ? nil : text))
        #expect(object["cgroup"] as? String == text)
    }

    @Test("CSV stays one record a line with all its columns, and no field is a formula", arguments: paths)
    func csv(text: String) throws {
        let output = String(
            decoding: Story.bytes(CSV(), events: Self.events(comm: text, path: text)), as: UTF8.self)
        let lines = output.components(separatedBy: "\r\n")
        #expect(lines.count == 3 && lines[2].isEmpty)
        #expect(!lines[1].unicodeScalars.contains(where: Self.isObeyed))
        let fields = try #require(Self.fields(lines[1]))
        #expect(fields.count == CSV.columns.count)
        let comm = try #require(CSV.columns.firstIndex(of: "comm"))
        if let first = fields[comm].first { #expect(!"=+-@＝\t\r".contains(first)) }
        if !text.unicodeScalars.contains(where: Self.isObeyed), let first = text.first, first.isLetter {
            #expect(fields[comm] == Comm(text).text)
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

    // MARK: Reports

    static let markup = [
        "<script>x", "</title><b>", "\"><img onerror", "'><svg/onload", "&lt;&#60;", "<!--", "]]>", "</style>",
    ]

    /// One run in which every text that somebody else chose is `text`.
    private static func reported(_ format: (ReportOrigin) -> any FindingFormat, _ text: String) -> String {
        let probe = ProbeReport(role: text, function: text, hook: nil, isRequired: false, note: text)
        let run = RunInfo(kernelRelease: text, host: text, probes: [probe], wallClockOffsetNs: 1, filters: text)
        let events =
            Self.events(comm: text, path: text) + [.lookup(.sample(page: .zero()) { $0.victim.comm = Comm(text) })]
        return String(
            decoding: Story.reported(
                format(ReportOrigin(source: text, filters: text)), events: events, run: run,
                omissions: [Omission(place: text, what: text)]), as: UTF8.self)
    }

    @Test("no text becomes markup of a page, and nothing in it is obeyed", arguments: paths + markup)
    func page(text: String) {
        let plain = Self.reported(ReportHTML.init, "plain")
        let page = Self.reported(ReportHTML.init, text)
        #expect(!page.unicodeScalars.contains(where: Self.isObeyed))
        #expect(ReportTests.unclosed(page) == nil)
        // The same elements with the same attributes, in the same order.
        func tags(_ page: String) -> [String] { page.matches(of: /<[^>]*>/).map { String($0.0) } }
        if !text.isEmpty { #expect(tags(page) == tags(plain)) }
    }

    @Test("a page shows the text itself where it is harmless, and by number where it is not")
    func pageShows() {
        #expect(Self.reported(ReportHTML.init, "<b>&\"'").contains("<bdi>&lt;b&gt;&amp;&quot;&#39;</bdi>"))
        #expect(Self.reported(ReportHTML.init, "a\u{202e}b").contains(#"<bdi>a\u{202e}b</bdi>"#))
        #expect(Self.reported(ReportHTML.init, "日本語").contains("<bdi>日本語</bdi>"))
    }

    @Test("a report as text stays within its width, and nothing in it is obeyed", arguments: paths + markup)
    func reportText(text: String) {
        for width in [80, 120] {
            let report = Self.reported({ ReportText(width: width, colour: false, origin: $0) }, text)
            #expect(!report.unicodeScalars.contains(where: Self.isObeyed))
            for line in report.split(separator: "\n") where text.utf8.count < 40 {
                #expect(line.unicodeScalars.reduce(0) { $0 + $1.columns } < width, "\(line)")
            }
        }
    }

    @Test("a report as JSON gives the very text back", arguments: paths + markup)
    func reportJSON(text: String) throws {
        let report = Self.reported({ JSONLines(origin: $0) }, text)
        #expect(!report.unicodeScalars.contains(where: Self.isObeyed))
        let line = try #require(report.split(separator: "\n").last)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["source"] as? String == text)
        let pairs = try #require(object["pairs"] as? [[String: Any]])
        #expect(pairs.allSatisfy { $0["victim_comm"] as? String == Comm(text).text })
        #expect(((object["omissions"] as? [[String: Any]])?.first)?["what"] as? String == text)
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

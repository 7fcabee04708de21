// SPDX-License-Identifier: Apache-2.0

// Texts that something has wrapped as a whole: another encoding, the JSON of a log service, a page, a mail, the fields
// of a journal, a screen. What is found in them is what is found in the text itself.

import Correlation
import Events
import Foundation
import Testing

@testable import Ftrace

@Suite("Wrapped texts") struct WrappedTests {
    typealias Wrap = @Sendable ([[UInt8]]) -> [UInt8]
    private static let samples = ["console-6.12", "trace-6.12", "trace-cmd-6.12", "field/perf-script"]

    private static func lines(_ wrap: @escaping @Sendable (String) -> String) -> Wrap {
        { lines in Array(lines.map { wrap(String(decoding: $0, as: UTF8.self)) + "\n" }.joined().utf8) }
    }

    private static func text(_ lines: [[UInt8]]) -> String {
        String(decoding: Array(lines.joined(separator: [UInt8(ascii: "\n")])), as: UTF8.self) + "\n"
    }

    /// As a string of JSON, with its quotation marks.
    private static func json(_ text: String) -> String {
        let escaped = text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
            .replacingOccurrences(of: "<", with: "\\u003c").replacingOccurrences(of: "\t", with: "\\t")
            .replacingOccurrences(of: "\n", with: "\\n")
        return "\"\(escaped)\""
    }

    private static func html(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: ">", with: "&gt;")
    }

    private static func utf16(_ text: String, isBigEndian: Bool) -> [UInt8] {
        text.utf16.flatMap { unit in
            isBigEndian ? [UInt8(unit >> 8), UInt8(unit & 0xff)] : [UInt8(unit & 0xff), UInt8(unit >> 8)]
        }
    }

    private static func mail(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            var (parts, rest): ([Substring], Substring) = (
                [], Substring(line.replacingOccurrences(of: "=", with: "=3D"))
            )
            while rest.count > 70 {
                // An escape is not cut in two.
                var count = 70
                while rest.prefix(count).suffix(2).contains("=") { count -= 1 }
                parts.append(rest.prefix(count))
                rest = rest.dropFirst(count)
            }
            return (parts + [rest]).joined(separator: "=\n")
        }.joined(separator: "\n")
    }

    private static func parted(_ text: String, at count: Int, _ part: (Substring, Bool) -> String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            var (parts, rest): ([String], Substring) = ([], line)
            while rest.count > count {
                parts.append(part(rest.prefix(count), false))
                rest = rest.dropFirst(count)
            }
            return (parts + [part(rest, true)]).joined(separator: "\n")
        }.joined(separator: "\n")
    }

    static let wraps: [(name: String, wrap: Wrap)] = {
        var all: [(name: String, wrap: Wrap)] = []
        func add(_ name: String, _ wrap: @escaping Wrap) { all.append((name, wrap)) }
        func add(_ name: String, line: @escaping @Sendable (String) -> String) { all.append((name, lines(line))) }
        func add(_ name: String, whole: @escaping @Sendable (String) -> String) {
            all.append((name, { lines in Array(whole(text(lines)).utf8) }))
        }
        add("UTF-16 with its mark") { [0xff, 0xfe] + utf16(text($0), isBigEndian: false) }
        add("UTF-16, big-endian") { [0xfe, 0xff] + utf16(text($0), isBigEndian: true) }
        add("UTF-16 without a mark") { utf16(text($0), isBigEndian: false) }
        add("returns alone", whole: { $0.replacingOccurrences(of: "\n", with: "\r") })
        add("zeros alone", whole: { $0.replacingOccurrences(of: "\n", with: "\0") })
        add("a return before each line", whole: { $0.replacingOccurrences(of: "\n", with: "\n\r") })
        add("a tabulator before each line", line: { "\t" + $0 })
        add("the number of cat -n", line: { "    17\t" + $0 })
        add("cat -A", line: { $0.replacingOccurrences(of: "\t", with: "^I") + "$" })
        add("a diff", line: { "+" + $0 })
        add("HTML", whole: { "<pre>\n" + html($0) + "</pre>\n" })
        add("HTML with marks in each line", line: { "<span class=\"l\">" + html($0) + "</span><br>" })
        add("blanks that do not break", line: { $0.replacingOccurrences(of: " ", with: "\u{a0}") })
        add("HTML with names of blanks", line: { html($0).replacingOccurrences(of: " ", with: "&nbsp;") })
        add("mail", whole: mail)
        let colour = "\u{1b}[01;31m\u{1b}[Kfs_\u{1b}[m\u{1b}[K"
        add("colours of grep", line: { $0.replacingOccurrences(of: "fs_", with: colour) })
        add(
            "borders of a screen",
            line: { line in
                let padded = line + String(repeating: " ", count: max(0, 320 - line.utf8.count))
                return "\u{2502}" + padded + "\u{2502}top"
            })
        add("CSV", line: { "\"2025-11-25T19:51:59Z\",\"" + $0 + "\"" })
        add("a column behind", line: { "1732564319000," + $0 + ",db1" })
        add("a log of key and value", line: { "level=info msg=\"" + $0 + "\"" })
        add("Loki", line: { "{\"labels\":{\"app\":\"x\"},\"line\":" + json($0) + ",\"timestamp\":\"2025\"}" })
        add("Elastic", line: { "{\"_source\": {\"log\": {\"offset\": 7}, \"message\": " + json($0) + "}}" })
        add("another key", line: { "{\"id\":7,\"json\":{\"what\":" + json($0) + "},\"x\":[\"y\",\"z\"]}" })
        add("JSON behind other text", line: { "Nov 25 19:51:59 db1 app: {\"message\":" + json($0) + "}" })
        add("a short key behind a time", line: { "2026-11-25T19:51:59.000137001Z stdout F {\"m\": " + json($0) + "}" })
        add("one string", whole: { json($0) + "\n" })
        add("two returns before each end", line: { $0 + "\r\r" })
        add("a page", whole: { "<!DOCTYPE html>\n<html><body><pre>\n" + html($0) + "</pre></body></html>\n" })
        add(
            "deep objects",
            line: { line in
                String(repeating: "{\"a\":", count: 100) + "{\"message\":" + json(line) + "}"
                    + String(repeating: "}", count: 100)
            })
        add("server-sent events", line: { "data: {\"MESSAGE\":" + json($0) + "}\n" })
        add(
            "an array of objects",
            whole: { text in
                let objects = text.dropLast().split(separator: "\n", omittingEmptySubsequences: false)
                    .map { "  {\"message\": " + json(String($0)) + "}" }
                return "[\n" + objects.joined(separator: ",\n") + "\n]\n"
            })
        add(
            "an array of strings",
            whole: { text in
                let strings = text.dropLast().split(separator: "\n", omittingEmptySubsequences: false).map {
                    json(String($0))
                }
                return "[" + strings.joined(separator: ",") + "]"
            })
        add(
            "indented JSON",
            line: { "{\n\t\"PRIORITY\" : \"4\",\n\t\"MESSAGE\" : " + json($0) + ",\n\t\"H\" : \"db1\"\n}" })
        add("all in one string", whole: { "{\n    \"Output\": " + json($0) + "\n}\n" })
        add("bytes as numbers", line: { line in "{\"MESSAGE\":\(Array(line.utf8)),\"_HOSTNAME\":\"db1\"}" })
        add(
            "parts of a container's lines in JSON",
            whole: { text in
                parted(text, at: 60) { part, isLast in
                    "{\"log\":" + json(part + (isLast ? "\n" : "")) + ",\"stream\":\"stdout\"}"
                }
            })
        add(
            "parts of a container's lines",
            whole: { text in
                parted(text, at: 60) { part, isLast in
                    "2025-11-25T19:51:59.123456789Z stdout " + (isLast ? "F " : "P ") + part
                }
            })
        add(
            "journalctl -o export", line: { "__CURSOR=s=1;i=2\n_TRANSPORT=kernel\nMESSAGE=" + $0 + "\n_HOSTNAME=db1\n" }
        )
        add(
            "journalctl -o export, with a value of two lines",
            line: {
                "__CURSOR=s=1;i=2\n_CMDLINE\n\u{d}\0\0\0\0\0\0\0one\nMESSAGE=2\nMESSAGE=" + $0 + "\n_HOSTNAME=db1\n"
            })
        add(
            "journalctl -o verbose",
            line: { "Tue 2025-11-25 19:51:59 UTC [s=1;i=2]\n    PRIORITY=4\n    MESSAGE=" + $0 })
        let object = lines { "{\"message\":" + json($0) + "}" }
        add("UTF-16 around JSON") { utf16(String(decoding: object($0), as: UTF8.self), isBigEndian: false) }
        return all
    }()

    @Test("what is found is what is found in the text itself", arguments: wraps.indices, samples)
    func wrapped(index: Int, sample: String) throws {
        let text = try Text.sample(sample).replacing("\r", with: "")
        let (name, wrap) = Self.wraps[index]
        let (whole, reading) = (try Reading(text), try Reading(bytes: wrap(text.lines), chunk: 1000))
        #expect(reading.causes == whole.causes && !whole.causes.isEmpty, "\(name)")
        #expect(reading.findings.map(\.lookup.victim) == whole.findings.map(\.lookup.victim), "\(name)")
        #expect(reading.findings.map(\.detach?.culprit) == whole.findings.map(\.detach?.culprit), "\(name)")
        #expect(reading.findings.map(\.confidence) == whole.findings.map(\.confidence), "\(name)")
        #expect(reading.losses == whole.losses, "\(name)")
    }

    @Test(
        "what stands behind the mark of the recipe is no event that the kernel refused",
        arguments: ["\"}", "\r\r", "'"])
    func mark(behind: String) throws {
        let text = try Text.sample("trace-6.12").replacing("missing=", with: "missing=" + behind)
        #expect(try !Reading(text).omits("did not take"))
        let refused = try Text.sample("trace-6.12").replacing(
            "missing=", with: "missing=fs_unlock,fs_in_evict" + behind)
        #expect(try Reading(refused).omits("recipe: fs_unlock,fs_in_evict"))
    }

    @Test("JSON without a line of a trace is not empty")
    func noLines() throws {
        let deep = String(repeating: "{\"a\":", count: 5000) + "1" + String(repeating: "}", count: 5000)
        for text in [deep, "{\"a\":{\"b\":[1,2]}}"] {
            let message = try #require(refusal(of: Array(text.utf8)))
            #expect(!message.contains("is empty") && message.contains("is a line of a trace"), "\(message)")
        }
    }

    @Test("no ordinary text is unwrapped", arguments: PropertyTests.samples)
    func plain(sample: String) throws {
        let text = try Text.sample(sample).bytes
        #expect(try Self.unwrapped(text) == text)
    }

    private static func unwrapped(_ text: [UInt8]) throws -> [UInt8] {
        var isRead = false
        let input = try Unwrapping.unwrapped { bytes in
            if isRead { return false }
            bytes += text
            isRead = true
            return true
        }
        var read: [UInt8] = []
        while try input(&read) {}
        return read
    }

    @Test(
        "lines that look wrapped change nothing in an ordinary text",
        arguments: [
            "{\"level\":\"info\",\"msg\":\"boot\"}", "{\"level\":\"info\"}\n{\"a\":\"b\",\"n\":1", "x web: &nbsp; y",
            "x: a=3D\ny: path=\nz: order=10 sum=+1 rest=-0", "app: wrote to stdout P 12", "app: {\"level\":\"info\"}",
        ], ["field/console-whole", "trace-6.12"])
    func foreign(lines: String, sample: String) throws {
        let text = Array((lines + "\n").utf8) + (try Text.sample(sample).bytes)
        #expect(try Self.unwrapped(text) == text)
    }

    @Test("ordinary lines among those in JSON are passed on", arguments: ["field/console-whole", "trace-6.12"])
    func mixed(sample: String) throws {
        let whole = try Text.sample(sample)
        let object = "{\"level\":\"info\",\"msg\":\"boot\"}"
        let cut = [object, "{\"a\":\"b\",\"n\":1", "{\"a\":[{\"b\":7", "[", "app: {", "app: [x {y"]
        for front in [[object], cut] {
            // The first lines say that the text is JSON.
            var text = Text(Array(repeating: object, count: 12).joined(separator: "\n"))
            for (place, line) in whole.lines.enumerated() {
                if place < 40 { text.lines.append(Array(front[place % front.count].utf8)) }
                text.lines.append(line)
            }
            let read = Text(try Self.unwrapped(text.bytes)).lines
            // None is lost or changed, whatever else is passed on.
            var rest = read[...]
            let isThere = whole.lines.allSatisfy { line in
                guard let place = rest.firstIndex(of: line) else { return false }
                rest = rest[(place + 1)...]
                return true
            }
            #expect(isThere)
        }
        let text = Text(Array(repeating: object, count: 12).joined(separator: "\n"))
        let (expected, reading) = (try Reading(whole), try Reading(bytes: (text.bytes + [0x0a] + whole.bytes)))
        #expect(reading.causes == expected.causes && !expected.causes.isEmpty)
        #expect(reading.losses == expected.losses)
    }

    @Test("a line with its end in JSON joins no others")
    func endInJSON() throws {
        var text = try Text.sample("field/console-whole")
        text.lines = text.lines.map { Array("{\"message\":\(Self.json(String(decoding: $0, as: UTF8.self)))}".utf8) }
        text.lines.insert(Array("{\"message\":\"GET / 200\\n\"}".utf8), at: 0)
        #expect(try Reading(text).causes == ["truncate"])
    }

    @Test("what a page shows behind its first bytes keeps the kernel's own marks")
    func lateMarks() throws {
        let head = Array("web: &nbsp; <b>x</b>\n".utf8) + Array(repeating: Array("y\n".utf8), count: 40_000).joined()
        let sample = try Text.sample("field/console-whole")
        let reading = try Reading(bytes: head + sample.bytes)
        #expect(reading.causes == ["truncate"])
    }

    @Test("a string in JSON without a limit is passed on by lines, or said to be cut", arguments: [true, false])
    func longString(hasLines: Bool) throws {
        let lines = String(repeating: hasLines ? "x-1 [000] 1.0: fs_y: z\\n" : "\\u0041\\t", count: 1000)
        var decoder = Ftrace.JSONDecoder()
        decoder.stringLimit = 1000
        var read: [UInt8] = []
        decoder.decode(Array("{\"message\":\"\(lines)\"}\n".utf8), isLast: true, into: &read)
        let text = Text(read)
        #expect(text.lines.count { $0 == Array("x-1 [000] 1.0: fs_y: z".utf8) } == (hasLines ? 1000 : 0))
        #expect((text.first("[truncated]") == nil) == hasLines)
        #expect(hasLines || read.count < 1100)
    }

    @Test("a long string of short lines is passed on in pieces", arguments: ["log", "x"])
    func pieces(key: String) throws {
        let text = "{\"\(key)\":\"" + String(repeating: "a\\n", count: 1 << 20) + "\"}\n"
        var isRead = false
        let input = try Unwrapping.unwrapped { bytes in
            defer { isRead = true }
            if !isRead { bytes += Array(text.utf8) }
            return !isRead
        }
        var (piece, largest, count): ([UInt8], Int, Int) = ([], 0, 0)
        while try input(&piece) {
            (largest, count) = (max(largest, piece.count), count + piece.count)
            piece = []
        }
        #expect(largest <= 256 << 10 && (count >= 2 << 20 || key == "x"))
    }

    @Test("arrays within arrays take no memory without bounds")
    func deepArrays() throws {
        var decoder = Ftrace.JSONDecoder()
        var read: [UInt8] = []
        decoder.decode(Array(repeating: UInt8(ascii: "["), count: 1 << 16), isLast: false, into: &read)
        #expect(decoder.depth <= 1024)
        decoder.decode(Array("\n{\"message\":\"x\"}\n".utf8), isLast: true, into: &read)
        #expect(Text(read).lines.contains(Array("x".utf8)))
    }

    @Test("parts of two streams of a container are put together each for itself")
    func streams() throws {
        let time = "2025-11-25T19:51:59.123456789Z"
        let text = """
            \(time) stdout P ab
            \(time) stderr P some
            \(time) stdout P cd
            \(time) stderr F  warning
            \(time) stdout F ef
            \(time) stdout P end

            """
        #expect(
            String(decoding: try Self.unwrapped(Array(text.utf8)), as: UTF8.self) == """
                \(time) stderr F some warning
                \(time) stdout F abcdef
                \(time) stdout F end

                """)
    }

    @Test("a cut line in JSON is a cut line")
    func cutJSON() throws {
        var text = try Text.sample("field/console-whole")
        let place = try #require(text.first("fs_unlock"))
        text.lines = text.lines.map { Array("{\"message\":\(Self.json(String(decoding: $0, as: UTF8.self)))}".utf8) }
        #expect(try Reading(text).causes == ["truncate"])
        text.lines[place].removeLast(60)
        let reading = try Reading(text)
        #expect(reading.causes.isEmpty)
        #expect(reading.losses[.ftraceBuffer] ?? 0 > 0)
    }
}

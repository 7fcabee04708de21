// SPDX-License-Identifier: Apache-2.0

// Texts in which the same events stand twice: what is found is found once, and one line says so.

import Correlation
import Events
import Testing

@testable import Ftrace

@Suite("Second copies") struct CopyTests {
    private static let samples = ["trace-6.12", "trace-newest", "console-6.12", "field/perf-script", "trace-cmd-6.12"]

    /// Nothing is counted twice.
    private func expectOnce(_ text: Text, like sample: Text) throws {
        let (wanted, reading) = (try Reading(sample, emitsAll: true), try Reading(text, emitsAll: true))
        #expect(reading.findings == wanted.findings && !wanted.findings.isEmpty)
        #expect(reading.totals == wanted.totals)
        #expect(reading.losses == wanted.losses)
        #expect(reading.omits("second copy") && !wanted.omits("second copy"))
    }

    @Test("a file and a copy of it, with its head or without, twice or more often", arguments: samples)
    func twice(sample: String) throws {
        let text = try Text.sample(sample)
        try expectOnce(Text(text.bytes + text.bytes), like: text)
        try expectOnce(Text(text.bytes + text.bytes + text.bytes), like: text)
        let plain = text.without("#", "Dumping", "Linux version")
        try expectOnce(Text(plain.bytes + [0x0a] + plain.bytes), like: plain)
    }

    @Test("a console and then the kernel's log of the same dump")
    func otherFront() throws {
        let text = try Text.sample("console-6.12")
        let other = text.replacing(#"(?m)^\[ *"#, with: "Nov 25 19:51:59 db-1 kernel: [")
        let reading = try Reading(Text(text.bytes + [0x0a] + other.bytes))
        #expect(reading.causes == (try Reading(text)).causes)
        #expect(reading.omits("second copy"))
    }

    @Test("the two sides of a diff")
    func diff() throws {
        let text = try Text.sample("trace-6.12")
        var both = text
        both.lines = text.lines.map { Array("-".utf8) + $0 } + text.lines.map { Array("+".utf8) + $0 }
        let reading = try Reading(both)
        #expect(reading.causes == (try Reading(text)).causes)
        #expect(reading.omits("second copy"))
    }

    @Test("some lines that were delivered twice", arguments: [5, 12, 40])
    func chunk(count: Int) throws {
        let text = try Text.sample("trace-6.12")
        let events = text.lines.indices.filter { String(decoding: text.lines[$0], as: UTF8.self).contains(": fs_") }
        for first in stride(from: 0, to: events.count - count, by: 11) {
            // Whole events with their stacks.
            let (begin, end) = (events[first], events[first + count])
            var other = text
            other.lines.insert(contentsOf: text.lines[begin..<end], at: end)
            try expectOnce(other, like: text)
        }
    }

    @Test("what the first copy has lost is a loss, and nothing is found twice")
    func incomplete() throws {
        let text = try Text.sample("trace-6.12")
        for word in ["fs_lookup:", "fs_unlock:", "fs_detach:"] {
            var first = text
            first.lines.remove(at: try #require(text.first(word)))
            let reading = try Reading(Text(first.bytes + text.bytes))
            let wanted = try Reading(text)
            #expect(reading.findings.count <= wanted.findings.count)
            #expect(reading.losses[.ftraceBuffer] ?? 0 > 0, "\(word)")
            let second = try Reading(Text(text.bytes + first.bytes))
            #expect(second.findings == wanted.findings)
        }
    }

    @Test("a copy that begins with events that the first one lacks", arguments: ["console-6.12", "trace-6.12"])
    func longer(sample: String) throws {
        let text = try Text.sample(sample).without("#", "Dumping", "Linux version")
        var first = text
        let lookup = try #require(first.first("fs_lookup:"))
        first.lines.removeSubrange(0...lookup)
        let reading = try Reading(Text(first.bytes + [0x0a] + text.bytes))
        let wanted = try Reading(text)
        #expect(reading.findings.count <= wanted.findings.count)
        #expect(Set(reading.findings.map(\.lookup.time)).count == reading.findings.count)
    }

    @Test("another trace with other events is no copy", arguments: ["field/two-boots", "field/clock-steps-back"])
    func others(sample: String) throws {
        #expect(try !Reading(.sample(sample)).omits("second copy"))
        var text = try Text.sample("trace-6.12")
        let plain = text.without("#")
        text.lines += plain.replacing("-1([0-9][0-9]) ", with: "-3$1 ").lines
        let (wanted, reading) = (try Reading(.sample("trace-6.12")), try Reading(text))
        #expect(reading.findings.count == 2 * wanted.findings.count)
    }
}

// SPDX-License-Identifier: Apache-2.0

// What `perf script` prints of the recipe's events: with and without a header, stacks, objects and tasks.

import Correlation
import Events
import Foundation
import Testing

@testable import Ftrace

@Suite("Texts of perf") struct PerfTextTests {
    private func read(_ name: String) throws -> Reading { try Reading(.sample("field/\(name)")) }

    @Test("perf script")
    func perf() throws {
        let reading = try read("perf-script")
        #expect(reading.causes == ["hole-punch", "truncate", "zero-page"])
        #expect(reading.findings.allSatisfy { $0.lookup.victim.comm.text == "provoke-victim" })
        #expect(reading.findings.compactMap(\.detach).allSatisfy { $0.culprit.comm.text == "provoke-culprit" })
    }

    @Test("perf script as perf prints a perf.data here: a header with the clock, an address behind the arguments")
    func perfWhole() throws {
        let text = try Text.sample("field/perf-data")
        // And with the object behind each function, as perf has it by itself.
        var full = text
        for place in full.lines.indices {
            let line = String(decoding: full.lines[place], as: UTF8.self)
            guard line.contains(#/[ \t]ffffffff[0-9a-f]{8} \w+$/#) else { continue }
            full.lines[place] += Array("+0x1 ([kernel.kallsyms])".utf8)
        }
        #expect(full.lines != text.lines)
        for text in [text, full] {
            let reading = try Reading(text)
            #expect(reading.causes == ["hole-punch"])
            let finding = try #require(reading.findings.first)
            #expect(finding.confidence == .exact && finding.detach?.stackIsNamed == true)
            #expect(finding.lookup.victim.comm.text == "provoke-victim")
            #expect(finding.detach?.culprit.comm.text == "provoke-culprit")
            #expect(reading.run.kernelRelease == "6.12.117+deb12-cloud-amd64" && reading.run.host == nil)
            #expect(reading.run.wallClockOffsetNs == 1_795_945_232_724_087_000 - 16_234_228_653)
            #expect(!reading.omissions.contains { $0.what.contains("without an argument") }, "\(reading.omissions)")
        }
    }

    @Test("tasks that perf no longer knows do not change the lines of other tasks")
    func perfUnknownTask() throws {
        var text = try Text.sample("field/perf-data")
        let first = try #require(text.lines.firstIndex { String(decoding: $0, as: UTF8.self).contains("fs_lookup") })
        let line = "             :-1    -1/-1    [000]    20.878001:      futexscope:fs_in_evict: (ffffffff8666e9e0)"
        text.lines.insert(Array(line.utf8), at: first)
        let reading = try Reading(text)
        #expect(reading.causes == ["hole-punch"])
        #expect(!reading.omissions.contains { $0.what.contains("without an argument") }, "\(reading.omissions)")
    }

    @Test("a line of perf without arguments is an event that lacks them")
    func perfWithoutArguments() throws {
        var text = try Text.sample("field/perf-data")
        let first = try #require(text.lines.firstIndex { String(decoding: $0, as: UTF8.self).contains("fs_lookup:") })
        let line =
            "  provoke-victim   186/186   [001]    20.878001:  futexscope:fs_lookup:  ffffffff96bc76e5 get_futex_key"
        text.lines.insert(Array(line.utf8), at: first)
        #expect(try Reading(text).omissions.contains { $0.what.contains("without an argument") })
    }

    @Test("what perf has lost is a loss")
    func perfLost() throws {
        var text = try Text.sample("field/perf-data")
        let detach = try #require(text.lines.firstIndex { String(decoding: $0, as: UTF8.self).contains("fs_detach:") })
        text.lines.insert(
            Array("  provoke-victim   186/186   [001]    20.878000: PERF_RECORD_LOST lost 12".utf8), at: detach)
        let reading = try Reading(text)
        #expect(reading.losses[.ftraceBuffer] ?? 0 >= 12)
        #expect(reading.findings.allSatisfy { $0.confidence != .exact || $0.isIncomplete })
    }

    @Test("perf script with its own stacks")
    func perfStacks() throws {
        var lines: [String] = []
        for line in try Text.sample("field/perf-script").lines.map({ String(decoding: $0, as: UTF8.self) }) {
            if line.contains("<stack trace>") { continue }
            lines.append(
                line.hasPrefix(" => ")
                    ? "\tffffffff81234567 \(line.dropFirst(4))+0x12 ([kernel.kallsyms])" : line)
        }
        let reading = try Reading(Text(lines.joined(separator: "\n")))
        #expect(reading.causes == ["hole-punch", "truncate", "zero-page"])
        #expect(reading.findings.allSatisfy { $0.detach?.stackIsNamed != false })
    }

    @Test(
        "fields that `perf script -F` adds or leaves out",
        arguments: [
            (#" \[[0-9]+\] +([0-9.]+: )"#, " $1"), (#"([0-9]\.[0-9]{6}): +"#, "$1:          1 "),
            (#"([0-9]\.[0-9]{6}): +"#, "$1123: "),
        ])
    func perfFields(pattern: String, replacement: String) throws {
        let text = try Text.sample("field/perf-script")
        let (whole, reading) = (try Reading(text), try Reading(text.replacing(pattern, with: replacement)))
        #expect(reading.causes == whole.causes)
        #expect(reading.findings.map(\.lookup.victim) == whole.findings.map(\.lookup.victim))
        #expect(reading.findings.map(\.detach?.culprit) == whole.findings.map(\.detach?.culprit))
    }

    @Test("what is longer than a name can be is none")
    func perfLongName() throws {
        let reading = try Reading(.sample("field/perf-script").replacing("(?m)^(?=.)", with: "kern.log-42-"))
        let names = reading.findings.flatMap { [$0.lookup.victim.comm.text, $0.detach?.culprit.comm.text] }
        #expect(!names.isEmpty)
        #expect(names.allSatisfy { $0 == nil || $0 == "<...>" }, "\(names)")
    }

    @Test("a mark at the end of a name is a part of it", arguments: ["app\"", "app\t", "app\u{1}", "\""])
    func markAtEnd(name: String) throws {
        let text = try Text.sample("field/perf-script").replacing("provoke-victim", with: name)
        let reading = try Reading(text)
        #expect(reading.causes == ["hole-punch", "truncate", "zero-page"])
        guard name == "app\"" else { return }
        #expect(reading.findings.allSatisfy { $0.lookup.victim.comm.text == name })
    }

    @Test("something behind the arguments of all events: the error says so")
    func perfBehind() throws {
        let text = try Text.sample("field/perf-script").replacing(#"(?m)(fs_.*)$"#, with: "$1 /system.slice/x.service")
        let message = try #require(refusal(of: text.bytes))
        #expect(message.contains("have something else in them"), "\(message)")
    }
}

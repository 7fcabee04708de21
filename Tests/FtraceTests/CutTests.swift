// SPDX-License-Identifier: Apache-2.0

// Lines that were cut in two, and what is left of them: of a name, of the number of a task, of a value. None of it may
// be taken for the whole.

import Correlation
import Events
import Testing

@testable import Ftrace

@Suite("Cut lines") struct CutTests {
    /// A sample with `front` before each line, and its first line with `word` cut in two where `rest` begins.
    private func cut(_ name: String, at word: String, before rest: String, front: String = "") throws -> Text {
        var text = try Text.sample(name)
        let place = try #require(text.first(word))
        let line = String(decoding: text.lines[place], as: UTF8.self)
        let begin = try #require(line.range(of: rest)).lowerBound
        text.lines.replaceSubrange(place...place, with: [Array(line[..<begin].utf8), Array(line[begin...].utf8)])
        if !front.isEmpty { text.lines = text.lines.map { Array(front.utf8) + $0 } }
        return text
    }

    @Test("the rest of a cut name is not used as a name", arguments: ["", "[ C0] "])
    func name(front: String) throws {
        let reading = try Reading(cut("large-6.12", at: "fs_detach:", before: "culprit-", front: front))
        let names = reading.findings.map(\.detach?.culprit.comm.text)
        #expect(names.allSatisfy { $0 == nil || $0 == "provoke-culprit" || $0 == "<...>" }, "\(names)")
    }

    @Test("the rest of a cut name of perf is not used as a name", arguments: ["", "kern  :warn  : [   15.866674] "])
    func perfName(front: String) throws {
        let reading = try Reading(cut("field/perf-script", at: "fs_detach:", before: "lprit ", front: front))
        let names = reading.findings.map(\.detach?.culprit.comm.text)
        #expect(names.allSatisfy { $0 == nil || $0 == "provoke-culprit" || $0 == "<...>" }, "\(names)")
    }

    @Test("the rest of a cut task number is not used as a number", arguments: ["[ C0] ", "ttyS0 | ", "host kernel: "])
    func number(front: String) throws {
        let whole = try Reading(.sample("trace-cmd-6.12"))
        let reading = try Reading(cut("trace-cmd-6.12", at: "fs_detach:", before: "03 ", front: front))
        let culprits = Set(whole.findings.map(\.detach?.culprit.tid))
        #expect(!reading.findings.isEmpty)
        #expect(reading.findings.allSatisfy { culprits.contains($0.detach?.culprit.tid) })
        #expect(reading.losses[.ftraceBuffer] ?? 0 > 0)
    }

    @Test("the rest of a cut result, page or file is not used", arguments: ["ret=-14", "page=0xf", "inode="])
    func value(word: String) throws {
        var text = try Text.sample("large-6.12")
        let places = text.lines.indices.filter { place in
            let line = String(decoding: text.lines[place], as: UTF8.self)
            return line.contains(word) && (word != "ret=-14" || line.contains("fs_lookup_return"))
        }
        #expect(!places.isEmpty)
        for place in places {
            let line = String(decoding: text.lines[place], as: UTF8.self)
            let end = try #require(line.range(of: word)).upperBound
            text.lines[place] = Array(line[..<(word == "ret=-14" ? line.index(before: end) : end)].utf8)
            // Of a page and a file some digits stay.
            if word != "ret=-14" { text.lines[place] += Array(line[end...].utf8.prefix(1)) }
        }
        let reading = try Reading(text)
        #expect(reading.findings.allSatisfy { $0.cause == .unknown && $0.lookup.result != -1 })
        #expect(reading.losses[.ftraceBuffer] ?? 0 > 349_715)
    }

    @Test("names of perf behind what grep puts before a line", arguments: ["17:", "console-2.log-12:"])
    func grep(front: String) throws {
        var text = try Text.sample("field/perf-script")
        let whole = try Reading(text)
        text.lines = text.lines.map { Array(front.utf8) + $0 }
        let reading = try Reading(text)
        #expect(reading.causes == whole.causes)
        #expect(reading.findings.map(\.lookup.victim) == whole.findings.map(\.lookup.victim))
        #expect(reading.findings.map(\.detach?.culprit) == whole.findings.map(\.detach?.culprit))
    }

    @Test("lines that are all cut at the same column: nobody says that there was nothing", arguments: [60, 76, 100])
    func cutAlike(count: Int) throws {
        for sample in ["trace-6.12", "console-6.12", "field/perf-script"] {
            var text = try Text.sample(sample)
            text.lines = text.lines.map { Array($0.prefix(count)) }
            // Where nothing is left of any event, an error is as good.
            guard let reading = try? Reading(text) else { continue }
            #expect(reading.findings.allSatisfy { $0.cause == .unknown || $0.confidence != .exact })
            let lost = reading.losses.contains { $0.value > 0 }
            #expect(lost || reading.omissions.contains { $0.hidesObservations } || !reading.causes.isEmpty, "\(sample)")
        }
    }

    @Test("a text that was cut at any column says so where it has less to say", arguments: SampleTests.kernels)
    func columns(kernel: String) throws {
        for sample in ["trace-\(kernel)", "trace-cmd-\(kernel)", "console-\(kernel)"] {
            let text = try Text.sample(sample)
            let whole = try Reading(text)
            let longest = text.lines.lazy.filter { String(decoding: $0, as: UTF8.self).contains("fs_") }.map(\.count)
                .max()
            for count in 120..<(try #require(longest)) {
                var cut = text
                cut.lines = text.lines.map { Array($0.prefix(count)) }
                guard let reading = try? Reading(bytes: cut.bytes, threads: 0) else { continue }
                let causes = Set(whole.causes + ["unknown"])
                #expect(reading.findings.allSatisfy { causes.contains($0.cause.rawValue) }, "\(sample) \(count)")
                let isLess = reading.causes != whole.causes
                let isSaid = reading.losses[.ftraceBuffer] ?? 0 > whole.losses[.ftraceBuffer] ?? 0
                // All lines end behind the place of the call, as on arm64; or within the zero page's number.
                let isAlike = cut.lines.allSatisfy { line in
                    let words = String(decoding: line, as: UTF8.self)
                    return !words.contains("fs_unlock") || words.contains(#/caller=\S+\+0x\w{3}(/0x\w+)? ?$| zero=/#)
                }
                #expect(!isLess || isSaid || isAlike, "\(sample) \(count): \(reading.causes)")
            }
        }
    }

    @Test("a line that was cut in the place of its call is no unlock by others")
    func callers() throws {
        let text = try Text.sample("trace-cmd-6.12")
        for rest in [
            "get_futex", "get_futex_key", "get_futex_key+", "get_futex_key+0x", "get_futex_key+0x1", "ffffff", "",
        ] {
            let cut = text.replacing(#"caller=get_futex_key.*"#, with: "caller=" + rest)
            let reading = try Reading(cut)
            #expect(reading.losses[.ftraceBuffer] ?? 0 >= 4, "\(rest)")
            #expect(!reading.causes.contains("zero-page"), "\(rest)")
        }
        // A size belongs to each place, if it belongs to one.
        let sized = try Text.sample("trace-6.12").replacing(
            #"caller=get_futex_key\S+ .*"#, with: "caller=get_futex_key+0x18d")
        #expect(try Reading(sized).losses[.ftraceBuffer] ?? 0 >= 5)
        // Of a module; and without the numbers of the zero pages, as on arm64.
        let module = text.replacing("caller=get_futex_key", with: "caller=end_page_read+0x1d [ext4]")
        #expect(try Reading(module.replacing(#" \[ext4\]\S+"#, with: " [ext4]")).losses[.ftraceBuffer] == nil)
        let other = try Reading(text.replacing(#" base=.*"#, with: ""))
        #expect(other.losses.isEmpty && other.causes.filter { $0 != "unknown" }.count == 3)
    }

    @Test("a line with more arguments than those before it shows that they were cut")
    func before() throws {
        var text = try Text.sample("trace-cmd-6.12")
        let place = try #require(text.first("fs_unlock"))
        let line = String(decoding: text.lines[place], as: UTF8.self)
        text.lines[place] = Array(line[..<(try #require(line.range(of: " base="))).lowerBound].utf8)
        let reading = try Reading(text)
        #expect(reading.losses[.ftraceBuffer] == 1)
        #expect(reading.omissions.contains { $0.what.contains("without an argument") && $0.hidesObservations })
        // Not so of two traces in one file, of two kernels.
        let both = Text((try Text.sample("trace-6.1")).bytes + (try Text.sample("trace-6.12")).bytes)
        #expect(try Reading(both).losses.isEmpty)
    }

    @Test("parts of a text in another order: no retry goes over a step back", arguments: [20, 30, 40])
    func blocks(count: Int) throws {
        var text = try Text.sample("trace-6.12")
        let blocks = stride(from: 0, to: text.lines.count, by: count).map { Array(text.lines[$0...].prefix(count)) }
        text.lines = Array(blocks.reversed().joined())
        let reading = try Reading(text, emitsAll: true)
        #expect(reading.findings.allSatisfy { $0.lookup.retries.total == 0 })
        #expect(reading.totals.retries == RetryCounts())
    }
}

// SPDX-License-Identifier: Apache-2.0

// Inputs as they are found in the field: what consoles, journals and other programs make of a trace. Each sample is of
// a kind that public bug reports show; docs/ftrace.md lists them all.

import Correlation
import Events
import Foundation
import Testing

@testable import Ftrace

@Suite("Field") struct FieldTests {
    private func read(_ name: String) throws -> Reading { try Reading(.sample("field/\(name)")) }

    // MARK: Losses in other layers

    @Test("a console that lost nothing")
    func whole() throws {
        let reading = try read("console-whole")
        #expect(reading.causes == ["truncate"])
        #expect(reading.findings.first?.confidence == .exact)
        #expect(reading.losses.isEmpty)
    }

    @Test("printk dropped lines: a loss, and no other cause than that of the whole dump")
    func dropped() throws {
        let reading = try read("console-printk-dropped")
        #expect(reading.losses[.ftraceBuffer] == 28)
        #expect(Set(reading.causes).isSubset(of: ["truncate", "unknown"]))
        #expect(reading.findings.allSatisfy { $0.isIncomplete })
        #expect(reading.omits("28 lines were lost"))
    }

    @Test("ftrace dropped events: the same")
    func lost() throws {
        let reading = try read("console-ftrace-lost")
        #expect(reading.losses[.ftraceBuffer] == 28)
        #expect(reading.causes.isEmpty)
    }

    @Test("the same dumps without the marks of the losses: no other cause either")
    func unmarked() throws {
        for name in ["console-printk-dropped", "console-ftrace-lost"] {
            let reading = try Reading(.sample("field/\(name)").without("dropped **", "LOST"))
            #expect(Set(reading.causes).isSubset(of: ["truncate", "unknown"]))
        }
    }

    @Test("a lookup without its end and one without its start: no loop and no retry", arguments: [true, false])
    func falseRetry(isMarked: Bool) throws {
        let sample = try Text.sample("field/console-false-retry")
        let reading = try Reading(isMarked ? sample : sample.without("dropped **"), emitsAll: true)
        #expect(reading.findings.allSatisfy { $0.lookup.retries.total == 0 && $0.lookup.durationNs ?? 0 < 1_000_000 })
        #expect(reading.totals.retries == RetryCounts())
        #expect(reading.losses[.ftraceBuffer] ?? 0 >= (isMarked ? 2 : 1))
    }

    @Test(
        "each wording of a loss, alone in a line, before a line and within one",
        arguments: [
            ("** 14 printk messages dropped **", 14), ("systemd-journald[123]: Missed 16 kernel messages", 16),
            ("systemd-journald[123]: /dev/kmsg buffer overrun, some messages lost.", 1),
            ("[  12.5] obmc: Lost 5 message(s)!", 5), ("rsyslogd: 7 messages lost due to rate-limiting", 7),
            ("[   12.500000] CPU:1 [LOST 9 EVENTS]", 9), ("CPU:0 [12 EVENTS DROPPED]", 12),
        ])
    func wordings(words: String, count: UInt64) throws {
        var text = try Text.sample("field/console-whole")
        let place = try #require(text.first("fs_unlock"))
        let line = String(decoding: text.lines[place], as: UTF8.self)
        text.lines.insert(Array(words.utf8), at: place)
        let alone = try Reading(text)
        #expect(alone.losses[.ftraceBuffer] == count)
        #expect(alone.causes.isEmpty)
        guard words.hasPrefix("**") else { return }
        text.lines.remove(at: place)
        for glued in [
            words + line, words + " " + line, line + words, line.replacingOccurrences(of: "swap", with: words),
        ] {
            text.lines[place] = Array(glued.utf8)
            let reading = try Reading(text)
            #expect(reading.losses[.ftraceBuffer] == count, "\(glued)")
            #expect(reading.causes.isEmpty, "\(glued)")
        }
    }

    @Test("a gap in the numbers of /dev/kmsg is a loss")
    func sequence() throws {
        var text = try Text.sample("field/kmsg")
        #expect(try Reading(text).losses.isEmpty)
        text.lines.remove(at: try #require(text.first("4,520,")))
        text.lines.remove(at: try #require(text.first("4,521,")))
        let reading = try Reading(text)
        #expect(reading.losses[.ftraceBuffer] == 2)
        #expect(reading.causes == ["zero-page"])
    }

    @Test("a line that was cut in two is a loss, with either half or both")
    func cut() throws {
        let text = try Text.sample("field/console-whole")
        for word in ["fs_detach: ", "fs_unlock: ", "fs_pin_return: "] {
            let place = try #require(text.first(word))
            let line = text.lines[place]
            for length in stride(from: 40, to: line.count - 1, by: 7) {
                for parts in [[line[..<length]], [line[length...]], [line[..<length], line[length...]]] {
                    var other = text
                    other.lines.replaceSubrange(place...place, with: parts.map(Array.init))
                    let reading = try Reading(other)
                    #expect(Set(reading.causes).isSubset(of: ["truncate", "unknown"]), "\(word) \(length)")
                }
            }
        }
    }

    // MARK: What stands before a line

    @Test("names and causes as without the prefix", arguments: ["journal-short", "dmesg-x", "kmsg"])
    func prefixes(name: String) throws {
        let reading = try read(name)
        #expect(reading.causes == ["direct-io-invalidation", "zero-page"])
        let zero = try #require(reading.finding(.zeroPage)).lookup.victim
        #expect(zero.tid == 216 && zero.comm.text == "provoke-")
        let met = try #require(reading.finding(.directIOInvalidation))
        #expect(met.confidence == .exact)
        #expect(met.lookup.victim.tid == 218 && met.lookup.victim.comm.text == "provoke-")
        #expect(met.detach?.culprit.tid == 219 && met.detach?.culprit.comm.text == "provoke-")
        #expect(met.detach?.stackIsNamed == true)
        #expect(reading.losses.isEmpty)
    }

    static let fronts: [String] = [
        "Nov 25 19:51:59 host kernel: ", "Nov 25 19:51:59 a-1.example kernel: [   15.866674] ",
        "2025-11-25T19:51:59,123456+00:00 ", "2025-11-25T19:51:59.123456+01:00 db1 kernel: ",
        "[Tue Nov 25 19:51:59 2025] ", "[<    0.000123>] ", "[   15.866674][  T123] ", "[   15.866674] [ C0] ", "<4>",
        "<4>[   15.866674] ", "kern  :warn  : [   15.866674] ", "kern  :warn  : [Tue Nov 25 19:51:59 2025] ",
        "4,514,15867796,-,caller=T218;", "> ", "> > ", "17:", "console.txt:17:", "ttyS0 | ", "db1: ",
        "\u{1b}[32m[   15.866674] \u{1b}[0m", "[2025-11-25 19:51:59.123] [host-7] ", "00:01:17.250 ", "|",
    ]

    @Test(
        "any prefix that the lines have in common", arguments: FieldTests.fronts,
        ["console-6.12", "trace-6.12", "trace-cmd-6.12"])
    func anyFront(front: String, sample: String) throws {
        let plain = try Text.sample(sample).replacing(#"(?m)^\[ *[0-9.]+\] "#, with: "").without("#")
        let wanted = try Reading(plain)
        #expect(wanted.causes.count > 1)
        let reading = try Reading(plain.replacing("(?m)^(?=.)", with: front))
        #expect(reading.causes == wanted.causes)
        #expect(reading.findings.map(\.lookup.victim) == wanted.findings.map(\.lookup.victim))
        #expect(reading.findings.map(\.detach?.culprit) == wanted.findings.map(\.detach?.culprit))
        #expect(reading.findings.map(\.detach?.stackIsNamed) == wanted.findings.map(\.detach?.stackIsNamed))
        #expect(reading.losses == wanted.losses)
    }

    @Test("blanks were taken away behind the prefix: the name is what stands before the number")
    func noBlanks() throws {
        let text = try Text.sample("console-6.12").replacing(
            #"(?m)^\[ *[0-9.]+\] *"#, with: "Nov 25 19:51:59 host kernel: "
        )
        .replacing("provoke--", with: "app-")
        let reading = try Reading(text)
        #expect(reading.causes == ["direct-io-invalidation", "zero-page"])
        #expect(reading.findings.allSatisfy { $0.lookup.victim.comm.text == "app" })
        #expect(reading.omits("columns of the task's name"))
    }

    @Test("JSON of a container's log and of a journal", arguments: ["log", "MESSAGE"])
    func json(key: String) throws {
        for sample in ["console-6.12", "trace-6.12"] {
            let text = try Text.sample(sample)
            let lines = text.lines.map { line in
                let escaped = String(decoding: line, as: UTF8.self).replacingOccurrences(of: "\\", with: "\\\\")
                    .replacingOccurrences(of: "\"", with: "\\\"").replacingOccurrences(of: "<", with: "\\u003c")
                    .replacingOccurrences(of: ">", with: "\\u003e").replacingOccurrences(of: "\t", with: "\\t")
                return "{\"stream\":\"stdout\",\"\(key)\":\"\(escaped)\\n\",\"time\":\"2025-11-25T19:51:59.1Z\"}"
            }
            #expect(try Reading(Text(lines.joined(separator: "\n"))).causes == Reading(text).causes)
        }
    }

    @Test("records of /dev/kmsg with several lines in one")
    func records() throws {
        let text = try Text.sample("field/kmsg").replacing(#"\n4,[0-9]+,[0-9]+,-; =>"#, with: #"\\x0a =>"#)
        let numbered = try #require(text.first("<stack trace>")).advanced(by: 1)
        #expect(String(decoding: text.lines[numbered - 1], as: UTF8.self).contains(#"\x0a => do_syscall_64"#))
        // The numbers of the lines that are gone are a loss; without them nothing is.
        let reading = try Reading(text.replacing(#"(?m)^4,[0-9]+,"#, with: "4,7,"))
        #expect(reading.causes == ["direct-io-invalidation", "zero-page"])
    }

    @Test(
        "what trace-cmd puts before a line and within it", arguments: ["trace-cmd-named-buffer", "trace-cmd-ts-diff"])
    func traceCmd(name: String) throws {
        let reading = try read(name)
        #expect(!reading.causes.isEmpty)
        #expect(reading.findings.allSatisfy { $0.lookup.victim.comm.text == "provoke-victim" })
        let plain = try read("trace-cmd-named-buffer")
        #expect(reading.causes == plain.causes)
    }

    @Test(
        "options of trace-cmd report", .enabled(if: TraceCmd.isInstalled),
        arguments: ["-l", "-R", "-t", "-w", "-L", "--ts-diff", "--ts-check"])
    func options(option: String) throws {
        let file = DataSample("trace-6.12").file
        let wanted = try Reading(bytes: TraceCmd.text(of: file)).causes
        let reading = try Reading(bytes: TraceCmd.report("report", option, "-N", "-i", file.path))
        #expect(wanted.count > 3)
        #expect(reading.causes == wanted)
    }

    // MARK: Formats
    @Test("marks of two recordings in one text: what differs between them is not known")
    func twoMarks() throws {
        func text(_ host: String, _ wall: String, _ second: String) -> Text {
            Text(
                """
                # tracer: nop
                             app-1     [000] .....     \(second).000001: tracing_mark_write: futexscope wall_ns=\(wall) release=6.12 host=\(host)
                             app-1     [000] .....     \(second).000002: fs_lookup: (get_futex_key+0x4/0x2c0) uaddr=0x7fd9f766a000 flags=0x12 write=0

                """)
        }
        let one = text("alpha", "1795634128000000000", "6")
        let alone = try Reading(one).run
        #expect(alone.host == "alpha" && alone.kernelRelease == "6.12" && alone.wallClockOffsetNs != 0)
        let again = try Reading(bytes: one.bytes + text("alpha", "1795634129000000000", "7").bytes)
        #expect(again.run.host == "alpha" && again.run.wallClockOffsetNs == alone.wallClockOffsetNs)
        let other = try Reading(bytes: one.bytes + text("beta", "1795634199000000000", "7").bytes)
        #expect(other.run.host == nil && other.run.kernelRelease == "6.12" && other.run.wallClockOffsetNs == 0)
        #expect(other.omits("several hosts, kernels or boots") && !again.omits("several hosts, kernels or boots"))
    }

    @Test(
        "quoted, numbered and in TAP: what stands before frames of a stack comes off",
        arguments: ["# ", "> ", "17:", "| "])
    func framesBehindPrefix(front: String) throws {
        for name in ["field/console-whole", "field/perf-data", "field/user-stack-first"] {
            let text = try Text.sample(name)
            var prefixed = text
            for place in text.lines.indices where !text.lines[place].isEmpty {
                prefixed.lines[place] = Array(front.utf8) + text.lines[place]
            }
            let (whole, reading) = (try Reading(text), try Reading(prefixed))
            #expect(reading.causes == whole.causes && !whole.causes.isEmpty, "\(name)")
        }
    }

    @Test(
        "a format that is not read is named, with what to do",
        arguments: [
            (Array("<!DOCTYPE html>\n<html>".utf8), "systrace", "trace-data"),
            (Array("BZh91AY".utf8), "bzip2", "bzip2 -dc"),
            ([0x0a, 4, 1, 0, 0, 0, 0x0a, 4, 0, 0, 0, 0, 0x0a, 5, 0, 0, 0, 0], "Perfetto", "traceconv"),
            (Array("TRACE:\nx".utf8) + [0x9c], "atrace", "zlib"),
            ([0x75, 0xd1, 0x1d, 0x57, 0], "LTTng", "doctor --ftrace-recipe"),
            (Array("{\"traceEvents\":[".utf8), "Chrome", "doctor --ftrace-recipe"),
            (Array("\u{7f}ELF".utf8), "ELF", "trace show"),
            ([0x02, 0x21, 0x4c, 0x18, 0], "lz4", "lz4 -dc"), ([0x37, 0x7a, 0xbc, 0xaf, 0x27], "7z", "7z x"),
            (Array("LPKSHHRH".utf8), "journal", "journalctl --file"), ([0xd4, 0xc3, 0xb2, 0xa1], "pcap", "netconsole"),
            ([0x4d, 0x3c, 0xb2, 0xa1], "pcap", "netconsole"), ([0x0a, 0x0d, 0x0d, 0x0a], "pcapng", "netconsole"),
            ([UInt8](repeating: 0x61, count: 257) + Array("ustar".utf8), "tar archive", "tar -xOf"),
            ([0x5d, 0, 0, 0x80], "lzma", "xz -dc"), ([0x1f, 0x9d, 0x90], "compress", "gzip -dc"),
        ])
    func foreign(head: [UInt8], what: String, advice: String) throws {
        let format = try #require(ForeignFormat(of: head))
        #expect(format.what.contains(what) && format.advice.contains(advice))
    }

    @Test("a page with a text in it is read, and other pages are not said to be of systrace")
    func pages() throws {
        #expect(ForeignFormat(of: Array("<!DOCTYPE html>\n<html><body><pre>\n# tracer: nop\n".utf8)) == nil)
        let format = try #require(ForeignFormat(of: Array("<html><body>Not found</body></html>".utf8)))
        #expect(format.what.contains("HTML") && format.what.contains("perhaps"))
    }

    @Test("no sample is taken for a format that is not read")
    func notForeign() throws {
        #expect(ForeignFormat(of: Array("[{\"message\":\"x\"}]\n".utf8)) == nil)
        // Of atrace without compression.
        #expect(ForeignFormat(of: Array("TRACE:\n# tracer: nop\n".utf8)) == nil)
        for sample in PropertyTests.samples + ["field/journal-short"] {
            #expect(ForeignFormat(of: Array(try Text.sample(sample).bytes.prefix(ForeignFormat.headBytes))) == nil)
        }
        for sample in DataSample.all { #expect(ForeignFormat(of: Array(try sample.bytes.prefix(4096))) == nil) }
    }

    @Test("blocks of a trace.dat that were compressed with zlib")
    func zlib() throws {
        let block: [UInt8] = [
            0x78, 0xda, 0x4b, 0x2b, 0x2d, 0x49, 0xad, 0x28, 0x4e, 0xce, 0x2f, 0x48, 0x55, 0x48, 0x1b, 0x65, 0x8e, 0x32,
            0xb1, 0x33, 0x01, 0x0f, 0xe9, 0xdb, 0xed,
        ]
        let text = Array(String(repeating: "futexscope ", count: 50).utf8)
        var bytes: [UInt8] = []
        let decompressor = Decompressor(.zlib)
        #expect(decompressor.decompress(block, into: &bytes, count: text.count))
        #expect(bytes == text)
        for count in [0, text.count - 1, text.count + 1] {
            #expect(!decompressor.decompress(block, into: &bytes, count: count))
        }
        #expect(!decompressor.decompress(Array(block.dropLast(5)), into: &bytes, count: text.count))
    }

    // MARK: What could not be seen

    @Test("without the needed events a report does not say that no lookup met a page without a mapping")
    func hidden() throws {
        func hides(_ text: Text) throws -> Bool { try Reading(text).omissions.contains { $0.hidesObservations } }
        let text = try Text.sample("trace-6.12")
        #expect(try !hides(text))
        #expect(try hides(text.without("fs_lookup", "wall_ns")))
        #expect(try hides(text.without("fs_pin:")))
        #expect(try hides(text.without("fs_pin_return")))
        #expect(try hides(text.replacing("missing=", with: "missing=fs_lock_wait,fs_unlock")))
        #expect(try !hides(text.replacing("missing=", with: "missing=fs_lock_wait")))
        // The mark says that it was recorded and that there was none.
        #expect(try !hides(text.without("fs_lookup")))
    }

    @Test("a clock without a unit is named")
    func counts() throws {
        let text = try Text.sample("trace-6.12").replacing(#" +([0-9]+)\.([0-9]{6}): "#, with: " $1$2: ")
        #expect(try Reading(text).omits("counts something else than nanoseconds"))
        #expect(try Reading(text).findings.allSatisfy { $0.lookup.durationNs == nil })
    }

    // MARK: Several traces, and time

    @Test("two dumps of an instance: each begins anew")
    func twoDumps() throws {
        let reading = try read("console-instance-twice")
        #expect(reading.findings.isEmpty)
        #expect(reading.totals.retries == RetryCounts())
        #expect(reading.totals.lookups == 1)
    }

    @Test("two boots in one file: no lookup and no cause spans both", arguments: [true, false])
    func twoBoots(hasHeader: Bool) throws {
        let text = try Text.sample("field/two-boots")
        let reading = try Reading(hasHeader ? text : text.without("#"), emitsAll: true)
        #expect(reading.findings.isEmpty)
        #expect(reading.totals.durationNs < 1_000_000)
        #expect(hasHeader || reading.omits("begins another trace"))
    }

    @Test("time steps back within a lookup: it has no duration, and that is said once")
    func stepsBack() throws {
        let reading = try read("clock-steps-back")
        #expect(reading.causes == ["zero-page"])
        let finding = try #require(reading.findings.first)
        #expect(finding.confidence == .exact)
        #expect(finding.lookup.durationNs == nil)
        #expect(reading.totals.durationNs < 1_000_000)
        #expect(reading.omissions.count { $0.what.contains("back in time") } == 1)
    }

    // MARK: Stacks and silence

    @Test("the user's stack before the kernel's")
    func userStack() throws {
        let reading = try read("user-stack-first")
        let met = reading.findings.filter { $0.detach != nil }
        #expect(met.map(\.cause) == [.holePunch, .truncate, .directIOInvalidation, .holePunch])
        #expect(met.allSatisfy { $0.confidence == .exact })
    }

    @Test("function graph in between")
    func graph() throws {
        var text = try Text.sample("trace-6.12")
        let wanted = try Reading(text)
        for place in stride(from: text.lines.count - 1, to: 12, by: -1)
        where !String(decoding: text.lines[place], as: UTF8.self).contains("=> ") {
            text.lines.insert(Array(" 0)   0.123 us    |          _raw_spin_lock();".utf8), at: place)
        }
        let reading = try Reading(text)
        #expect(reading.causes == wanted.causes)
        #expect(reading.omissions == wanted.omissions)
    }

    @Test("lines without information are skipped without a message")
    func emptyProcessors() throws {
        let reading = try read("empty-cpus")
        #expect(!reading.causes.isEmpty)
        #expect(!reading.omits("no lines of a trace"))
    }
}

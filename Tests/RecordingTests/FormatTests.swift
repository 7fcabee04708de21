// SPDX-License-Identifier: Apache-2.0

// Samples of every format, as the programs of their time wrote them, and the rule that keeps them readable: a word
// belongs to its own format and to all newer ones.

import EventSamples
import Events
import Foundation
import Testing

@testable import Recording

@Suite("Formats") struct FormatTests {
    private static func sample(_ format: Int) -> URL {
        URL(filePath: #filePath).deletingLastPathComponent().appending(components: "Samples", "format\(format)")
    }

    /// The run of the sample of a format, with every hook that the format has.
    private static func run(of format: Int) -> RunInfo {
        let ids = [
            1: "214a1221-59cb-4bf1-8049-76d8362ddee8", 2: "2c5bcb09-8f9c-4d8e-9dc6-b72eedbba153",
            3: "00000000-0000-4000-8000-000000000000",
        ]
        let id = ids[format].flatMap { RunID($0) }
        if format == 1 { return RunInfo(kernelRelease: "synthetic", host: "nowhere", id: id, emitsAll: true) }
        return RunInfo(
            kernelRelease: "6.12.0-synthetic", host: "host \"of\" samples", id: id,
            probes: Words.of(Hook.self, in: format).map {
                ProbeReport(role: "role", function: "function", hook: $0, isRequired: $0 == .callsite, note: "a | b")
            } + [ProbeReport(role: "collapse", function: nil, hook: nil, isRequired: false, note: "missing")],
            wallClockOffsetNs: 1_795_399_200_000_000_000, showsKernelAddresses: true,
            loops: LoopThresholds(passes: .max, durationNs: 5), emitsAll: true,
            pageBytes: format >= 3 ? 16_384 : 4096, filters: "-n app", trigger: "spurious")
    }

    /// The events of the sample of a format: some of a run, and from format 2 on one for every word.
    private static func events(of format: Int) -> [Event] {
        var run = SyntheticRun()
        if format == 1 {
            var totals = Totals()
            (totals.lookups, totals.time, totals.isFinal) = (0, 1_000_060_000, true)
            return run.next(60) + [.totals(totals)]
        }
        var events = run.next(20)
        events += Words.of(FileState.self, in: format).map {
            .name(Name(subject: .file(.data), text: "/x", detail: "xfs", fileState: $0))
        }
        events += Words.of(PageFacts.SlotAnswer.self, in: format).map { slot in
            .lookup(.sample(page: .sample { $0.slot = slot }))
        }
        events += Words.of(Detach.Source.self, in: format).map { source in .detach(.sample { $0.via = source }) }
        var totals = Totals()
        (totals.time, totals.isFinal) = (2_000_000, true)
        for kind in Words.of(ActivityKind.self, in: format) {
            events.append(.detach(.sample { $0.scope = kind }))
            events.append(
                .activity(Activity(time: 1_000_000, kind: kind, task: .culprit, durationNs: 7, pages: 2)))
            totals.activities[kind] = .init(operations: UInt64(kind.rawValue), pages: 2, durationNs: 3)
        }
        if format >= 3 {
            let path = CallPathID(rawValue: 7)
            events.append(.name(Name(subject: .callPath(path), text: "do_syscall_64;vfs_fallocate;[unknown];evict")))
            events.append(.detach(.sample { $0.callPath = path }))
        }
        for operation in Words.of(FutexOperation.self, in: format) {
            events.append(.lookup(.faulted(by: operation)))
        }
        events += Words.of(Loss.Stage.self, in: format).map { .lost(Loss(time: 1_000_000, stage: $0, count: 3)) }
        return events + [.totals(totals)]
    }

    /// With FUTEXSCOPE_RECORD=1 the sample of the newest format is written anew, and the test fails on purpose. A
    /// sample of a format that a release has written is never changed: a word or field that makes this test fail
    /// belongs to the next format.
    @Test("the sample of each format is read whole, with all words of the format", arguments: Metadata.formats)
    func samples(format: Int) throws {
        let directory = Self.sample(format)
        if format == Metadata.formats.upperBound, ProcessInfo.processInfo.environment["FUTEXSCOPE_RECORD"] == "1" {
            try? FileManager.default.removeItem(at: directory)
            let writer = try RecordingWriter(
                directory: directory.path, limits: RecordingLimits())
            try writer.begin(Self.run(of: format))
            try writer.append(Self.events(of: format))
            try writer.finish()
            Issue.record("recorded \(directory.path); run again without FUTEXSCOPE_RECORD")
        }
        let back = try readAll(directory.path)
        #expect(back.omissions == [])
        #expect(back.run == Self.run(of: format))
        #expect(back.events == Self.events(of: format))
    }

    @Test("what is written is the newest format, and each of its words comes back")
    func newest() throws {
        let scratch = try Scratch()
        let format = Metadata.formats.upperBound
        try record([Self.events(of: format)], in: scratch.path("r"), run: Self.run(of: format))
        let metadata = try String(contentsOfFile: scratch.path("r/metadata"), encoding: .utf8)
        #expect(metadata.contains("\tfutexscope_format = \(format);\n"))
        let back = try readAll(scratch.path("r"))
        #expect(back.events == Self.events(of: format))
        #expect(back.run == Self.run(of: format))
    }

    @Test("a word is in the metadata of its own format and of newer ones, and of no older one")
    func newWord() {
        enum Colour: UInt8, NumberedWord {
            case red = 1
            case green = 3
            case blue = 2

            var name: String { "\(self)" }
            var format: Int { self == .green ? 7 : 6 }
        }
        func text(_ format: Int) -> [String] {
            var fields = FieldText(format: format)
            var (word, other) = (Colour.green, Colour?.none)
            fields.word("colour", &word)
            fields.word("other", &other, none: "none")
            return fields.lines
        }
        #expect(
            text(6) == [
                "\t\tenum : uint8_t { \"red\" = 1, \"blue\" = 2 } _colour;",
                "\t\tenum : uint8_t { \"none\" = 0, \"red\" = 1, \"blue\" = 2 } _other;",
            ])
        #expect(
            text(7) == [
                "\t\tenum : uint8_t { \"red\" = 1, \"green\" = 3, \"blue\" = 2 } _colour;",
                "\t\tenum : uint8_t { \"none\" = 0, \"red\" = 1, \"green\" = 3, \"blue\" = 2 } _other;",
            ])
    }

    @Test("a bit is in the metadata of its own format and of newer ones, and of no older one")
    func newBit() {
        let lines = (1...2).map { Words.bits(in: $0)[1] }
        #expect(lines[0].hasPrefix("page_facts: 0x1 reserved, 0x2 swap-cache, "))
        #expect(lines[0].hasSuffix(", 0x100 dax"))
        #expect(lines[1].hasSuffix(", 0x100 dax, 0x200 zero-page"))
    }

    @Test("a page size that no kernel can have is damage", arguments: ["0", "5000", "2097152", "-4096", "x"])
    func pageSize(text: String) throws {
        let scratch = try Scratch()
        try record([], in: scratch.path("r"))
        let metadata = try String(contentsOfFile: scratch.path("r/metadata"), encoding: .utf8)
        try metadata.replacing("\tpage_size = 65536;", with: "\tpage_size = \(text);")
            .write(toFile: scratch.path("r/metadata"), atomically: false, encoding: .utf8)
        let error = #expect(throws: SourceError.self) { try readAll(scratch.path("r")) }
        #expect(
            error?.message.hasSuffix(
                "it is not what format \(Metadata.formats.upperBound) has there; the file is damaged") == true)
    }

    @Test("numbers and names of words are unique, and each number leads back to its word")
    func unique() {
        func check<Word: NumberedWord>(_ type: Word.Type) {
            #expect(Set(type.allCases.map(\.number)).count == type.allCases.count, "\(type)")
            #expect(Set(type.allCases.map(\.name)).count == type.allCases.count, "\(type)")
            for word in type.allCases { #expect(Word(number: word.number) == word) }
            #expect(Word(number: 255) == nil)
        }
        check(RecordKind.self)
        check(PageFacts.SlotAnswer.self)
        check(Detach.Source.self)
        check(ActivityKind.self)
        check(Phase.self)
        check(FileState.self)
        check(Loss.Stage.self)
        check(FutexOperation.self)
        func checkBits<Bits: RecordedBits>(_ type: Bits.Type) {
            #expect(Set(type.words.map(\.name)).count == type.words.count, "\(type)")
            let raw = type.words.map { UInt64($0.bit.rawValue) }
            #expect(raw == raw.sorted() && Set(raw).count == raw.count, "\(type)")
            #expect(raw.allSatisfy { $0.nonzeroBitCount == 1 }, "\(type)")
        }
        checkBits(Lookup.Flags.self)
        checkBits(PageFacts.Facts.self)
        checkBits(Landmarks.self)
    }
}

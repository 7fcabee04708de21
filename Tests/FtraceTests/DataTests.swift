// SPDX-License-Identifier: Apache-2.0

// A trace.dat gives what its text gives: the same events in the same order, for each kernel and each form of the
// file. Where they differ the file knows more, and this says what.

import Correlation
import Events
import Foundation
import Ftrace
import Testing

@Suite("trace.dat") struct DataTests {
    @Test("causes, exact", arguments: ["6.1", "6.12", "newest"])
    func causes(kernel: String) throws {
        let reading = try Reading(data: DataSample("trace-\(kernel)").bytes)
        // So few milliseconds were too few for one of them.
        let met = kernel == "newest" ? [] : ["direct-io-invalidation"]
        #expect(Set(reading.causes) == Set(["hole-punch", "truncate", "zero-page"] + met))
        #expect(reading.causes.count { $0 == "zero-page" } == 6)
        for finding in reading.findings where finding.lookup.observations > 0 {
            #expect(finding.confidence == .exact)
            #expect(finding.lookup.victim.comm.text == "provoke-victim")
            #expect(finding.detach.map { $0.culprit.comm.text == "provoke-culprit" } ?? (finding.cause == .zeroPage))
        }
        #expect(reading.losses.isEmpty)
        #expect(reading.totals.isFinal)
    }

    @Test("the facts of the run")
    func run() throws {
        let reading = try Reading(data: DataSample("trace-6.12").bytes)
        #expect(reading.run.kernelRelease?.hasPrefix("6.12.") == true)
        #expect(reading.run.wallClockOffsetNs > 1_699_999_000_000_000_000)
        #expect(reading.run.wallClockOffsetNs < 1_700_000_000_000_000_000)
        #expect(reading.omits("events of the recipe: fs_example"))
        #expect(reading.omits("processes are not recorded"))
        // Without a mark the file itself says which kernel it was.
        #expect(try Reading(data: DataSample("v6-6.1").bytes).run.kernelRelease?.hasPrefix("6.1.") == true)
    }

    @Test("events were lost: they are counted, and the open state is dropped")
    func lost() throws {
        let reading = try Reading(data: DataSample("lost-6.12").bytes)
        // Two of the observations after a loss belong to lookups whose entry was lost.
        #expect(reading.losses == [.ftraceBuffer: 2, .observationMissed: 2, .returnMissed: 1])
        #expect(reading.causes.count < 400)
        #expect(reading.causes.allSatisfy { $0 == "zero-page" })
    }

    @Test("the kernel's own tracepoint, whose fields have other names than it prints")
    func removal() throws {
        let reading = try Reading(data: DataSample("removal-6.1").bytes)
        let detach = try #require(reading.finding(.holePunch)?.detach)
        #expect(detach.file.major == 0 && detach.file.inode > 0)
        #expect(detach.references == 0)
    }

    @Test("every lookup of a recording that holds nothing else", arguments: [false, true])
    func lookups(emitsAll: Bool) throws {
        let reading = try Reading(data: DataSample("v6-6.1").bytes, emitsAll: emitsAll)
        #expect(reading.causes == Array(repeating: "zero-page", count: 6))
        #expect(reading.totals.lookups == 6)
    }
}

/// Reads as the text does that trace-cmd prints; only this takes trace-cmd.
@Suite("trace.dat and its text", .enabled(if: TraceCmd.isInstalled, "trace-cmd is not installed: see `make readers`"))
struct DataAndTextTests {
    private func compare(_ bytes: [UInt8], _ place: Comment? = nil) throws {
        let text = try TraceCmd.withFile(bytes) { try TraceCmd.text(of: $0) }
        let (expected, reading) = (try Reading(bytes: text, emitsAll: true), try Reading(data: bytes, emitsAll: true))
        #expect(expected.events.count > 2, place)
        #expect(Self.withoutStacks(reading.events) == Self.withoutStacks(expected.events), place)
        #expect(reading.findings.map(\.cause) == expected.findings.map(\.cause), place)
        #expect(reading.findings.map(\.confidence) == expected.findings.map(\.confidence), place)
        #expect(reading.losses == expected.losses, place)
        #expect(reading.run.wallClockOffsetNs == expected.run.wallClockOffsetNs, place)
    }

    /// The text has eight frames of a stack, which are never all of them.
    private static func withoutStacks(_ events: [Event]) -> [Event] {
        events.map { event in
            guard case .detach(var detach) = event else { return event }
            (detach.landmarks, detach.stackIsNamed) = ([], false)
            return .detach(detach)
        }
    }

    @Test("a trace.dat gives the same events as its text", arguments: DataSample.all)
    func same(sample: DataSample) throws { try compare(sample.bytes) }

    @Test("the same events in each form", arguments: [["--compression", "none"], ["--file-version", "6"]])
    func forms(options: [String]) throws {
        for name in ["trace-6.12", "lost-6.12"] {
            let bytes = try DataSample(name).bytes
            let other = try TraceCmd.converted(bytes, options[0], options[1])
            #expect(other.count > bytes.count)
            try compare(other, "\(name) \(options)")
            #expect(try Reading(data: other).events == Reading(data: bytes).events)
        }
    }

    @Test("two processors with the same times: the first comes first")
    func ties() throws {
        // Both get the pages of the second; their places stand behind this word.
        var bytes = try DataSample("v6-6.1").bytes
        let word = Array("flyrecord\0".utf8)
        let table = try #require(bytes.indices.last { bytes[$0...].starts(with: word) }) + word.count
        bytes.replaceSubrange(table..<table + 16, with: bytes[table + 16..<table + 32])
        try compare(bytes)
    }

    @Test("the whole stack names a cause where the text has but eight frames of it")
    func stacks() throws {
        // As if the functions' entries had not been recorded.
        let plain = try TraceCmd.converted(DataSample("trace-6.12").bytes, "--compression", "none")
        let bytes = try Self.replacing("name: fs_in_", by: "name: of_in_", in: plain)
        let reading = try Reading(data: bytes)
        let text = try Reading(bytes: TraceCmd.withFile(bytes) { try TraceCmd.text(of: $0) })
        #expect(reading.causes.contains("truncate"))
        #expect(!text.causes.contains("truncate"))
        #expect(text.causes.count == reading.causes.count)
    }

    /// Bytes of the same length everywhere, so that nothing moves.
    private static func replacing(_ old: String, by new: String, in bytes: [UInt8]) throws -> [UInt8] {
        var data = Data(bytes)
        while let place = data.firstRange(of: Data(old.utf8)) { data.replaceSubrange(place, with: Data(new.utf8)) }
        try #require(data.count == bytes.count)
        return [UInt8](data)
    }
}

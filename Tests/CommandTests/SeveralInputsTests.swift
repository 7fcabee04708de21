// SPDX-License-Identifier: Apache-2.0

// Several inputs of any kind in one report, and the mixtures that are refused: together they would say what none of
// them says.

import EventSamples
import Events
import Foundation
import Recording
import Testing

@testable import futexscope

@Suite("Several inputs", .serialized) struct SeveralInputsTests {
    private static let samples = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../FtraceTests/Samples").standardizedFileURL

    private static func sample(_ name: String) -> String { samples.appending(path: name).path }

    /// What a report of these arguments writes. An analysis changes the signal handlers of the process.
    private func report(_ arguments: [String]) throws -> String {
        let output = FileManager.default.temporaryDirectory.appending(path: "report-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: output) }
        var before: [Int32: sigaction] = [:]
        for signal in [SIGINT, SIGTERM] {
            var action = sigaction()
            unsafe sigaction(signal, nil, &action)
            before[signal] = action
        }
        defer { for (signal, var action) in before { unsafe sigaction(signal, &action, nil) } }
        try Report.parse(arguments + ["-o", output.path]).run()
        return try String(contentsOf: output, encoding: .utf8)
    }

    private func refusal(_ arguments: [String]) -> CommandError? {
        do {
            _ = try report(arguments)
            return nil
        } catch { return error as? CommandError }
    }

    /// A recording in a folder of its own, which `body` gets the path of.
    private func withRecording(_ body: (String) throws -> Void) throws {
        let place = FileManager.default.temporaryDirectory.appending(path: "several-\(UUID().uuidString).ctf")
        defer { try? FileManager.default.removeItem(at: place) }
        var run = SyntheticRun()
        let writer = try RecordingWriter(directory: place.path)
        try writer.begin(RunInfo(kernelRelease: "synthetic", host: "db-1", id: .random(), emitsAll: true))
        try writer.append(run.next(2000))
        try writer.finish()
        try body(place.path)
    }

    @Test("texts, a trace.dat, a packed text and a recording in one report, with a row for each")
    func mixture() throws {
        try withRecording { recording in
            let inputs = [
                Self.sample("trace-6.1.txt"), Self.sample("data-trace-6.12.dat"), Self.sample("field/trace.txt.xz"),
                recording,
            ]
            let lines = try report(inputs).split(separator: "\n")
            let head = try #require(lines.firstIndex { $0.hasPrefix("HOST ") && $0.contains("FINDINGS") })
            // A trace has no host of its own, or it is the guest's without a name; the recording has one.
            let rows = lines[(head + 1)...].prefix(5).map { $0.split(separator: " ") }
            #expect(rows.count == 5)
            #expect(rows[3][0] == "db-1" && rows[4][0] == "all")
            let findings = try rows.map { try #require(Int($0[1])) }
            #expect(findings[4] == findings[0] + findings[1] + findings[2] + findings[3])
            // A recording also has the lookups that met nothing.
            for (input, count) in zip(inputs.dropLast(), findings) {
                let lines = try report([input, "-f", "json"]).split(separator: "\n")
                let alone = lines.count { $0.hasPrefix("{\"type\":\"lookup\"") }
                #expect(alone == count && count > 0, "\(input)")
            }
        }
    }

    @Test("the host that a mark, a perf header or a trace.dat names is the one of the row")
    func hosts() throws {
        let place = FileManager.default.temporaryDirectory.appending(path: "hosts-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: place) }
        let marked = place.appending(path: "marked.txt").path
        let perf = place.appending(path: "perf.txt").path
        let text = try String(contentsOf: URL(filePath: Self.sample("trace-6.12.txt")), encoding: .utf8)
        #expect(text.contains(" missing="))
        try text.replacing(" missing=", with: " host=web-7 missing=").write(
            toFile: marked, atomically: true, encoding: .utf8)
        let printed = try String(contentsOf: URL(filePath: Self.sample("field/perf-script.txt")), encoding: .utf8)
        try ("# ========\n# hostname : web-8\n# os release : 6.12.9-test\n# ========\n#\n" + printed).write(
            toFile: perf, atomically: true, encoding: .utf8)
        let lines = try report([marked, perf]).split(separator: "\n")
        for host in ["web-7 ", "web-8 "] {
            let isThere = lines.contains { $0.hasPrefix(host) }
            #expect(isThere, "\(host)")
        }
    }

    @Test("one input twice, also under another name, is refused")
    func twice() throws {
        let link = FileManager.default.temporaryDirectory.appending(path: "twice-\(UUID().uuidString).txt")
        try FileManager.default.createSymbolicLink(
            at: link, withDestinationURL: URL(filePath: Self.sample("trace-6.1.txt")))
        defer { try? FileManager.default.removeItem(at: link) }
        let error = try #require(refusal([Self.sample("trace-6.1.txt"), link.path]))
        #expect(error.exitCode == 64 && error.message.contains("they are the same"))
        try withRecording { recording in
            let copy = recording + ".copy"
            try FileManager.default.copyItem(atPath: recording, toPath: copy)
            defer { try? FileManager.default.removeItem(atPath: copy) }
            let error = try #require(refusal([recording, copy]))
            #expect(error.exitCode == 64 && error.message.contains("they are of the same run"))
        }
    }

    @Test("a text and a copy of it, as a console shows it, are refused")
    func copies() throws {
        let copy = FileManager.default.temporaryDirectory.appending(path: "copy-\(UUID().uuidString).txt").path
        defer { try? FileManager.default.removeItem(atPath: copy) }
        let text = try String(contentsOf: URL(filePath: Self.sample("trace-6.1.txt")), encoding: .utf8)
        try text.split(separator: "\n").map { "db-1: \($0)" }.joined(separator: "\n").write(
            toFile: copy, atomically: true, encoding: .utf8)
        let error = try #require(refusal([Self.sample("trace-6.1.txt"), copy]))
        #expect(error.exitCode == 64 && error.message.contains("they are of the same run"))
    }

    @Test("the file of one processor is no host")
    func oneProcessor() throws {
        let error = try #require(
            refusal([Self.sample("trace-6.1.txt"), "/sys/kernel/tracing/instances/futexscope/per_cpu/cpu1/trace"]))
        #expect(error.exitCode == 64 && error.message.contains("events of one processor"))
        #expect(refusal([Self.sample("trace-6.1.txt"), Self.sample("console-6.12.txt")]) == nil)
    }

    /// A trace whose clock counts, and has no wall clock.
    private func withCounts(_ body: (String) throws -> Void) throws {
        let place = FileManager.default.temporaryDirectory.appending(path: "counts-\(UUID().uuidString).txt")
        defer { try? FileManager.default.removeItem(at: place) }
        let text = try String(contentsOf: URL(filePath: Self.sample("trace-6.12.txt")), encoding: .utf8)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.contains("wall_ns") }
        try lines.map { $0.replacing(#/(\d+)\.(\d{6}): /#) { "\($0.output.1)\($0.output.2): " } }
            .joined(separator: "\n").write(to: place, atomically: true, encoding: .utf8)
        try body(place.path)
    }

    @Test("times that cannot be compared are refused")
    func times() throws {
        try withCounts { counts in
            let since = try #require(refusal([counts, "--since", "1s"]))
            #expect(since.exitCode == 64 && since.message.contains("counts something else than nanoseconds"))
            let inputs = [counts, Self.sample("trace-6.1.txt")]
            let until = try #require(refusal(inputs + ["--until", "2026-11-25T00:00:00Z"]))
            #expect(until.exitCode == 64)
            let compared = try #require(refusal(["--compare", "--cause", "truncate"] + inputs))
            #expect(compared.exitCode == 64 && compared.message.contains("there are no rates"))
            #expect(refusal(inputs) == nil)
        }
        // A console dump has no wall clock.
        let date = try #require(refusal([Self.sample("console-6.12.txt"), "--since", "2026-11-25T00:00:00Z"]))
        #expect(date.exitCode == 64 && date.message.contains("has no wall clock"))
        #expect(refusal([Self.sample("console-6.12.txt"), "--since", "1ns"]) == nil)
    }
}

// SPDX-License-Identifier: Apache-2.0

// A recording says later and elsewhere what the trace said: the host reads what guests recorded, and so
// does babeltrace2, which knows nothing of this project.

import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted))
struct ReplayTests {
    /// Each trace that was recorded as well.
    static let runs: [(Guest, String)] =
        CauseTests.guests.map { ($0, "causes") } + Guests.each("withstood").map { ($0, "withstood") }
        + Guests.each("withstood").map { ($0, "quiet") } + RetroTests.guests.map { ($0, "retro") }

    @Test("a recording replayed gives the live findings byte for byte", arguments: runs)
    func replayEqualsLive(guest: Guest, name: String) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let live = try Data(contentsOf: run.directory.appending(path: name + ".json"))
        let replayed = try Host.run(GuestRuns.binary.path, ["report", "-f", "json", run.recording(name)])
        #expect(replayed.status == 0)
        #expect(replayed.error.isEmpty)
        #expect(live.count > 100)
        #expect(replayed.output.starts(with: live), "\(name), \(guest): \(firstDifference(live, replayed.output))")
    }

    @Test("babeltrace2 reads it without a warning and counts the same", arguments: runs)
    func babeltraceAgrees(guest: Guest, name: String) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let counted = try Babeltrace.count(run.recording(name))
        #expect(counted.warnings.isEmpty)
        #expect(counted.discarded == 0)
        #expect(counted.events == (try run.recorded(name + ".err")))
        // A line each: our lookups are its lookups.
        let trace = try run.trace(name)
        let lines = try Babeltrace.names(run.recording(name))
        #expect(lines["lookup"] ?? 0 >= trace.lookups.count)
        #expect(lines["totals"] ?? 0 >= 1)
    }

    private func firstDifference(_ left: Data, _ right: Data) -> String {
        let lines = zip(left.split(separator: 0x0a), right.split(separator: 0x0a))
        guard let pair = lines.first(where: { $0.0 != $0.1 }) else { return "one is longer" }
        return "\(String(decoding: pair.0, as: UTF8.self))\n\(String(decoding: pair.1, as: UTF8.self))"
    }
}

@Suite(.enabled(if: Guests.areWanted))
struct RecordTests {
    static let guests =
        (Guests.areWanted
            ? Kernels.matrix(short: ["6.1", Kernels.newest]).map { Guest(kernel: $0, mode: .auto, scenario: "record") }
            : [])
        + Guests.others("record", [.auto])

    @Test("what the ring could not hold is CTF's discarded count", arguments: guests)
    func discarded(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let trace = try run.trace("discarded")
        let lost = ["ring-lookup", "ring-progress", "ring-detach", "ring-activity"].map(trace.lost).reduce(0, +)
        #expect(lost > 0)
        let counted = try Babeltrace.count(run.recording("discarded"))
        #expect(counted.discarded == lost)
        #expect(counted.events == (try run.recorded("discarded.err")))
    }

    @Test("a recorder that is held up loses what its ring cannot hold, and nothing that it can", arguments: guests)
    func stalled(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for (ring, loses) in [("65536", true), ("8388608", false)] {
            let name = "stalled-" + ring
            #expect(try run.words(name + ".status") == ["0"])
            let report = try run.replay(name)
            let lookups = report.lookups(of: try run.provocation(name)).count
            #expect((report.lost("ring-lookup") > 0) == loses, "\(name)")
            #expect(loses ? lookups < 20000 : report.accounts(for: 20000, by: lookups), "\(name): \(lookups)")
            #expect(report.lost("delivery") == 0)
        }
    }

    @Test("a command is recorded from start to end, and its exit status is returned", arguments: guests)
    func command(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.words("command.status") == ["7"])
        let report = try run.replay("command")
        #expect(report.accounts(for: 23, by: report.lookups.count))
        #expect(try run.words("taken.status") == ["64"])
        #expect(try run.text("taken.err").contains("exists, and is not overwritten"))
        #expect(try run.words("nonesuch.status") == ["127"])
        #expect(try run.text("nonesuch.left").isEmpty)
    }

    @Test("a full disk ends the recording with one line, and neither the trace nor what is written", arguments: guests)
    func fullDisk(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for (name, status) in [("full", "1"), ("alone", "1")] {
            let lines = try run.text(name + ".err").split(separator: "\n").filter { $0.contains("No space left") }
            #expect(lines.count == 1, "\(name)")
            #expect(try run.words(name + ".status") == [status], "\(name)")
            let back = try Host.run(GuestRuns.binary.path, ["report", "-f", "json", run.recording(name)])
            #expect(back.status == 0)
            // As many as the line says.
            let reported = lines.first?.split(separator: ";").last?.split(separator: " ").first.flatMap { Int($0) }
            #expect(try Babeltrace.count(run.recording(name)).events == reported)
        }
        // The trace saw what came afterwards.
        let waits = try run.trace("full").lookups(of: try run.provocation("after-full"))
        #expect(waits.with("result", "EFAULT").count == 17)
    }

    @Test("a size limit is kept, by ending or by removing the oldest file", arguments: guests)
    func limits(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for name in ["limited", "rotated"] {
            #expect(try run.words(name + ".status") == ["0"], "\(name)")
            #expect(try run.size(of: run.recording(name)) <= 1 << 20, "\(name)")
        }
        #expect(try run.text("limited.err").contains("ends at its size limit"))
        let rotated = try Host.run(GuestRuns.binary.path, ["report", "-f", "json", run.recording("rotated")])
        #expect(rotated.status == 0)
        #expect(try Babeltrace.count(run.recording("rotated")).events > 1000)
    }

    @Test("whenever the recorder is killed, what is written is readable", arguments: guests)
    func killed(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        var events = 0
        for delay in [13, 170, 290, 411, 730] {
            let path = run.recording("killed-\(delay)")
            let back = try Host.run(GuestRuns.binary.path, ["report", "-f", "json", path])
            #expect(back.status == 0, "\(back.error)")
            // No record was cut off: the only line says that the run was.
            #expect(back.error.split(separator: "\n").count == 1)
            #expect(back.error.contains("the run did not end in the ordinary way"))
            events += try Babeltrace.count(path).events
        }
        #expect(events > 0)
    }
}

// MARK: Programs on the host

enum Host {
    struct Outcome {
        var status: Int32
        var output: Data
        var error: String
    }

    /// Runs a program to its end.
    static func run(_ program: String, _ arguments: [String]) throws -> Outcome {
        let process = Process()
        let files = (0..<2).map { _ in FileManager.default.temporaryDirectory.appending(path: "futexscope-\(UUID())") }
        defer { for file in files { try? FileManager.default.removeItem(at: file) } }
        let handles = try files.map { file in
            _ = FileManager.default.createFile(atPath: file.path, contents: nil)
            return try FileHandle(forWritingTo: file)
        }
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [program] + arguments
        (process.standardOutput, process.standardError) = (handles[0], handles[1])
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, output: try Data(contentsOf: files[0]),
            error: try String(contentsOf: files[1], encoding: .utf8))
    }
}

/// Another reader of the Common Trace Format.
enum Babeltrace {
    struct Count {
        var events: Int
        var discarded: Int
        var warnings: String
    }

    static func count(_ directory: String) throws -> Count {
        let outcome = try Host.run("babeltrace2", ["-c", "sink.utils.counter", "--params", "step=+0", directory])
        guard outcome.status == 0 else { throw GuestFailure(message: "babeltrace2 \(directory): \(outcome.error)") }
        var counts: [String: Int] = [:]
        for line in String(decoding: outcome.output, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            if words.count == 2, let count = Int(words[0]) { counts[words[1]] = count }
        }
        guard let events = counts["Event messages"] ?? counts["Event message"] else {
            throw GuestFailure(message: "babeltrace2 counted nothing: \(outcome.output)")
        }
        return Count(events: events, discarded: try discarded(directory), warnings: outcome.error)
    }

    /// Events by name.
    static func names(_ directory: String) throws -> [String: Int] {
        let text = try Host.run("babeltrace2", ["--no-delta", "--names=none", directory])
        var names: [String: Int] = [:]
        for line in String(decoding: text.output, as: UTF8.self).split(separator: "\n") {
            guard let colon = line.range(of: ": {"), let blank = line[..<colon.lowerBound].lastIndex(of: " ") else {
                continue
            }
            names[String(line[line.index(after: blank)..<colon.lowerBound]), default: 0] += 1
        }
        return names
    }

    /// As its text says: "Tracer discarded 17 events …".
    private static func discarded(_ directory: String) throws -> Int {
        let text = try Host.run("babeltrace2", [directory])
        let all = text.error + String(decoding: text.output, as: UTF8.self)
        return all.split(separator: "\n").compactMap { line -> Int? in
            guard let place = line.range(of: "discarded ") else { return nil }
            return Int(line[place.upperBound...].prefix { $0.isNumber })
        }.reduce(0, +)
    }
}

extension GuestRun {
    func recording(_ name: String) -> String { directory.appending(path: name + ".ctf").path }

    /// The number in "recorded N events, …" on standard error.
    func recorded(_ name: String) throws -> Int? {
        let line = try text(name).split(separator: "\n").last { $0.contains("recorded ") }
        return line?.split(separator: " ").compactMap { Int($0) }.first
    }

    /// A recording as the host's report shows it.
    func replay(_ name: String) throws -> TraceOutput {
        let outcome = try Host.run(GuestRuns.binary.path, ["report", "-f", "json", recording(name)])
        let lines = String(decoding: outcome.output, as: UTF8.self).split(separator: "\n")
        return try TraceOutput(lines.map { try JSONObject(line: $0) }.filter { $0.text("type") != "report" })
    }

    func size(of directory: String) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: directory).reduce(0) { sum, name in
            let size = try FileManager.default.attributesOfItem(atPath: directory + "/" + name)[.size] as? Int
            return sum + (size ?? 0)
        }
    }
}

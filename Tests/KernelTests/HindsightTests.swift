// SPDX-License-Identifier: Apache-2.0

// Snapshots that a recorder wrote in a guest, when something happened there that it waited for.

import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted))
struct HindsightTests {
    static let guests =
        Guests.sentinel("hindsight") + Guests.each("hindsight").filter { $0.kernel == "6.12" && $0.mode == .kprobe }

    private static func snapshots(_ run: GuestRun, _ name: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: run.directory.appending(path: name).path).sorted()
            .map { run.directory.appending(path: "\(name)/\($0)").path }
    }

    /// The lines of a report, and what babeltrace2 counts.
    private static func read(_ path: String) throws -> (trace: TraceOutput, report: JSONObject, events: Int) {
        let replayed = try Host.run(GuestRuns.binary.path, ["report", "-f", "json", path])
        #expect(replayed.status == 0)
        #expect(replayed.error.isEmpty)
        let lines = String(decoding: replayed.output, as: UTF8.self).split(separator: "\n")
        let objects = try lines.map { try JSONObject(line: $0) }
        let counted = try Babeltrace.count(path)
        #expect(counted.warnings.isEmpty)
        return (try TraceOutput(objects.dropLast()), try #require(objects.last), counted.events)
    }

    @Test("a match writes what came before it and what comes after it, and the rest waits", arguments: guests)
    func match(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.words("moments.status") == ["0"])
        let paths = try Self.snapshots(run, "moments")
        try #require(paths.count == 2)

        let first = try Self.read(paths[0])
        let trigger = try #require(first.report.object("run")?.text("trigger"))
        #expect(trigger.hasPrefix("cause=hole-punch,spurious: provoke-victim/"))
        #expect(trigger.hasSuffix(", hole-punch"))
        // All that came before is there, and not all that came after.
        #expect(first.trace.lookups.with("cause", "zero-page").count == 23)
        let holes = first.trace.lookups.with("cause", "hole-punch")
        #expect(holes.contains { $0.flag("spurious") == true })
        let times = holes.compactMap { $0.number("time_ns") }
        #expect(try #require(times.last) - (try #require(times.first)) < 3_000_000_000)
        // Names that were reported long before are in it; a lookup that only retried can come before the name.
        let observed = holes.first { $0.flag("unmapped") == true }
        #expect(observed?.object("page")?.text("path")?.hasPrefix("/mnt/tmpfs/futexscope-provoke-") == true)

        let second = try Self.read(paths[1])
        #expect(second.report.object("run")?.text("trigger") == "requested by SIGUSR1")
        #expect(second.trace.lookups.with("cause", "zero-page").count == 40)
        #expect(second.trace.lookups.with("cause", "hole-punch").count > holes.count)

        let lines = try run.text("moments.err").split(separator: "\n")
        #expect(lines.contains { $0.contains(" suppressed within --every") })
        #expect(lines.count { $0.hasPrefix("futexscope: snapshot in moments/") } == 2)
        #expect(lines.count { $0.hasPrefix("futexscope: recorded ") } == 2)
    }

    @Test("the report says what a snapshot was written for", arguments: guests)
    func report(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let path = try #require(try Self.snapshots(run, "moments").first)
        let text = String(decoding: try Host.run(GuestRuns.binary.path, ["report", path]).output, as: UTF8.self)
        #expect(text.contains("\nsnapshot        cause=hole-punch,spurious: provoke-victim/"), "\(text)")
        #expect(!text.contains("\ncut off "))
    }

    @Test("what had no room in memory is counted, in the snapshot too", arguments: guests)
    func crowded(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let path = try #require(try Self.snapshots(run, "crowded").first)
        let snapshot = try Self.read(path)
        let gone = snapshot.trace.lost("recording")
        #expect(gone > 10_000)
        // With those that something else ended, every call is accounted for.
        #expect(gone + snapshot.trace.lookups.count + snapshot.trace.skips >= 30_000)
        #expect(try run.text("crowded.err").contains("\(gone) events before it were dropped, because memory was full"))
    }

    @Test("only N snapshots are kept", arguments: guests)
    func few(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let left = try run.words("few.left")
        // A busy host can spread the calls of one program over several snapshots.
        let text = try run.text("few.err")
        let written = text.split(separator: "\n").count { $0.hasPrefix("futexscope: recorded") }
        #expect(written >= 3)
        #expect(left.compactMap { $0.split(separator: "-").last.flatMap { Int($0) } } == [written - 1, written])
        for number in 1..<written - 1 { #expect(text.contains("-\(number), was removed"), "\(number)") }
    }
}

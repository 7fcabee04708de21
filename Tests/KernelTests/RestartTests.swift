// SPDX-License-Identifier: Apache-2.0

// A tracer that comes and goes leaves no trace: starts, stops and kills at random moments, under load and memory
// pressure. A minute for each kernel; with FUTEXSCOPE_LONG as long as a thousand of them take, with a CPU that goes and
// comes, and beside it one trace for two hours whose memory must not grow.

import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted))
struct RestartTests {
    static let isLong = StormTests.environment["FUTEXSCOPE_LONG"] != nil
    static let seconds = isLong ? 3000 : 60

    static let guests: [Guest] =
        Guests.areWanted
        ? Kernels.matrix.map {
            Guest(
                kernel: $0, mode: .sentinel, scenario: "restarts", processors: 2,
                variables: [
                    "RESTART_SECONDS": "\(seconds)", "SEED": "\(StormTests.seed)", "HOTPLUG": isLong ? "1" : "0",
                ],
                patience: 400 + 2 * seconds)
        } : []

    @Test("nothing stays of a tracer that was stopped or killed at any moment", arguments: guests)
    func nothingStays(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let cycles = try run.text("restarts.cycles").split(separator: "\n").map { $0.split(separator: " ") }
        let seed: Comment = "\(guest), seed \(StormTests.seed)"
        #expect(cycles.count > Self.seconds / 30, seed)
        // Before a tracer listens to signals, they end it as they end any program.
        let endings = ["INT": ["0", "130"], "TERM": ["0", "143"], "KILL": ["137"]]
        for cycle in cycles { #expect(endings[String(cycle[0])]?.contains(String(cycle[1])) == true, seed) }
        #expect(try run.words("restarts.after") == run.words("restarts.before"), seed)
        #expect(try run.text("restarts.pinned").isEmpty, seed)
        #expect(try run.text("restarts.processes").isEmpty, seed)
        #expect(try run.text("restarts.warnings").isEmpty, seed)
        if Self.isLong { #expect(try run.words("restarts.cpu").count > Self.seconds / 20, seed) }
        say("restarts: \(guest), seed \(StormTests.seed): \(cycles.count) starts, nothing left")
    }

    static let hours = Guest(
        kernel: "6.12", mode: .sentinel, scenario: "growth", processors: 2, variables: ["GROWTH_MINUTES": "120"],
        patience: 7800)

    @Test("the memory of a trace does not grow in two hours", .enabled(if: Guests.areWanted && isLong))
    func growth() async throws {
        let run = try await GuestRuns.shared.run(Self.hours)
        // Resident KiB, descriptors and threads, once a minute.
        let samples = try run.text("growth.samples").split(separator: "\n").map { line in
            line.split(separator: " ").compactMap { Int($0) }
        }
        #expect(samples.count >= 115 && samples.allSatisfy { $0.count == 3 })
        let (early, late) = (samples.prefix(15).suffix(10), samples.suffix(10))
        // One table of names may still fill.
        for (position, slack) in [(0, 1024), (1, 0), (2, 0)] {
            let before = early.map { $0[position] }.max() ?? 0
            #expect(late.allSatisfy { $0[position] <= before + slack }, "\(samples)")
        }
        #expect(try run.trace("growth").lookups.count > 10_000)
    }
}

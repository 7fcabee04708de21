// SPDX-License-Identifier: Apache-2.0

// A tracer that comes and goes leaves no trace: starts, stops and kills at random moments, under load and memory
// pressure. A minute for each kernel; with FUTEXSCOPE_LONG as long as a thousand of them take.

import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted))
struct RestartTests {
    static let seconds = StormTests.environment["FUTEXSCOPE_LONG"] == nil ? 60 : 3000

    static let guests: [Guest] =
        Guests.areWanted
        ? Kernels.matrix.map {
            Guest(
                kernel: $0, mode: .sentinel, scenario: "restarts", processors: 2,
                variables: ["RESTART_SECONDS": "\(seconds)", "SEED": "\(StormTests.seed)"],
                patience: 400 + 2 * seconds)
        } : []

    @Test("nothing stays of a tracer that was stopped or killed at any moment", arguments: guests)
    func nothingStays(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let cycles = try run.text("restarts.cycles").split(separator: "\n").map { $0.split(separator: " ") }
        let seed: Comment = "\(guest), seed \(StormTests.seed)"
        #expect(cycles.count > Self.seconds / 12, seed)
        // Before a tracer listens to signals, they end it as they end any program.
        let endings = ["INT": ["0", "130"], "TERM": ["0", "143"], "KILL": ["137"]]
        for cycle in cycles { #expect(endings[String(cycle[0])]?.contains(String(cycle[1])) == true, seed) }
        #expect(try run.words("restarts.after") == run.words("restarts.before"), seed)
        #expect(try run.text("restarts.pinned").isEmpty, seed)
        #expect(try run.text("restarts.processes").isEmpty, seed)
        #expect(try run.text("restarts.warnings").isEmpty, seed)
        say("restarts: \(guest), seed \(StormTests.seed): \(cycles.count) starts, nothing left")
    }
}

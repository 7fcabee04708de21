// SPDX-License-Identifier: Apache-2.0

// An independent observer agrees: a bpftrace script in the same guest counts the victim's shared lookups,
// its failures, and unlocks of a page without a mapping, at the same time as futexscope does.

import Testing

@Suite(.enabled(if: Guests.areWanted))
struct OracleTests {
    static let guests =
        Guests.areWanted
        ? Kernels.matrix.map { Guest(kernel: $0, mode: .auto, scenario: "oracle", hasTools: true) } : []

    @Test("the figures agree with bpftrace", arguments: guests)
    func agreesWithBpftrace(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        var counts: [String: Int] = [:]
        for line in try run.text("oracle.txt").split(separator: "\n") where line.hasPrefix("@") {
            let parts = line.dropFirst().split(separator: ":")
            if parts.count == 2 { counts[String(parts[0])] = Int(parts[1].drop { $0 == " " }) }
        }
        let trace = try run.trace("observed")
        let summary = trace.summary
        // The kernel skips bpftrace's programs as it skips ours, and bpftrace does not count it.
        func agrees(_ ours: Int?, _ theirs: Int?) -> Bool {
            guard let ours, let theirs else { return false }
            return abs(ours - theirs) <= max(trace.skips, theirs / 1000)
        }
        say(
            "guest: \(guest): bpftrace saw \(counts), we \(summary.number("lookups") ?? -1) lookups, "
                + "\(summary.number("observations") ?? -1) observations")
        #expect(counts["observations"] ?? 0 > 1000, "\(counts)")
        #expect(agrees(summary.number("lookups"), counts["lookups"]))
        #expect(agrees(summary.number("observations"), counts["observations"]))
        let failed = try #require(summary.object("failed"))
        let sum = ["unmapped", "pin", "read_only", "other"].reduce(0) { $0 + (failed.number($1) ?? 0) }
        #expect(agrees(sum, counts["failed"]))
    }
}

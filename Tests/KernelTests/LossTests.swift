// SPDX-License-Identifier: Apache-2.0

// Each kind of loss that can be forced from outside, on one kernel: the stage is named, what was delivered and what was
// lost add up to what was counted, and no finding claims more than its evidence gives. Losses on a full disk are in
// RecordTests, those of damaged recordings in RecordingTests.

import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted))
struct LossTests {
    static let guest = Guest(
        kernel: "6.12", mode: .sentinel, scenario: "losses", program: "flood", processors: 2, patience: 500)

    /// At the default depth each observation is one record, so the sum is exact.
    private func check(_ name: String, stages: [String]) async throws -> TraceOutput {
        let trace = try await GuestRuns.shared.run(Self.guest).trace(name)
        let counted = try #require(trace.summary.number("observations"))
        let seen = try #require(trace.summary.number("observations_in_findings"))
        #expect(counted == seen + trace.lost("ring-lookup"), "\(name)")
        #expect(trace.lost("delivery") == 0, "\(name)")
        for stage in stages { #expect(trace.lost(stage) > 0, "\(name): \(stage)") }
        let recall = try #require(trace.summary.decimal("recall"), "\(name)")
        #expect(abs(recall - Double(seen) / Double(counted)) < 1e-9, "\(name)")
        return trace
    }

    @Test("in a ring with little room lookups are lost, counted, and missing in the recall")
    func tinyRing() async throws {
        let trace = try await check("tiny", stages: ["ring-lookup"])
        let provocation = try await GuestRuns.shared.run(Self.guest).provocation("tiny")
        #expect(trace.summary.number("observations") == provocation.number("efault"))
        #expect(trace.lookups.allSatisfy { $0.text("cause") == "zero-page" })
    }

    @Test("a consumer that is stopped loses what the ring cannot keep, and names all of it")
    func stoppedConsumer() async throws {
        let trace = try await check("stopped", stages: ["ring-lookup", "ring-detach"])
        let provocation = try await GuestRuns.shared.run(Self.guest).provocation("stopped")
        #expect(trace.summary.number("observations") == provocation.number("efault"))
        for finding in trace.lookups where finding.text("cause") == "unknown" {
            #expect(finding.flag("incomplete") == true)
        }
    }

    @Test("a detach that was overwritten is a loss, and its lookup is unknown and incomplete")
    func overwrittenSlot() async throws {
        let run = try await GuestRuns.shared.run(Self.guest)
        #expect(try run.words("flood.status") == ["0"])
        let trace = try await check("overwritten", stages: ["slot-overwritten"])
        let crowded = try ["crowded-zero-page", "crowded-special-mapping"].map(run.provocation)
        let failed = try #require(try run.words("flood.failed").first.flatMap { Int($0) })
        let efault = crowded.reduce(failed) { $0 + ($1.number("efault") ?? 0) }
        #expect(trace.summary.number("observations") == efault)
        let unknown = trace.lookups.filter { $0.text("cause") == "unknown" }
        #expect(unknown.count == trace.lost("slot-overwritten"))
        #expect(unknown.allSatisfy { $0.flag("incomplete") == true && $0.text("unknown_reason") == "slot-overwritten" })
        #expect(trace.lookups.filter { ["unknown", "hole-punch"].contains($0.text("cause")) }.count == failed)
    }

    @Test("a detach of a huge page that was overwritten is a loss as well")
    func overwrittenHugePage() async throws {
        let run = try await GuestRuns.shared.run(Self.guest)
        #expect(try run.words("flood-huge.status") == ["0"])
        let trace = try await check("overwritten-huge", stages: ["slot-overwritten"])
        let unknown = trace.lookups.filter { $0.text("cause") == "unknown" }
        #expect(unknown.count == trace.lost("slot-overwritten"))
        #expect(unknown.allSatisfy { $0.flag("incomplete") == true && $0.text("unknown_reason") == "slot-overwritten" })
        #expect(trace.lookups.allSatisfy { ["unknown", "hole-punch"].contains($0.text("cause")) })
    }

    @Test("a page that no page cache holds has its cause, whatever detaches are in its slots")
    func crowdedSlots() async throws {
        let run = try await GuestRuns.shared.run(Self.guest)
        let trace = try run.trace("overwritten")
        for cause in ["zero-page", "special-mapping"] {
            let provocation = try run.provocation("crowded-\(cause)")
            let findings = trace.lookups(of: provocation).with("failure", "unmapped")
            #expect(findings.count == provocation.number("efault"), "\(cause)")
            #expect(findings.count == 100, "\(cause)")
            #expect(findings.allSatisfy { $0.text("cause") == cause && $0.text("confidence") == "exact" }, "\(cause)")
        }
    }

    @Test("programs that the kernel skips are counted, and nothing is invented")
    func skippedPrograms() async throws {
        let trace = try await GuestRuns.shared.run(Self.guest).trace("skipped")
        #expect(trace.lost("program-missed") > 0)
        #expect(trace.lost("delivery") == 0)
        #expect(trace.lookups.allSatisfy { $0.number("passes") ?? 0 <= 4 })
        #expect(
            trace.lookups.allSatisfy {
                $0.text("cause") == "hole-punch" || $0.flag("incomplete") == true || $0.flag("unmapped") != true
            })
    }
}

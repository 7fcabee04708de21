// SPDX-License-Identifier: Apache-2.0

// Kernels on which the races cannot be provoked, or on which hooks are missing: pages that never have a mapping are
// found there too, and what the kernel lacks is found out before it is tried.

import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted))
struct LastingTests {
    static let guests = Guests.others(
        "lasting", on: [Kernels.realTime] + Kernels.otherArm64 + [Kernels.largePages], [.sentinel])

    @Test("every call is found with its cause, exact, at both depths", arguments: guests)
    func causes(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for depth in ["default", "full"] {
            let trace = try run.trace(depth)
            #expect(try run.words(depth + ".status") == ["0"], "\(guest)")
            for cause in ["zero-page", "special-mapping"] {
                let provocation = try run.provocation("\(depth)-\(cause)")
                let lookups = trace.lookups(of: provocation)
                #expect(provocation.number("efault") == 1000)
                #expect(trace.accounts(for: 1000, by: lookups.count), "\(cause), \(depth): \(lookups.count), \(guest)")
                for finding in lookups where finding.flag("incomplete") != true {
                    #expect(finding.text("cause") == cause, "\(depth), \(guest)")
                    #expect(finding.text("confidence") == "exact", "\(depth), \(guest)")
                }
            }
        }
    }

    @Test("at the default depth the probes are at the call sites", arguments: guests)
    func depth(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.trace("default").hooks["unlock"] == "callsite", "\(guest)")
    }

    @Test("a hook that the kernel does not have is not tried", arguments: guests)
    func hooks(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let report = try #require(try run.objects("doctor.json").first)
        let probes = try #require(report.list("checks").first { $0.text("name") == "probes" }?.text("value"))
        let hasTrampolines = guest.kernel != "6.1-arm64"
        #expect(probes.contains(hasTrampolines ? "fentry yes" : "fentry no"), "\(guest)")
        let trace = try run.trace("full")
        #expect(hasTrampolines || !trace.hooks.values.contains("fentry"), "\(guest)")
        for probe in trace.summary.list("probes") {
            #expect(probe.text("note")?.contains("fentry refused") != true, "\(probe.text("role") ?? ""), \(guest)")
        }
    }
}

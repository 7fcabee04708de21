// SPDX-License-Identifier: Apache-2.0

// Every EFAULT of a shared futex has a reason: each failure without an observation is provoked, and found with its
// reason and with the operation that asked, at both depths; calls that succeed leave nothing.

import Testing

@Suite(.enabled(if: Guests.areWanted))
struct FailureTests {
    // Two huge pages, and secret memory on 6.1.
    static let guests = (Guests.sentinel("failures") + Guests.others("failures", on: [Kernels.realTime], [.sentinel]))
        .map {
            var guest = $0
            guest.arguments = "secretmem.enable=1"
            return guest
        }
    static let depths = ["default", "full"]

    /// Failure, the kind of page, what the area permits, and the operations that take turns.
    static let failures: [(name: String, kind: String, area: String, operations: [String])] = [
        ("unmapped-address", "unknown", "none", all), ("no-permission", "shmem", "no-access", all),
        ("beyond-end-of-file", "shmem", "read-write", all), ("device-memory", "special", "read", all),
        ("secret-memory", "special", "read-write", all), ("poisoned", "shmem", "read-write", all),
        ("read-only-anonymous", "anon", "read", ["wake", "wait"]), ("no-memory", "hugetlb", "read-write", all),
    ]
    private static let all = ["wake", "wait", "trylock-pi"]

    @Test("each failure has its reason, and what asked", arguments: guests)
    func reasons(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for depth in Self.depths {
            let trace = try run.trace(depth)
            #expect(try run.words(depth + ".status") == ["0"], "\(guest)")
            for (failure, kind, area, operations) in Self.failures {
                let place: Comment = "\(failure), \(depth), \(guest)"
                let isRefused = try run.words("\(depth)-\(failure).provoke.status") == ["77"]
                // Debian's cloud kernel 6.1 has no CONFIG_MEMORY_FAILURE.
                #expect(!isRefused || failure == "poisoned" && guest.kernel == "6.1", place)
                if isRefused { continue }
                let provocation = try run.provocation("\(depth)-\(failure)")
                #expect(provocation.number("efault") == 300, place)
                let found = trace.lookups(of: provocation)
                #expect(trace.accounts(for: 300, by: found.count), "\(found.count): \(place)")
                #expect(found.allSatisfy { $0.text("failure") == failure }, place)
                #expect(Set(found.compactMap { $0.text("operation") }) == Set(operations), place)
                for finding in found {
                    #expect(finding.text("result") == "EFAULT" && finding.flag("unmapped") == false, place)
                    #expect(finding.text("cause") == nil && finding.text("uaddr") != nil, place)
                    #expect(finding.text("access") == (finding.text("operation") == "trylock-pi" ? "write" : "read"))
                    let page = try #require(finding.object("page"), place)
                    #expect(page.text("kind") == kind && page.text("area") == area, place)
                }
            }
        }
    }

    @Test("failures without an observation are added up by reason and operation", arguments: guests)
    func summary(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for depth in Self.depths {
            let trace = try run.trace(depth)
            #expect(trace.summary.number("observations") == 0, "\(guest)")
            let counted = trace.summary.list("failures").reduce(0) { $0 + ($1.number("lookups") ?? 0) }
            #expect(counted == trace.lookups.filter { $0.text("failure") != nil }.count, "\(depth), \(guest)")
        }
    }

    @Test("calls that succeed give no findings", arguments: guests)
    func ordinary(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for depth in Self.depths {
            let provocation = try run.provocation(depth + "-ordinary")
            #expect(provocation.number("efault") == 0 && provocation.number("calls") == 300)
            #expect(try run.trace(depth).lookups(of: provocation).isEmpty, "\(depth), \(guest)")
        }
    }

    @Test("at the default depth the probes are at instructions that only a failing pin reaches", arguments: guests)
    func probes(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let hooks = try run.trace("default").hooks
        #expect(hooks["pin-fault"] == "callsite" && hooks["pin"] == "callsite", "\(guest)")
        #expect(try run.text("doctor.txt").contains("pin-fault"), "\(guest)")
    }

    @Test("a recording gives the same findings again", arguments: guests)
    func replay(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for depth in Self.depths {
            func findings(_ name: String) throws -> [Substring] {
                try run.text(name).split(separator: "\n").filter { $0.hasPrefix("{\"type\":\"lookup\"") }
            }
            #expect(try findings(depth + ".json") == findings(depth + ".report.json"), "\(depth), \(guest)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

// The rule that the thread of 2011 ended with and that no kernel had: with a livepatch that makes the key from
// the memory area, no page of a file gives EFAULT any more, wakes reach their waiters while somebody takes the
// page away, and nothing outlives its file. Each figure stands beside that of the kernel as it is.

import Testing

@Suite(.enabled(if: Guests.areWanted))
struct FallbackTests {
    static let guests =
        Guests.areWanted
        ? Kernels.required.map {
            Guest(
                kernel: $0, mode: .auto, scenario: "fallback", livepatch: "fallback", program: "wakes",
                arguments: "slub_debug=FZP", patience: 1500)
        } : []

    static let ofFiles = [
        "hole-punch-tmpfs", "hole-punch-ext4", "truncate-tmpfs", "truncate-ext4", "direct-io-invalidation",
        "neighbour-punch-xfs", "hugetlb-punch", "block-zero-out",
    ]
    static let ways = ["punch-tmpfs", "punch-ext4", "direct-ext4", "truncate-tmpfs"]

    @Test("with the rule fallback no page of a file gives EFAULT", arguments: guests)
    func pagesOfFiles(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for name in Self.ofFiles {
            let today = try run.provocation("today-\(name)")
            let fallback = try run.provocation("fallback-\(name)")
            #expect(try #require(today.number("efault")) > 0, "\(name)")
            // Beyond the end of the file there is no page to pin, under any rule.
            let beyondEnd = try #require(fallback.number("efault_beyond_end"))
            #expect(fallback.number("efault") == beyondEnd, "\(name)")
            #expect(try #require(fallback.number("operations")) > 100, "\(name)")
            #expect(try #require(fallback.number("succeeded")) > 100, "\(name)")
        }
    }

    @Test("the zero page and the vDSO fail as before", arguments: guests)
    func pagesOfNoFile(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for name in ["zero-page", "special-mapping"] {
            for state in ["today", "fallback"] {
                #expect(try run.provocation("\(state)-\(name)").number("efault") == 1000, "\(name), \(state)")
            }
        }
    }

    @Test("every wake reaches its waiter while the page is taken away", arguments: guests)
    func wakes(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for state in ["today", "fallback"] {
            for way in Self.ways {
                let figures = try run.words("\(state).wakes-\(way)").compactMap(Int.init)
                #expect(figures.count == 7, "\(state), \(way)")
                guard figures.count == 7 else { continue }
                #expect(figures[1] == figures[0], "wakes that woke a waiter: \(state), \(way)")
                #expect(figures[2] == figures[0], "waiters that went on: \(state), \(way)")
                #expect(figures[3] == 0, "wakes on the other word: \(state), \(way)")
                #expect(figures[6] > 50, "operations: \(state), \(way)")
                if state == "today" {
                    #expect(figures[4] + figures[5] > 0, "EFAULT today: \(way)")
                } else if way != "truncate-tmpfs" {
                    #expect(figures[4] + figures[5] == 0, "EFAULT with the livepatch: \(way)")
                }
            }
        }
        #expect(try #require(try run.words("area_keys").compactMap(Int.init).first) > 100)
    }

    @Test("no inode is used after its file is removed", arguments: guests)
    func lifetime(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for name in ["tmpfs", "xfs"] {
            let figures = try run.words("lifetime.\(name)").compactMap(Int.init)
            #expect(figures.count == 12, "\(name)")
            for begin in stride(from: 0, to: figures.count, by: 4) {
                #expect(figures[begin] == 15, "\(name): rounds")
                #expect(figures[begin + 1] > 100, "\(name): calls")
                #expect(figures[begin + 3] == 0, "\(name): other errors")
            }
        }
        let keys = try run.words("area_keys").compactMap(Int.init)
        #expect(keys.count == 2 && keys[1] > keys[0], "no key came from the area: \(keys)")
        #expect(try run.words("freed_inodes") == ["0"])
        #expect(try run.text("complaints").isEmpty)
        #expect(throws: (any Error).self) { try run.text("lifetime.busy") }
    }

    @Test("the running rule is named, with and without the livepatch", arguments: guests)
    func ruleIsNamed(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.text("today.doctor").contains("rule              swizzle"))
        #expect(try run.text("fallback.doctor").contains("rule              fallback"))
        #expect(try run.text("fallback.err").contains("the rule of this kernel is fallback"))
        let trace = try run.trace("fallback")
        let met = trace.lookups.filter { $0.flag("unmapped") == true }
        #expect(met.count > 10)
        for finding in met {
            #expect(finding.text("result") == "ok")
            #expect(finding.object("verdicts")?.text("fallback") == "succeeds")
        }
    }
}

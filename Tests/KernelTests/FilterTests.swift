// SPDX-License-Identifier: Apache-2.0

// Known numbers come out as known numbers, filters let through what they name, a killed tracer leaves
// nothing behind, and bad input gets one line and its exit code.

import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted))
struct FilterTests {
    /// Filters do not depend on how lookups are followed: with kprobes alone only where there is time.
    static let guests =
        Guests.each("filters").filter {
            Guests.areLong || $0.mode == .auto && Kernels.matrix(short: ["6.1", Kernels.newest]).contains($0.kernel)
        }
        + Guests.others("filters", [.auto], long: [.kprobe])

    @Test("twenty-three calls are twenty-three lookups", arguments: guests)
    func countsExactly(guest: Guest) async throws {
        let trace = try await GuestRuns.shared.run(guest).trace("ordinary")
        #expect(trace.accounts(for: 23, by: trace.summary.number("lookups") ?? -1))
        #expect(trace.lookups.isEmpty)
    }

    @Test("a filter lets through what it names and nothing else", arguments: guests)
    func filtersFilter(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for name in ["comm", "uid", "result", "cgroup"] {
            let trace = try run.trace(name)
            #expect(trace.accounts(for: 1000, by: trace.lookups.count), "\(name), \(guest)")
        }
        for name in ["other-comm", "other-uid", "other-result", "other-cgroup", "passes", "other-pid"] {
            #expect(try run.trace(name).lookups.isEmpty, "\(name), \(guest)")
        }
        #expect(try run.trace("count").lookups.count == 7)
        #expect(try run.words("count.status") == ["0"])
    }

    @Test("a filter on the victim does not hide the culprit", arguments: guests)
    func culpritStaysVisible(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let victim = try run.words("victim.pid").first.flatMap(Int.init)
        let lookups = try run.trace("pid").lookups
        #expect(lookups.count == 5)
        for finding in lookups {
            #expect(finding.number("pid") == victim)
            #expect(finding.object("detach")?.text("comm") == "provoke-culprit")
        }
    }

    @Test("a trace of one process or thread ends with it, and says so", arguments: guests)
    func endsWithVictim(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for (option, what) in [("-p", "process"), ("-t", "thread")] {
            let pid = try run.words("ended\(option).pid")[0]
            #expect(try run.words("ended\(option).status") == ["0"], "\(guest)")
            #expect(try run.text("ended\(option).err").contains("\(what) \(pid) has ended"), "\(guest)")
        }
    }

    @Test("a killed tracer leaves nothing in the kernel", arguments: guests)
    func killLeavesNothing(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        // While it ran there was something to leave.
        for word in try run.words("killed.while") { #expect(try #require(Int(word)) > 0) }
        #expect(try run.words("killed.after") == ["0", "0"])
        #expect(try run.text("killed.pinned").isEmpty)
    }

    @Test("bad input gets one line and its exit code", arguments: guests)
    func badInput(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for name in ["pid", "ring", "option", "cgroup", "output", "ready"] {
            let place: Comment = "\(name), \(guest)"
            #expect(try run.words("bad-\(name).status") == ["64"], place)
            #expect(try run.text("bad-\(name).out").isEmpty, place)
            if name != "option" {
                #expect(try run.text("bad-\(name).err").split(separator: "\n").count == 1, place)
            }
        }
        // A reader that goes away is an ordinary end, reported in one line.
        #expect(try run.words("closed.status") == ["0"])
        #expect(try run.text("closed.err").contains("nobody reads"))
    }

    @Test("doctor says that this kernel permits tracing", arguments: guests)
    func doctorAgrees(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.words("doctor.status") == ["0"])
        let report = try #require(try run.objects("doctor.json").first)
        #expect(report.list("probes").count >= 20)
    }
}

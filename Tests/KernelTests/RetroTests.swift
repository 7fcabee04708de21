// SPDX-License-Identifier: Apache-2.0

// December 2011 once more: with the rule of 2.6.28 to 3.0 patched back into the kernel, a wait on the
// zero page spins for ever, and the trace reports it while it spins.

import Testing

@Suite(.enabled(if: Guests.areWanted))
struct RetroTests {
    static let guests =
        Guests.areWanted
        ? Kernels.required.map { Guest(kernel: $0, mode: .sentinel, scenario: "retro", livepatch: "retro") } : []

    @Test("a livepatch that replaces the function is noticed", arguments: guests)
    func livepatchIsNoticed(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.trace("before").hooks["unlock"] == "callsite")
        let blind = "observations may be missing: since this trace began the livepatch"
        #expect(try run.text("before.err").contains(blind))
        #expect(try run.text("retro.err").contains("replaces get_futex_key; entry hooks are used"))
        #expect(try run.trace("retro").hooks["unlock"] == "kprobe")
        #expect(try run.words("callsite.status") == ["77"])
        #expect(try run.text("callsite.err").contains("replaces get_futex_key"))
    }

    @Test("a loop under the old rule is reported while it spins", arguments: guests)
    func loopIsTold(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let begin = try #require(Double(try run.words("retro.spin-begin")[0]))
        let reported = try #require(Double(try run.words("retro.reported")[0]))
        #expect(reported - begin < 20, "reported \(reported - begin) s after the spin began")

        let trace = try run.trace("retro")
        let victim = try run.words("victim.pid").first.flatMap(Int.init) ?? -1
        let progress = trace.progress.filter { $0.number("pid") == victim }
        #expect(progress.count > 3)
        let passes = progress.compactMap { $0.number("passes") }
        #expect(zip(passes, passes.dropFirst()).allSatisfy { $0 < $1 }, "\(passes)")
        for finding in progress {
            #expect(finding.text("outcome") == "looping")
            #expect(finding.text("cause") == "zero-page")
            #expect(finding.text("confidence") == "exact")
            #expect(finding.list("retries").first?.text("reason") == "no-mapping")
            #expect(finding.object("verdicts")?.text("retry") == "loops")
            #expect(finding.object("verdicts")?.text("efault") == "fails")
            #expect(finding.object("verdicts")?.text("swizzle") == "fails")
        }
        #expect(trace.summary.number("looping") == 1)

        // It was on the processor all the time: clock ticks went by in the kernel, none in user space.
        let ticks = try run.words("retro.ticks").compactMap(Int.init)
        #expect(ticks.count == 4)
        #expect(ticks[3] - ticks[1] > 25)
        #expect(ticks[2] - ticks[0] <= 1)

        // A grace period that such a loop holds up (for minutes) must not hold up the end of the trace, and once the
        // loop is over nothing may be left.
        let end = try run.words("retro.end").compactMap(Double.init)
        #expect(end[1] - end[0] < 20)
        #expect(try run.words("retro.status") == ["0"])
        #expect(try run.words("retro.hooked").last == "0")
    }
}

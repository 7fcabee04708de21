// December 2011 once more: with the rule of 2.6.28 to 3.2 patched back into the kernel, a wait on the
// zero page spins for ever, and the trace tells of it while it spins. And 5.10, as far as it goes.

import Testing

@Suite(.enabled(if: Guests.areWanted))
struct RetroTests {
    static let guests =
        Guests.areWanted
        ? Kernels.required.map { Guest(kernel: $0, mode: .auto, scenario: "retro", hasOldRule: true) } : []

    @Test("a loop under the old rule is told while it spins", arguments: guests)
    func loopIsTold(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let begin = try #require(Double(try run.words("retro.spin-begin")[0]))
        let told = try #require(Double(try run.words("retro.told")[0]))
        #expect(told - begin < 2, "told \(told - begin) s after the spin began")

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

        // A grace period that such a loop holds up must not hold up the end of the trace, and once the
        // loop is over nothing may be left.
        let end = try run.words("retro.end").compactMap(Double.init)
        #expect(end[1] - end[0] < 10)
        #expect(try run.words("retro.status") == ["0"])
        #expect(try run.words("retro.hooked").last == "0")
    }
}

@Suite(.enabled(if: Guests.areWanted && Kernels.available[Kernels.early] != nil))
struct EarlyTests {
    @Test("5.10 as far as it goes, and what is missing is said")
    func earlyKernel() async throws {
        let run = try await GuestRuns.shared.run(Guest(kernel: Kernels.early, mode: .auto, scenario: "early"))
        #expect(try run.words("doctor.status") == ["0"])
        #expect(try run.text("doctor.json").contains("bpf_find_vma"))
        let trace = try run.trace("early")
        let waits = trace.lookups(of: try run.provocation("zero-page"))
        #expect(waits.count == 1000)
        #expect(waits.observations == 1000)
        for finding in waits {
            #expect(finding.text("cause") == "unknown")
            #expect(finding.text("unknown_reason") == "area-unreadable")
        }
        let drops = try #require(trace.activity("drop-caches"))
        #expect(drops.number("operations") ?? 0 > 0)
    }
}

@Suite(.enabled(if: Guests.areWanted))
struct RefusalTests {
    @Test("each refusal is named, by trace as by doctor")
    func refusals() async throws {
        let run = try await GuestRuns.shared.run(
            Guest(kernel: "6.12", mode: .auto, scenario: "refused", arguments: "lockdown=confidentiality"))
        let words = [
            "nobody": "CAP_BPF", "unmounted": "lockdown", "lockdown": "confidentiality", "btf": "CONFIG_DEBUG_INFO_BTF",
        ]
        for (name, word) in words {
            #expect(try run.words("\(name).status") == ["77"], "\(name)")
            #expect(try run.words("\(name).doctor.status") == ["77"], "\(name)")
            #expect(try run.text("\(name).out").isEmpty, "\(name)")
            let error = try run.text("\(name).err")
            #expect(error.contains(word), "\(name): \(error)")
            #expect(error.split(separator: "\n").count == 1, "\(name): \(error)")
            let reason = error.drop { $0 != ":" }.dropFirst(2).split(separator: "\n").first ?? "nothing"
            #expect(try run.text("\(name).doctor").contains(reason), "\(name): \(reason)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

// Hosts that permit less: an early kernel on which some things cannot be known, and hosts that refuse
// tracing. What is missing has to be named, whatever it is.

import Testing

@Suite(.enabled(if: Guests.areWanted && Kernels.available[Kernels.early] != nil))
struct EarlyTests {
    @Test("on 5.10 the supported findings are there, and unsupported ones are reported as such")
    func earlyKernel() async throws {
        let run = try await GuestRuns.shared.run(Guest(kernel: Kernels.early, mode: .sentinel, scenario: "early"))
        #expect(try run.words("doctor.status") == ["0"])
        #expect(try run.text("doctor.json").contains("bpf_find_vma"))
        #expect(try run.text("early.err").contains("without bpf_find_vma() the memory area cannot be read there"))
        let trace = try run.trace("early")
        #expect(trace.hooks["unlock"] == "kprobe")
        let waits = trace.lookups(of: try run.provocation("zero-page"))
        #expect(trace.accounts(for: 1000, by: waits.count))
        #expect(waits.observations == waits.count)
        for finding in waits {
            #expect(finding.text("cause") == "unknown")
            #expect(finding.text("unknown_reason") == "area-unreadable")
        }
        let drops = try #require(trace.activity("drop-caches"))
        #expect(drops.number("operations") ?? 0 > 0)
        try expectSameRecipe(run)
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

    @Test("the recipe is printed wherever there is BTF, whatever is refused; without BTF it needs tracefs")
    func recipe() async throws {
        let run = try await GuestRuns.shared.run(
            Guest(kernel: "6.12", mode: .auto, scenario: "refused", arguments: "lockdown=confidentiality"))
        for name in ["nobody", "unmounted", "lockdown"] {
            #expect(try run.words("\(name).recipe.status") == ["0"], "\(name)")
            #expect(try run.text("\(name).recipe").contains("fs_lookup get_futex_key"), "\(name)")
        }
        #expect(try run.words("btf.recipe.status") == ["77"])
        let error = try run.text("btf.recipe.err")
        #expect(error.contains("no BTF") && error.contains("needs tracefs"), "\(error)")
        #expect(try run.text("btf.recipe").isEmpty)
    }
}

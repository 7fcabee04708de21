// SPDX-License-Identifier: Apache-2.0

// A kernel that refuses BPF and permits tracefs: a trace with no option says that it uses ftrace, and shows each provoked
// cause with culprit and file, or says that it does not know it. What a killed run leaves behind goes with the next one.
// A kernel without BTF shows the same, by a layout that is measured on it.

import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted))
struct LiveFtraceTests {
    static let guests =
        Guests.areWanted
        ? (Kernels.matrix
            + [Kernels.realTime, Kernels.newestArm64].filter { Guests.areLong && Kernels.available[$0] != nil })
            .map { Guest(kernel: $0, mode: .sentinel, scenario: "ftrace-live", program: "nobpf") } + [hidden] : []
    /// Without BTF.
    static let hidden = Guest(
        kernel: "6.12", mode: .sentinel, scenario: "ftrace-live", program: "nobpf", variables: ["HIDES_BTF": "1"])
    static let depths = ["default", "full"]

    /// What ftrace shows of a cause, where that is less than BPF shows.
    static func isUnknown(_ cause: String, on guest: Guest) -> Bool {
        cause == "special-mapping" || cause == "zero-page" && Guests.isArm64(guest.kernel)
    }

    private func check(_ depth: String, _ run: GuestRun, _ guest: Guest) throws {
        let trace = try run.trace(depth)
        var (seen, expectedInAll, doubtful) = (0, 0, 0)
        for expected in ProvokedCause.all where expected.isProvoked(on: guest) {
            let provocation = try run.provocation("\(depth)-\(expected.name)")
            let place: Comment = "\(expected.name), \(depth) depth, \(guest)"
            let observed = trace.lookups(of: provocation).filter { $0.flag("unmapped") == true }
            // Races are not met in every run on a real-time kernel.
            if guest.kernel == Kernels.realTime, observed.isEmpty { continue }
            #expect(!observed.isEmpty, place)
            let failed = observed.with("failure", "unmapped").count
            let most = try #require(provocation.number("efault")) - (provocation.number("efault_beyond_end") ?? 0)
            #expect(failed <= most, place)
            // While a file is cut, pins fail beyond its end as well; those are no observations.
            if expected.cause != "truncate" { (seen, expectedInAll) = (seen + failed, expectedInAll + most) }
            for finding in observed {
                if Self.isUnknown(expected.cause, on: guest) {
                    #expect(finding.text("cause") == "unknown", place)
                    continue
                }
                // hugetlbfs needs the mappings of a victim that lives; the last one of a provocation may be gone.
                if expected.kind == "hugetlb", finding.text("cause") == "unknown" {
                    doubtful += 1
                    continue
                }
                #expect(finding.text("cause") == expected.cause, place)
                #expect(finding.text("confidence") == "exact", place)
                #expect(finding.object("page")?.text("kind") == expected.kind, place)
                #expect(finding.text("comm") == "provoke-victim", place)
                guard !expected.isPermanent else { continue }
                #expect(finding.flag("spurious") == expected.spurious || finding.flag("spurious") == nil, place)
                let culprit = provocation.object("culprit")
                #expect(finding.object("detach")?.number("pid") == culprit?.number("pid"), place)
                #expect(finding.object("detach")?.text("comm") == "provoke-culprit", place)
                // A path is found only while its victim lives.
                if let path = finding.object("page")?.text("path") { #expect(path == provocation.text("path"), place) }
            }
            if !expected.isPermanent {
                #expect(observed.contains { $0.object("page")?.text("path") != nil }, place)
            }
        }
        #expect(doubtful <= 20, "\(depth), \(guest)")
        #expect(trace.lost("ftrace-buffer") == 0, "\(depth), \(guest)")
        #expect(expectedInAll - seen <= trace.skips, "\(depth), \(guest)")
        say("guest: \(guest), \(depth) depth: ftrace saw \(seen) of \(expectedInAll), \(trace.skips) skips counted")
    }

    @Test("each provoked cause is found without BPF, with culprit and file", arguments: guests)
    func causes(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for depth in Self.depths {
            #expect(try run.words("\(depth).status") == ["0"])
            try check(depth, run, guest)
        }
    }

    @Test("a trace and doctor report that ftrace replaces BPF, and what ftrace does not show", arguments: guests)
    func messages(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let messages = try run.text("default.err")
        #expect(messages.contains("BPF is not permitted here, and ftrace is used"))
        #expect(messages.contains("swap-out is not seen as a cause"))
        #expect(try run.words("doctor.status") == ["0"])
        let doctor = try run.text("doctor.txt")
        #expect(doctor.contains("ftrace, in place of BPF"))
        let zeroPage = Guests.isArm64(guest.kernel) ? "the zero page and " : ""
        #expect(doctor.contains("it: \(zeroPage)pages of drivers and of the vDSO are reported as unknown"))
        let trace = try run.trace("default")
        #expect(trace.hooks["unlock"] == "callsite")
        let isHidden = guest == Self.hidden
        #expect(messages.contains("this kernel has no BTF, and where its fields lie was measured") == isHidden)
        #expect(doctor.contains("measured on this kernel") == isHidden)
        #expect(doctor.contains("read from BTF") != isHidden)
    }

    @Test("what is measured without BTF is what BTF says", arguments: guests)
    func layout(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.words("btf.status") == ["0"])
        // Seen on arm64: bits that cannot be made sure of, and one line that says so.
        if Guests.isArm64(guest.kernel), try run.words("measured.status") == ["77"] {
            let error = try run.text("measured.err")
            #expect(error.hasPrefix("futexscope: this kernel has no BTF, and the measurement could not verify "))
            #expect(error.split(separator: "\n").count == 1)
            return
        }
        #expect(try run.words("measured.status") == ["0"])
        try expectSameRecipe(run)
    }

    @Test("a recording replayed gives the live findings byte for byte", arguments: guests)
    func replay(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let live = try run.text("default.json").split(separator: "\n").filter { !$0.contains("\"type\":\"summary\"") }
        let replayed = try run.text("replay.json").split(separator: "\n")
        #expect(try run.text("replay.err").isEmpty)
        #expect(live.count > 1000)
        #expect(Array(replayed.prefix(live.count)) == live)
    }

    @Test("what does not permit ftrace is named in one line, and nothing is left")
    func refusals() async throws {
        let run = try await GuestRuns.shared.run(
            Guest(kernel: "6.12", mode: .sentinel, scenario: "ftrace-refused", program: "nobpf"))
        let expected: [(name: String, status: String, words: String)] = [
            ("nobody", "77", "may not write to tracefs"), ("user", "64", "cannot filter by users"),
            ("attach", "64", "cannot choose hooks"), ("both", "77", "; and without BPF: "),
            ("large", "1", "make the ring smaller"),
            ("flagless", "77", "could not verify the flags of a page"),
            ("recipe", "77", "could not verify the flags of a page"),
            ("taken", "1", "there is one of that name already"), ("hidden", "77", "kernel.kptr_restrict"),
            ("numbers", "77", "share the host's pid namespace"), ("clean", "77", "share the host's pid namespace"),
            ("kprobes", "77", "kprobes are switched off on this host"), ("unmade", "1", "/nothing/there"),
            ("read-only", "77", "read-only"), ("unmounted", "77", "mount -t tracefs"),
        ]
        for (name, status, words) in expected {
            #expect(try run.words("\(name).status") == [status], "\(name)")
            let error = try run.text("\(name).err")
            #expect(error.contains(words), "\(name): \(error)")
            #expect(error.split(separator: "\n").count == 1, "\(name): \(error)")
            // What another has made there stays.
            #expect(try run.words("\(name).left").count == (name == "taken" ? 1 : 0), "\(name)")
        }
        #expect(try run.words("again.status") == ["0"])
        #expect(try run.text("again.left").isEmpty)
        // Without a filter by process such a run can be had; it says what it does not know.
        #expect(try run.words("contained.status") == ["0"])
        #expect(try run.text("contained.err").contains("threads stand for processes"))
        #expect(try run.text("contained.left").isEmpty)
    }

    /// A run that others disturb, on a kernel that takes more processors for possible than there are (up to 6.1 it can be asked
    /// to).
    static let disturbed = Guest(
        kernel: "6.1", mode: .sentinel, scenario: "ftrace-disturbed", source: "ftrace", program: "dies",
        arguments: "possible_cpus=16", processors: 2)

    @Test("a victim that its failure ends is found by its process", arguments: ["dying", "dying-full"])
    func dying(name: String) async throws {
        let run = try await GuestRuns.shared.run(Self.disturbed)
        let victim = try run.words("\(name).pid").first.flatMap(Int.init)
        let trace = try run.trace(name)
        #expect(trace.lookups.count == 1 && trace.lookups.first?.number("pid") == victim)
        #expect(trace.lookups.first?.number("tid") != victim)
        #expect(trace.lookups.first?.text("cause") == "zero-page")
        #expect(trace.lost("observation-missed") == 0)
    }

    @Test("a signal while probes are defined leaves nothing behind") func signals() async throws {
        let run = try await GuestRuns.shared.run(Self.disturbed)
        #expect(try run.text("signals.left").isEmpty)
        // Each run ends as if it had been under way.
        #expect(try run.words("signals.status") == ["0", "20000", "100000", "300000", "600000"].flatMap { [$0, "0"] })
    }

    @Test("processors that are not there take no part of the buffers") func absentProcessors() async throws {
        let run = try await GuestRuns.shared.run(Self.disturbed)
        #expect(try run.words("absent.processors") == ["0-1", "0-15"])
        // The kernel rounds up to whole pages.
        let size = try #require(run.words("absent.size").first.flatMap { Int($0) })
        #expect((4096...4112).contains(size))
        // It wakes four times a second; a buffer that seems readable for ever would wake it a hundred times.
        let switches = try run.words("absent.switches")
        let voluntary = try #require(switches.dropFirst().first.flatMap { Int($0) })
        #expect(voluntary < 150, "\(switches)")
        let provocation = try run.provocation("absent-zero-page")
        #expect(try run.trace("absent").lookups(of: provocation).count == 20)
    }

    @Test("what others do to a run's instance is said, and costs the kernel nothing after the run")
    func others() async throws {
        let run = try await GuestRuns.shared.run(Self.disturbed)
        let probes = try run.text("read.kprobes").split(separator: "\n")
        #expect(!probes.isEmpty && probes.allSatisfy { $0.contains("[DISABLED]") || $0.contains("[GONE]") })
        #expect(try run.words("read.instances").count == 1)
        #expect(try run.text("absent.err").contains("something stays in tracefs (it is in use)"))
        #expect(try run.text("read.left").isEmpty)
        #expect(try run.text("off.err").contains("observations may be missing: its probe fs_unlock is switched off"))
        #expect(!(try run.text("absent.err")).contains("observations may be missing"))
        #expect(try run.words("zombie.instances").count == 1)
        #expect(try run.text("zombie.err").contains("removed what process"))
        #expect(try run.text("zombie.left").isEmpty)
    }

    @Test("nothing is left behind, and what a killed run left goes with the next one", arguments: guests)
    func cleanup(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for name in ["measured", "doctor", "default", "full", "second", "clean"] {
            #expect(try run.text("\(name).left").isEmpty, "\(name), \(guest)")
        }
        // Such a run does leave something, or this test says nothing.
        #expect(try run.text("killed.left").contains("/instances/futexscope_"))
        #expect(try run.words("second.instances").count == 1)
        #expect(try run.words("clean.status") == ["0"])
        #expect(try run.text("clean.err").contains("removed what process"))
        let provocation = try run.provocation("second-hole-punch-tmpfs")
        #expect(try run.trace("second").lookups(of: provocation).contains { $0.text("cause") == "hole-punch" })
    }
}

/// The recipes with BTF and without are the same, but for the line that says where its offsets are from.
func expectSameRecipe(_ run: GuestRun) throws {
    let (known, measured) = (try run.text("btf.recipe"), try run.text("measured.recipe"))
    let error = try run.text("measured.err")
    #expect(known.contains("Its offsets are from its BTF."))
    #expect(measured.contains("Its offsets were measured on it."), "\(error)")
    let lines = { (text: String) in text.split(separator: "\n").filter { !$0.contains("Its offsets ") } }
    #expect(lines(known) == lines(measured))
    #expect(lines(known).count > 300)
}

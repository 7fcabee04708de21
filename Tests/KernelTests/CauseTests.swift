// SPDX-License-Identifier: Apache-2.0

// Every cause that can be provoked is found: that cause, exactly, the right culprit, the right file, and
// as many observations as the workload itself counted failures for which no pin was to blame.

import Foundation
import Testing

/// One provocation of causes.sh and what a trace has to say of it.
struct ProvokedCause: Sendable, CustomStringConvertible {
    /// Name of its files.
    var name: String
    var cause: String
    var spurious: Bool
    /// What the rule of 2.6.28 would have done.
    var retry: String
    var kind: String
    /// Kernels on which it happens.
    var kernels: [String] = Kernels.required + [Kernels.newest]
    var isNeighbour = false
    /// A function on the culprit's call path, on every kernel.
    var through: String?

    var description: String { name }
    var isPermanent: Bool { retry == "loops" }

    /// The huge pages of a kernel with pages of 16 KiB have 32 MiB, for which a guest has no room.
    func isProvoked(on guest: Guest) -> Bool {
        kernels.contains(guest.version) && !(kind == "hugetlb" && guest.kernel == Kernels.largePages)
    }

    static let all: [ProvokedCause] = [
        .init(name: "zero-page", cause: "zero-page", spurious: false, retry: "loops", kind: "zero"),
        .init(name: "special-mapping", cause: "special-mapping", spurious: false, retry: "loops", kind: "special"),
        .init(
            name: "hole-punch-tmpfs", cause: "hole-punch", spurious: true, retry: "succeeds", kind: "shmem",
            through: "vfs_fallocate"),
        .init(
            name: "hole-punch-ext4", cause: "hole-punch", spurious: true, retry: "succeeds", kind: "file",
            through: "ext4_punch_hole"),
        .init(name: "truncate-tmpfs", cause: "truncate", spurious: false, retry: "fails", kind: "shmem"),
        .init(
            name: "truncate-ext4", cause: "truncate", spurious: false, retry: "fails", kind: "file",
            through: "truncate_inode_pages_range"),
        .init(
            name: "direct-io-invalidation", cause: "direct-io-invalidation", spurious: true, retry: "succeeds",
            kind: "file", through: "invalidate_inode_pages2_range"),
        .init(
            name: "neighbour-punch-xfs", cause: "hole-punch", spurious: true, retry: "succeeds", kind: "file",
            isNeighbour: true, through: "vfs_fallocate"),
        .init(
            name: "hugetlb-punch", cause: "hole-punch", spurious: true, retry: "succeeds", kind: "hugetlb",
            through: "vfs_fallocate"),
        .init(name: "block-zero-out", cause: "block-zero-out", spurious: true, retry: "succeeds", kind: "file"),
        // CONFIG_MEMORY_FAILURE is off in Debian's 6.1.
        .init(
            name: "memory-failure", cause: "memory-failure", spurious: true, retry: "succeeds", kind: "file",
            kernels: ["6.12", Kernels.newest]),
    ]
}

@Suite(.enabled(if: Guests.areWanted))
struct CauseTests {
    static let following =
        Guests.each("causes") + Guests.others("causes", [.auto], long: [.kprobe])
        + Guests.others("causes", on: [Kernels.realTime, "6.12-rt-arm64"], [.auto])
    static let sentinels =
        Guests.sentinel("causes") + Guests.arm64
        + Guests.others("causes", on: ["6.12-rt-arm64", Kernels.largePages], [.sentinel])
    static let guests = following + sentinels

    @Test("each provoked cause is found, exact, with culprit and file", arguments: guests)
    func causesAreFound(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let trace = try run.trace("causes")
        for expected in ProvokedCause.all where expected.isProvoked(on: guest) {
            let provocation = try run.provocation(expected.name)
            let lookups = trace.lookups(of: provocation)
            let observed = lookups.filter { $0.flag("unmapped") == true }
            let place: Comment = "\(expected.name), \(guest)"
            // Races are not met in every run on a real-time kernel.
            if guest.kernel.contains("-rt"), observed.isEmpty { continue }
            #expect(!observed.isEmpty, place)

            // What may lack evidence says so, and there is no more of it than was counted.
            let (whole, doubtful) = observed.partitioned { $0.flag("incomplete") != true }
            #expect(doubtful.count <= trace.skips, place)
            for finding in doubtful { #expect(finding.text("cause") == "unknown", place) }
            for finding in whole {
                #expect(finding.text("cause") == expected.cause, place)
                #expect(finding.text("confidence") == "exact", place)
                #expect(finding.text("result") == "EFAULT" || finding.number("passes") ?? 0 > 1, place)
                #expect(finding.object("page")?.text("kind") == expected.kind, place)
                let verdicts = finding.object("verdicts")
                #expect(verdicts?.text("retry") == expected.retry, place)
                #expect(verdicts?.text("efault") == "fails", place)
                #expect(finding.text("comm") == "provoke-victim", place)
                if finding.text("failure") == "unmapped" {
                    #expect(finding.flag("spurious") == expected.spurious, place)
                    #expect(verdicts?.text("swizzle") == "fails", place)
                }
                if !expected.isPermanent {
                    let culprit = provocation.object("culprit")
                    #expect(finding.object("detach")?.number("pid") == culprit?.number("pid"), place)
                    #expect(finding.object("detach")?.text("comm") == "provoke-culprit", place)
                    #expect(finding.object("page")?.text("path") == provocation.text("path"), place)
                }
                if let through = expected.through {
                    let path = finding.object("detach")?.texts("call_path") ?? []
                    #expect(path.contains(through), "\(place): \(path)")
                    // From the entry of the kernel to a function of the page cache, and none of the tracer's.
                    #expect(path.first.map { $0 == "[cut]" || Self.entries.contains($0) } == true, "\(place): \(path)")
                    #expect(!path.contains { $0.contains("bpf") || $0.hasPrefix("0x") }, "\(place): \(path)")
                }
                if expected.cause == "hole-punch" {
                    #expect(finding.object("detach")?.flag("neighbour") == expected.isNeighbour, place)
                }
            }
        }
    }

    /// Where a system call comes into the kernel, on x86 and arm64.
    private static let entries = ["entry_SYSCALL_64_after_hwframe", "el0t_64_sync"]

    @Test("the sentinel sees every EFAULT", arguments: sentinels)
    func sentinelMissesNothing(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let trace = try run.trace("causes")
        var (seen, missing) = (0, 0)
        for expected in ProvokedCause.all where expected.isProvoked(on: guest) {
            let provocation = try run.provocation(expected.name)
            let lookups = trace.lookups(of: provocation)
            let efault = try #require(provocation.number("efault"))
            let place: Comment = "\(expected.name), \(guest)"
            #expect(lookups.with("result", "EFAULT").count <= efault, place)
            seen += lookups.with("result", "EFAULT").count
            missing += efault - lookups.with("result", "EFAULT").count
            for finding in lookups {
                #expect(finding.text("uaddr") != nil, place)
                #expect(finding.text("access") == "read", place)
                #expect(finding.number("passes") == nil && finding.number("duration_ns") == nil, place)
                let isOfPin = finding.text("result") == "EFAULT" && finding.text("failure") != "unmapped"
                #expect(finding.number("observations") == (isOfPin ? 0 : 1), place)
                if isOfPin { #expect(Self.pinFailures.contains(finding.text("failure") ?? ""), place) }
            }
        }
        #expect(missing <= trace.skips)
        say("guest: \(guest): the sentinel saw \(seen), \(missing) not; \(trace.skips) skips counted")
    }

    /// A file that is too short for a moment has its size again when that is read, now and then.
    static let pinFailures = ["beyond-end-of-file", "other"]

    @Test("observations are the workload's EFAULT less the pin's failures", arguments: following)
    func observationsMatchTheWorkload(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let trace = try run.trace("causes")
        var missing = 0
        for expected in ProvokedCause.all where expected.isProvoked(on: guest) {
            let provocation = try run.provocation(expected.name)
            let lookups = trace.lookups(of: provocation).with("result", "EFAULT")
            let efault = try #require(provocation.number("efault"))
            let place: Comment = "\(expected.name), \(guest)"
            let byFailure = Dictionary(grouping: lookups) { $0.text("failure") ?? "none" }
            let unmapped = byFailure["unmapped"] ?? []
            #expect(Set(byFailure.keys).isSubset(of: Self.pinFailures + ["unmapped"]), place)
            #expect(lookups.count <= efault, place)
            missing += efault - lookups.count
            // Nothing is at work twice: a page without a mapping ends its lookup under today's rule.
            #expect(unmapped.observations == unmapped.count, place)
            if expected.isPermanent { #expect(efault == 1000, place) }
        }
        // What was counted as skipped may be missing, and not one more.
        #expect(missing <= trace.skips)
        say("guest: \(guest): \(missing) of \(trace.lookups.count) failures not seen, \(trace.skips) skips counted")
    }

    @Test("counters, losses and hooks of the whole run add up", arguments: guests)
    func theRunAddsUp(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let trace = try run.trace("causes")
        let observations = trace.lookups.observations
        #expect(trace.accounts(for: trace.summary.number("observations") ?? -1, by: observations))
        #expect(trace.lost("delivery") == 0)
        #expect(trace.lost("ring-lookup") == 0)
        #expect(try run.words("causes.status") == ["0"])
        let end = try run.words("causes.end").compactMap(Double.init)
        say("guest: \(guest) detached and ended in \(end[1] - end[0]) s")

        let hooks = trace.hooks
        let wanted = ["lookup", "pin", "unlock"].map { hooks[$0] }
        switch guest.mode {
        case .auto: #expect(wanted == ["callsite", "callsite", "callsite"])
        case .kprobe: #expect(wanted == ["kprobe", "kprobe", "kprobe"])
        // On arm64 the call of the pin is not recognised, and doctor says so.
        case .sentinel: #expect(wanted == [nil, Guests.isArm64(guest.kernel) ? nil : "callsite", "callsite"])
        }
        // A real-time kernel can preempt a program on a tracepoint.
        let onTracepoint = guest.mode == .kprobe ? "raw_tracepoint" : "tp_btf"
        #expect(hooks["detach"] == (Kernels.isRealTime(guest.kernel) ? "kprobe" : onTracepoint))
        // What needs entry and return is not known at the call sites, and says so.
        #expect((trace.summary.number("lookups") == nil) == (guest.mode == .sentinel))
    }
}

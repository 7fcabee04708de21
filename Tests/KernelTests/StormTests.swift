// SPDX-License-Identifier: Apache-2.0

// Contention: all provocations at once on two CPUs whose culprits have real-time priority. Every observation is seen,
// with its own cause, culprit and file, and nothing is reported that did not happen. Twenty seconds for each kernel
// and depth; ten minutes with FUTEXSCOPE_LONG. FUTEXSCOPE_SEED repeats a run.

import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted))
struct StormTests {
    static let environment = ProcessInfo.processInfo.environment
    static let seconds = environment["FUTEXSCOPE_LONG"] == nil ? 20 : 600
    static let seed = environment["FUTEXSCOPE_SEED"].flatMap(Int.init) ?? Int.random(in: 1..<1 << 30)

    static let guests: [Guest] = {
        guard Guests.areWanted else { return [] }
        let others = [Kernels.realTime, Kernels.newestRealTime] + (Guests.areLong ? [Kernels.newestArm64] : [])
        let kernels = Kernels.matrix + others.filter { Kernels.available[$0] != nil }
        return kernels.flatMap { kernel in
            // With ftrace on one kernel unless there is time, and at full depth where there is or the table is made.
            let isLong = seconds > 20
            let withFtrace: [Guest.Mode] =
                kernel != "6.12" && !isLong ? [] : isLong || MarkedTable.isRecording ? [.sentinel, .auto] : [.sentinel]
            let depths: [Guest.Mode] =
                kernel == Kernels.newestRealTime && !isLong && !MarkedTable.isRecording
                ? [.sentinel] : [.sentinel, .auto]
            let modes = depths.map { ($0, nil) } + withFtrace.map { ($0, "ftrace") }
            return modes.map { (mode: Guest.Mode, source: String?) in
                Guest(
                    kernel: kernel, mode: mode, scenario: "storm", source: source, processors: 2,
                    variables: ["STORM_SECONDS": "\(seconds)", "SEED": "\(seed)"], patience: 400 + 3 * seconds)
            }
        }
    }()

    /// Provocations that a page without a mapping explains, and those that must give none.
    static let causes = [
        "zero-page": "zero-page", "special-mapping": "special-mapping", "hole-punch-tmpfs": "hole-punch",
        "hole-punch-ext4": "hole-punch", "truncate-tmpfs": "truncate", "truncate-ext4": "truncate",
        "direct-io-invalidation": "direct-io-invalidation", "neighbour-punch-xfs": "hole-punch",
        "hugetlb-punch": "hole-punch", "block-zero-out": "block-zero-out",
    ]
    static let quiet = ["drop-caches", "fadvise", "reclaim", "swap-out", "collapse"]

    static let table = MarkedTable(document: "docs/reliability.md", word: "reliability")

    /// What a trace said of what the workloads did.
    struct Account {
        var made = 0
        var seen = 0
        var wrong = 0
        var unknown = 0
        /// Unknown because the source does not record what the cause lies in.
        var notRecorded = 0
        var invented = 0
        /// With a cause and without the path of the file.
        var unnamed = 0
    }

    @Test("under contention observations are seen or counted as lost, none is wrong or invented", arguments: guests)
    func contention(guest: Guest) async throws {
        let account = try await account(of: guest)
        say(
            "storm: \(guest), seed \(Self.seed): \(account.seen) of \(account.made) seen, \(account.wrong) wrong, "
                + "\(account.unknown) unknown, \(account.invented) invented")
    }

    @Test("the table is written anew", .enabled(if: Guests.areWanted && MarkedTable.isRecording))
    func writeTable() async throws {
        var rows = [
            "| kernel | preemption | source | depth | seen | wrong cause | unknown | invented |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for guest in Self.guests {
            let account = try await account(of: guest)
            let preemption = Kernels.isRealTime(guest.kernel) ? "real-time" : "full"
            let depth = guest.mode == .sentinel ? "default" : "full"
            rows.append(
                "| \(Kernels.available[guest.kernel] ?? guest.kernel) | \(preemption) | \(guest.source ?? "bpf") | \(depth) "
                    + "| \(account.seen) of "
                    + "\(account.made) | \(account.wrong) | \(account.unknown) | \(account.invented) |")
        }
        try Self.table.write(rows.joined(separator: "\n"))
    }

    private func account(of guest: Guest) async throws -> Account {
        let run = try await GuestRuns.shared.run(guest)
        let trace = try run.trace("storm")
        var account = Account()
        for (name, cause) in Self.causes.sorted(by: <) {
            let provocation = try run.provocation(name)
            let place: Comment = "\(name), \(guest), seed \(Self.seed)"
            let findings = trace.lookups(of: provocation)
            let failed = findings.with("failure", "unmapped")
            let efault = try #require(provocation.number("efault"))
            // While a file is cut, pins fail beyond its end as well; those are no observations. ftrace does not show them.
            let others = findings.with("result", "EFAULT").count { $0.flag("unmapped") != true }
            let isShown = guest.source != "ftrace" || cause != "truncate"
            let expected = isShown ? efault - others : failed.count
            #expect(failed.count <= expected && expected <= efault, place)
            account.made += expected
            account.seen += failed.count
            for finding in findings where finding.flag("unmapped") == true {
                switch finding.text("cause") {
                case cause: break
                case "unknown":
                    account.unknown += 1
                    // ftrace does not record the memory area of such a page.
                    if guest.source == "ftrace", cause == "special-mapping" {
                        account.notRecorded += 1
                    } else {
                        #expect(finding.flag("incomplete") == true, place)
                    }
                    continue
                default: account.wrong += 1
                }
                #expect(finding.text("cause") == cause, place)
                #expect(finding.text("confidence") == "exact", place)
                guard let culprit = provocation.object("culprit") else { continue }
                #expect(finding.object("detach")?.number("pid") == culprit.number("pid"), place)
                guard let path = provocation.text("path") else { continue }
                let shown = finding.object("page")?.text("path")
                #expect(shown == path || shown == nil, place)
                if shown == nil { account.unnamed += 1 }
            }
            // No workload makes a lookup run more passes than a page that went and came again twice.
            account.invented += findings.count { $0.number("passes") ?? 0 > 4 }
        }
        for name in Self.quiet {
            // A real-time kernel has no huge pages to collapse into.
            if Kernels.isRealTime(guest.kernel), name == "collapse" { continue }
            account.invented += trace.lookups(of: try run.provocation(name)).count { $0.flag("unmapped") == true }
        }
        #expect(account.invented == 0, "\(guest), seed \(Self.seed)")
        #expect(trace.progress.allSatisfy { $0.number("passes") ?? 0 <= 4 }, "\(guest), seed \(Self.seed)")
        #expect(account.made > 4000, "\(guest), seed \(Self.seed)")
        // What is missing was counted as dropped by the ring, the buffers or the table of detaches, and nothing else was lost.
        let dropped = trace.lost("ring-lookup") + trace.lost("ftrace-buffer")
        let detaches = ["ring-detach", "slot-overwritten", "slot-collision"].reduce(0) { $0 + trace.lost($1) }
        #expect(account.made - account.seen <= dropped, "\(guest), seed \(Self.seed)")
        #expect(account.unknown - account.notRecorded <= detaches + dropped, "\(guest), seed \(Self.seed)")
        // Each name that was dropped is missing in one finding. Without BPF a path is found only while its victim lives.
        #expect(account.unnamed <= trace.lost("ring-name") || guest.source == "ftrace", "\(guest), seed \(Self.seed)")
        let counted = trace.summary.number("observations") ?? 0
        #expect(counted - trace.lookups.observations <= dropped, "\(guest), seed \(Self.seed)")
        // With ftrace, four events for each lookup are more than this program can read beside real-time tasks.
        if guest.source != "ftrace" || guest.mode == .sentinel {
            #expect(account.made / 1000 >= dropped, "\(guest)")
            #expect(account.made / 1000 >= detaches, "\(guest)")
        }
        #expect(trace.lost("delivery") == 0)
        // A program that the kernel skips can be the one of a detach.
        #expect(trace.lost("program-missed") == 0, "\(guest), seed \(Self.seed)")
        return account
    }
}

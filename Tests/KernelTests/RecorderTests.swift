// SPDX-License-Identifier: Apache-2.0

// The two other recorders of the recipe: perf, and memory that outlives a reset of the machine. Each script runs in the
// guest as it is printed, and the host reads what it left.

import Correlation
import Events
import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted))
struct RecorderTests {
    static let withPerf =
        Guests.areWanted
        ? kernels.map { Guest(kernel: $0, mode: .auto, scenario: "perf", hasTools: true) } : []
    /// One, unless there is time.
    private static let kernels = Guests.areLong ? Kernels.matrix : ["6.12"].filter { Kernels.available[$0] != nil }
    /// Of these the kernels from 6.12 on.
    static let persistent =
        Guests.areWanted
        ? kernels.filter { $0 != "6.1" }.map {
            Guest(
                kernel: $0, mode: .auto, scenario: "persistent", resets: true,
                arguments: "reserve_mem=16M:2M:futexscope trace_instance=futexscope^traceoff@futexscope nokaslr")
        } : []

    private func check(
        _ failures: [Finding], _ cause: Cause, culprit: Int?, inode: Int?, _ place: Comment
    ) {
        let observed = failures.filter { $0.lookup.observations > 0 }
        #expect(!observed.isEmpty, place)
        for finding in observed {
            #expect(finding.cause == cause && finding.confidence == .exact, place)
            #expect(finding.lookup.victim.comm.text == "provoke-victim", place)
            guard cause != .zeroPage else { continue }
            #expect(finding.detach?.culprit.comm.text == "provoke-culprit", place)
            if let culprit { #expect(finding.detach.map { Int($0.culprit.tid) } == culprit, place) }
            if let inode { #expect(finding.detach.map { Int($0.file.inode) } == inode, place) }
        }
    }

    @Test("what perf recorded shows cause, culprit and file, as text and as a file", arguments: withPerf)
    func perf(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let recordOutput = try run.text("record.out")
        #expect(try run.words("record.status") == ["0"], "\(recordOutput)")
        let text = try PostMortem(run.directory.appending(path: "perf.txt"))
        for (name, cause) in [
            ("zero-page", Cause.zeroPage), ("hole-punch", .holePunch), ("truncate", .truncate),
            ("direct-io-invalidation", .directIOInvalidation),
        ] {
            let provocation = try run.provocation("perf-\(name)")
            let failures = text.failures(of: provocation)
            check(
                failures, cause, culprit: provocation.object("culprit")?.number("tid"),
                inode: cause == .zeroPage ? nil : provocation.number("inode"), "\(name), \(guest)")
            #expect(failures.count <= provocation.number("efault") ?? -1, "\(name), \(guest)")
        }
        #expect(try run.text("perf.left").isEmpty)
        let messages = try run.text("report.err")
        #expect(try run.words("report.status") == ["0"], "\(messages)")
        let failed = try run.objects("report.json").count {
            $0.text("type") == "lookup" && $0.text("result") == "EFAULT"
        }
        #expect(failed == text.lookups.count { $0.lookup.result == -14 }, "\(guest)")
    }

    @Test("after a reset the next boot shows the last moments of the one before", arguments: persistent)
    func reset(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let commandLine = "reserve_mem=8M:2M:futexscope trace_instance=futexscope^traceoff@futexscope nokaslr\n"
        #expect(try run.text("boot.txt") == commandLine)
        let messages = try run.text("save.err") + run.text("again.err")
        #expect(try run.words("save.status") == ["0"], "\(messages)")
        let text = try PostMortem(run.directory.appending(path: "persistent.txt"))
        let victim = try #require(run.words("victim.pid").first.flatMap { Int($0) })
        let failures = text.lookups.filter { $0.lookup.result == -14 && Int($0.lookup.victim.tid) == victim }
        check(failures, .holePunch, culprit: nil, inode: nil, "\(guest)")
        #expect(text.run.kernelRelease?.hasPrefix("6.") == true || text.run.kernelRelease?.hasPrefix("7.") == true)
        #expect(text.run.wallClockOffsetNs != 0)
        // And the instance records again.
        #expect(try run.words("again.status") == ["0"], "\(messages)")
        #expect(try run.text("persistent.left").isEmpty)
        say("guest: \(guest): \(failures.count) failures of the boot before the reset, each with its cause")
    }
}

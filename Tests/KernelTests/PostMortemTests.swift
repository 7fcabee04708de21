// SPDX-License-Identifier: Apache-2.0

// What a kernel recorded without any BPF explains the same: the recipe runs in the guest as it is printed,
// and the host reads its text, trace-cmd's report of a trace.dat, and the dump on the console.

import Correlation
import Events
import Foundation
import Ftrace
import Testing

/// What a text shows, read on the host.
struct PostMortem {
    var lookups: [Finding] = []
    /// Of each lookup that retried because a mapping had changed: how often.
    var changedMappings: [UInt64] = []
    var losses: [Loss.Stage: UInt64] = [:]
    var totals = Totals()
    var omissions: [Omission] = []
    var run = RunInfo()

    /// Of a text.
    init(_ file: URL) throws {
        let handle = try FileHandle(forReadingFrom: file)
        try self.init(
            FtraceReader(name: file.lastPathComponent, emitsAll: true) { bytes in
                guard let chunk = try handle.read(upToCount: 256 << 10), !chunk.isEmpty else { return false }
                bytes += chunk
                return true
            })
    }

    /// Of a trace.dat.
    init(data file: URL) throws {
        let handle = try FileHandle(forReadingFrom: file)
        let size = try handle.seekToEnd()
        try self.init(
            TraceDataReader(name: file.lastPathComponent, size: size, emitsAll: true) { offset, count, bytes in
                try handle.seek(toOffset: min(offset, size))
                bytes = Array(try handle.read(upToCount: count) ?? Data())
            })
    }

    private init(_ source: some EventSource) throws {
        var reader = source
        var correlator = Correlator(emitsAll: true)
        var events: [Event] = []
        while try reader.read(into: &events) {
            for event in events {
                if case .totals(let sum) = event { totals = sum }
                guard let finding = correlator.take(event), !finding.isProgress else { continue }
                let changed = finding.lookup.retries[.mappingChanged]
                if changed > 0 { changedMappings.append(changed) }
                // Most lookups met nothing.
                if finding.lookup.observations > 0 || finding.lookup.result != 0 { lookups.append(finding) }
            }
            events.removeAll(keepingCapacity: true)
        }
        (losses, omissions, run) = (correlator.losses, reader.omissions, reader.run)
    }

    func failures(of provocation: JSONObject) -> [Finding] {
        let victim = provocation.object("victim")?.number("tid") ?? -1
        return lookups.filter { Int($0.lookup.victim.tid) == victim && $0.lookup.result == -14 }
    }
}

@Suite(.enabled(if: Guests.areWanted))
struct PostMortemTests {
    static let guests =
        Guests.areWanted
        ? Kernels.matrix.map { Guest(kernel: $0, mode: .auto, scenario: "ftrace", hasTools: true) } : []
    static let causes: [(name: String, cause: Cause, kind: PageKind)] = [
        ("zero-page", .zeroPage, .zero), ("hole-punch", .holePunch, .shmem), ("truncate", .truncate, .file),
        ("direct-io-invalidation", .directIOInvalidation, .file), ("hugetlb-punch", .holePunch, .hugetlb),
    ]

    /// Calls that the kernel's probes did not see, by its own count.
    private func skips(_ run: GuestRun, _ name: String) throws -> Int {
        try run.text(name).split(separator: "\n").reduce(0) { sum, line in
            sum + (line.split(separator: " ").last.flatMap { Int($0) } ?? 0)
        }
    }

    private func check(_ text: PostMortem, _ run: GuestRun, _ recording: String, skips: Int, guest: Guest) throws {
        #expect(text.losses[.ftraceBuffer] ?? 0 == 0, "\(recording), \(guest)")
        var missing = 0
        for expected in Self.causes where recording == "text" || expected.name != "hugetlb-punch" {
            let place: Comment = "\(recording) of \(expected.name), \(guest)"
            let provocation = try run.provocation("\(recording)-\(expected.name)")
            let failures = text.failures(of: provocation)
            let observed = failures.filter { $0.lookup.observations > 0 }
            #expect(!observed.isEmpty, place)
            missing += (try #require(provocation.number("efault"))) - failures.count
            #expect(failures.count <= provocation.number("efault") ?? -1, place)
            // Each failure is an observation, or the pin failed beyond the end of the file.
            #expect(failures.allSatisfy { $0.failure == .unmapped || $0.failure == .pin }, place)
            for finding in observed {
                #expect(finding.cause == expected.cause, place)
                #expect(finding.confidence == .exact, place)
                #expect(finding.kind == expected.kind, place)
                #expect(finding.lookup.victim.comm.text == "provoke-victim", place)
                #expect(finding.spurious == (expected.cause != .zeroPage && expected.cause != .truncate), place)
                guard expected.cause != .zeroPage else { continue }
                #expect(finding.detach?.culprit.comm.text == "provoke-culprit", place)
                #expect(
                    finding.detach.map { Int($0.culprit.tid) } == provocation.object("culprit")?.number("tid"), place)
                #expect(finding.detach.map { Int($0.file.inode) } == provocation.number("inode"), place)
                let device = finding.detach.map { "\($0.file.major):\($0.file.minor)" }
                #expect(device == provocation.text("dev"), place)
            }
        }
        #expect(0...skips ~= missing, "\(recording), \(guest)")
        say(
            "guest: \(guest): \(recording) shows \(text.totals.observations) observations in "
                + "\(text.totals.lookups ?? 0) lookups; \(missing) failures not seen, \(skips) skips counted")
    }

    @Test("a text of tracefs shows cause, culprit and file", arguments: guests)
    func text(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let text = try PostMortem(run.directory.appending(path: "text.txt"))
        try check(text, run, "text", skips: skips(run, "text.profile"), guest: guest)
        let others = text.omissions.filter { !$0.what.contains("pinned twice") }
        #expect(others.isEmpty, "\(others)")
        #expect(try run.text("start.err").isEmpty)
    }

    @Test("a recording of trace-cmd shows cause, culprit and file, and so does its text", arguments: guests)
    func traceData(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let data = try PostMortem(data: run.directory.appending(path: "trace.dat"))
        try check(data, run, "trace-cmd", skips: skips(run, "trace-cmd.profile"), guest: guest)
        // Made in the guest: the host need not have trace-cmd.
        let text = try PostMortem(run.directory.appending(path: "trace-cmd.txt"))
        try check(text, run, "trace-cmd", skips: skips(run, "trace-cmd.profile"), guest: guest)
        // Two pins in a row are a retry, or two lookups between which lines are missing: in the data nothing is missing
        // without a mark, and in the text the eighth in a row is proof.
        let isProven = { (count: UInt64) in count == 0 || count >= 8 }
        try #require(data.lookups.count == text.lookups.count, "\(guest)")
        for (known, shown) in zip(data.lookups, text.lookups)
        where isProven(known.lookup.retries[.mappingChanged]) {
            #expect(known.lookup == shown.lookup, "\(guest)")
            #expect(known.cause == shown.cause, "\(guest)")
        }
        var totals = data.totals
        totals.retries.mappingChanged = data.changedMappings.filter(isProven).reduce(0, +)
        #expect(text.totals == totals, "\(guest)")
    }

    @Test("a dump on the console shows the same, if the console kept it", arguments: guests)
    func console(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let text = try PostMortem(run.directory.appending(path: "console.log"))
        let failures = text.failures(of: try run.provocation("console-zero-page"))
        #expect(failures.count == 20, "\(guest)")
        #expect(failures.allSatisfy { $0.cause == .zeroPage && $0.confidence == .exact })
    }

    @Test("nothing of the recipe is left behind", arguments: guests)
    func leftovers(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for name in ["text", "trace-cmd", "console"] { #expect(try run.text("\(name).left").isEmpty, "\(name)") }
    }
}

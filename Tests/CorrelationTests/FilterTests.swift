// SPDX-License-Identifier: Apache-2.0

import EventSamples
import Events
import Testing

@testable import Correlation

/// Which findings of a run pass the filter, and what counts of the others.
@Suite("Finding filter") struct FindingFilterTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var what: String
        var filter: FindingFilter
        var isWanted: Bool
        var testDescription: String { "\(what): \(isWanted)" }

        init(_ what: String, _ isWanted: Bool, _ change: (inout FindingFilter) -> Void) {
            (self.what, self.isWanted, filter) = (what, isWanted, FindingFilter())
            change(&filter)
        }
    }

    /// Applied to a lookup by app/211, thread 212, of user 1000, in /system.slice/app.service, that failed
    /// with EFAULT in its first pass after 10,423 ns at 1,001,840, because of a hole.
    static let cases: [Case] = [
        Case("no condition", true) { _ in },
        Case("pid", true) { $0.wanted.pid = 211 }, Case("another pid", false) { $0.wanted.pid = 212 },
        Case("tid", true) { $0.wanted.tid = 212 }, Case("another tid", false) { $0.wanted.tid = 211 },
        Case("uid", true) { $0.wanted.uid = 1000 }, Case("root", false) { $0.wanted.uid = 0 },
        Case("name", true) { $0.wanted.comm = Comm("app") },
        Case("a part of the name", false) { $0.wanted.comm = Comm("ap") },
        Case("group", true) { $0.wanted.cgroup = "/system.slice/app.service" },
        Case("group above", true) { $0.wanted.cgroup = "/system.slice" },
        Case("group with other slashes", true) { $0.wanted.cgroup = "system.slice/app.service/" },
        Case("the root", true) { $0.wanted.cgroup = "/" },
        Case("a part of the group's name", false) { $0.wanted.cgroup = "/system.slice/app" },
        Case("group below", false) { $0.wanted.cgroup = "/system.slice/app.service/x" },
        Case("passes", true) { $0.wanted.minPasses = 1 }, Case("more passes", false) { $0.wanted.minPasses = 2 },
        Case("duration", true) { $0.wanted.minDurationNs = 10_423 },
        Case("longer", false) { $0.wanted.minDurationNs = 10_424 },
        Case("result", true) { $0.wanted.result = -14 }, Case("another result", false) { $0.wanted.result = 0 },
        Case("cause", true) { $0.causes = [.truncate, .holePunch] },
        Case("other causes", false) { $0.causes = [.truncate, .unknown] },
        Case("no cause at all", false) { $0.causes = [] },
        Case("the exact time", true) { $0.window = 1_001_840...1_001_840 },
        Case("before", false) { $0.window = 0...1_001_839 },
        Case("behind", false) { $0.window = 1_001_841...UInt64.max },
        Case("two that hold", true) { ($0.wanted.pid, $0.wanted.result) = (211, -14) },
        Case("one of two that holds", false) { ($0.wanted.pid, $0.wanted.result) = (211, 0) },
    ]

    private static let named = Event.name(Name(subject: .cgroup(77), text: "/system.slice/app.service"))

    @Test("a finding is reported and counted if it passes the filter", arguments: cases)
    func wanted(_ one: Case) {
        var correlator = Correlator(filter: one.filter)
        _ = correlator.take(Self.named)
        _ = correlator.take(.detach(.sample()))
        #expect((correlator.take(.lookup(.sample())) != nil) == one.isWanted)
        #expect(correlator.summary.findings == (one.isWanted ? 1 : 0))
        #expect(correlator.summary.processes.isEmpty == !one.isWanted)
    }

    @Test("a detach explains a finding that passes, even if another lookup met it too")
    func detachStays() throws {
        var filter = FindingFilter()
        filter.wanted.pid = 5
        var correlator = Correlator(filter: filter)
        _ = correlator.take(.detach(.sample()))
        #expect(correlator.take(.lookup(.sample())) == nil)
        #expect(correlator.take(.lookup(.sample { $0.victim.pid = 5 }))?.cause == .holePunch)
    }

    @Test("a group that is not known, or was renamed, does not pass")
    func renamed() {
        var filter = FindingFilter()
        filter.wanted.cgroup = "/system.slice"
        var correlator = Correlator(filter: filter)
        #expect(correlator.take(.lookup(.sample())) == nil)
        _ = correlator.take(Self.named)
        #expect(correlator.take(.lookup(.sample())) != nil)
        _ = correlator.take(.name(Name(subject: .cgroup(77), text: "/user.slice")))
        #expect(correlator.take(.lookup(.sample())) == nil)
    }

    @Test("of a lookup whose entry was not seen, one pass is known and no duration")
    func untimed() {
        func passes(_ change: (inout FindingFilter) -> Void) -> Bool {
            var filter = FindingFilter()
            change(&filter)
            var correlator = Correlator(filter: filter)
            return correlator.take(.lookup(.sample { ($0.flags, $0.passes) = ([.returned, .failedUnmapped], 9) }))
                != nil
        }
        #expect(passes { $0.wanted.minPasses = 1 })
        #expect(!passes { $0.wanted.minPasses = 2 })
        #expect(!passes { $0.wanted.minDurationNs = 1 })
    }

    @Test("lookups that met nothing are filtered too where all are reported")
    func all() {
        let plain = Event.lookup(
            .sample(page: nil) {
                $0.succeed(inPass: 1)
                $0.observations = 0
            })
        var filter = FindingFilter()
        (filter.wanted.pid, filter.causes) = (211, nil)
        var correlator = Correlator(emitsAll: true, filter: filter)
        #expect(correlator.take(plain) != nil)
        filter.causes = Set(Cause.allCases)
        correlator = Correlator(emitsAll: true, filter: filter)
        #expect(correlator.take(plain) == nil)
    }

    // MARK: Loops

    @Test("a loop has no result yet, so it does not pass")
    func loopWithoutResult() {
        var filter = FindingFilter()
        filter.wanted.result = -14
        var correlator = Correlator(filter: filter)
        #expect(correlator.take(.progress(.looping(passes: 64, durationNs: 1000))) == nil)
        correlator.finish()
        #expect(correlator.summary == Summary())
    }

    @Test("a loop that ends after the window was in progress within it")
    func loopAcrossTheEnd() {
        var filter = FindingFilter()
        filter.window = 0...20_000_002_000
        var correlator = Correlator(filter: filter)
        #expect(correlator.take(.progress(.looping(passes: 64, durationNs: 1000))) != nil)
        #expect(correlator.take(.progress(.looping(passes: 128, durationNs: 3000))) == nil)
        #expect(correlator.take(.lookup(.sample(page: .zero()) { $0.time = 20_000_009_000 })) == nil)
        let unfinished = correlator.finish()
        #expect(unfinished.map(\.lookup.passes) == [64])
        #expect((correlator.summary.findings, correlator.summary.looping) == (1, 1))
    }
}

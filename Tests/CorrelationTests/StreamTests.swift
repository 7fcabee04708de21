// SPDX-License-Identifier: Apache-2.0

import EventSamples
import Events
import Testing

@testable import Correlation

/// Properties over many events: loops, sums, bounds.
@Suite("Streams") struct StreamTests {
    // MARK: Loops

    @Test(
        "a lookup is a loop from a number of passes, or from a duration, on",
        arguments: [
            (2, 1_000, false), (63, 9_999_999, false), (64, 1_000, true), (2, 10_000_000, true),
            (1_048_576, 9_000_000_000, true),
        ] as [(UInt64, UInt64, Bool)])
    func threshold(passes: UInt64, durationNs: UInt64, isLoop: Bool) throws {
        let finding = found(.progress(.looping(passes: passes, durationNs: durationNs)))
        #expect((finding != nil) == isLoop)
        guard isLoop else { return }
        #expect(finding?.isProgress == true)
        #expect(finding?.outcome == .looping)
        #expect(finding?.cause == .zeroPage)
        #expect(finding?.spurious == false)
    }

    @Test("thresholds can be set")
    func ownThreshold() {
        var correlator = Correlator(thresholds: LoopThresholds(passes: 4, durationNs: .max))
        #expect(correlator.take(.progress(.looping(passes: 2, durationNs: 1 << 40))) == nil)
        #expect(correlator.take(.progress(.looping(passes: 4, durationNs: 1))) != nil)
    }

    @Test("a loop that never ends is counted once, by the end of the run")
    func endless() {
        var correlator = Correlator()
        for shift in 6...20 {
            _ = correlator.take(.progress(.looping(passes: 1 << UInt64(shift), durationNs: 1 << UInt64(shift + 9))))
        }
        #expect(correlator.summary.findings == 0)
        correlator.finish()
        #expect(correlator.summary.findings == 1)
        #expect(correlator.summary.looping == 1)
        #expect(correlator.summary.causes[.zeroPage]?.observations == (1 << 20) - 1)
        correlator.finish()
        #expect(correlator.summary.findings == 1)
    }

    @Test("a loop that ended is counted once, with its outcome")
    func ended() throws {
        var correlator = Correlator()
        _ = correlator.take(.progress(.looping(passes: 64, durationNs: 1000)))
        let end = Lookup.sample(page: .zero()) { ($0.passes, $0.observations, $0.retries.noMapping) = (70, 70, 69) }
        #expect(correlator.take(.lookup(end))?.outcome == .failed)
        correlator.finish()
        #expect(correlator.summary.findings == 1)
        #expect(correlator.summary.looping == 0)
    }

    // MARK: What is reported

    @Test("a lookup that met nothing is reported only when all are requested, and never counted")
    func plain() throws {
        let plain = Lookup.sample(page: nil) {
            $0.succeed(inPass: 1)
            $0.observations = 0
        }
        var correlator = Correlator()
        #expect(correlator.take(.lookup(plain)) == nil)
        correlator = Correlator(emitsAll: true)
        let reported = correlator.take(.lookup(plain))
        let finding = try #require(reported)
        #expect(finding.outcome == .ok)
        #expect(finding.verdicts == nil)
        #expect(correlator.summary == Summary())
    }

    @Test("the same events give the same findings")
    func repeatable() {
        let events: [Event] = [
            .detach(.sample()), .lookup(.sample()), .progress(.looping(passes: 64, durationNs: 1000)),
            .progress(.looping(passes: 64, durationNs: 1000, tid: 9)), .lookup(.sample(page: .zero())),
        ]
        func run() -> ([Finding], Summary) {
            var correlator = Correlator()
            let findings = events.compactMap { correlator.take($0) }
            correlator.finish()
            return (findings, correlator.summary)
        }
        #expect(run() == run())
        #expect(run().0.count == 4)
    }

    // MARK: Sums

    @Test("the summary adds up by cause, process and file")
    func sums() {
        var correlator = Correlator()
        _ = correlator.take(.detach(.sample()))
        for _ in 0..<3 { _ = correlator.take(.lookup(.sample())) }
        for _ in 0..<2 { _ = correlator.take(.lookup(.sample(page: .zero()) { $0.observations = 5 })) }
        _ = correlator.take(
            .lookup(
                .sample(page: nil) {
                    $0.succeed(inPass: 2)
                    ($0.observations, $0.retries.mappingChanged) = (0, 1)
                }))
        let summary = correlator.summary
        #expect(summary.findings == 6)
        let punched = summary.causes[.holePunch]
        #expect((punched?.lookups, punched?.observations, punched?.failed, punched?.spurious) == (3, 3, 3, 3))
        func count(_ cause: Correlation.Cause, _ rule: Rule, _ result: RuleResult) -> UInt64? {
            summary.causes[cause]?.counts(of: rule)[result]
        }
        #expect(count(.holePunch, .retry, .succeeds) == 3)
        #expect(count(.holePunch, .efault, .fails) == 3)
        #expect(count(.holePunch, .swizzle, .fails) == 3)
        #expect(count(.holePunch, .fallback, .succeeds) == 3)
        #expect(punched?.counts(of: .swizzle).spurious == 3)
        #expect(punched?.counts(of: .retry).spurious == 0)
        #expect(summary.causes[.zeroPage]?.observations == 10)
        #expect(count(.zeroPage, .retry, .loops) == 2)
        #expect(count(.zeroPage, .retryZero, .fails) == 2)
        #expect(summary.causes[.zeroPage]?.counts(of: .swizzle).spurious == 0)
        #expect(summary.causes[.unknown] == nil, "a lookup that only retried needs no cause")
        #expect(summary.allCauses.lookups == 5)
        let victim = summary.processes[Summary.ProcessKey(pid: 211, comm: Comm("app"))]
        #expect((victim?.asVictim, victim?.asCulprit, victim?.failed) == (6, 0, 5))
        #expect(summary.processes[Summary.ProcessKey(pid: 300, comm: Comm("backup"))]?.asCulprit == 3)
        #expect(summary.files[FileKey(file: .data)]?.asVictim == 3)
    }

    @Test("losses are added up by stage")
    func losses() {
        var correlator = Correlator()
        for _ in 0..<2 { _ = correlator.take(.lost(Loss(time: 0, stage: .ringDetach, count: 3))) }
        #expect(correlator.losses == [.ringDetach: 6])
    }

    @Test("impossible counts in a recording stop nothing")
    func absurd() {
        var correlator = Correlator()
        for _ in 0..<2 {
            _ = correlator.take(.lost(Loss(time: .max, stage: .ringDetach, count: .max)))
            _ = correlator.take(
                .lookup(
                    .sample(page: .zero()) {
                        ($0.observations, $0.passes, $0.time, $0.start) = (.max, .max, 0, .max)
                        $0.retries = RetryCounts(swizzled: .max, mappingChanged: .max)
                    }))
            _ = correlator.take(.lookup(.sample(page: .sample { $0.slot = .empty }) { $0.observations = .max }))
        }
        correlator.finish()
        #expect(correlator.summary.allCauses.lookups == 4)
        #expect(correlator.losses == [.ringDetach: .max])
    }

    // MARK: Bounds

    @Test("the oldest detaches are dropped first, and one that is then missing is counted as lost")
    func forgotten() throws {
        var correlator = Correlator()
        _ = correlator.take(.detach(.sample()))
        for number in 1..<UInt64(Correlator.detachLimit) {
            _ = correlator.take(.detach(.sample { $0.time += number }))
        }
        #expect(correlator.take(.lookup(.sample()))?.cause == .holePunch, "the last that is kept")
        #expect(correlator.losses.isEmpty)
        _ = correlator.take(.detach(.sample { $0.time += UInt64(Correlator.detachLimit) }))
        let reported = correlator.take(.lookup(.sample()))
        let finding = try #require(reported)
        #expect((finding.unknownReason, finding.isIncomplete) == (.detachLost, true))
        #expect(correlator.losses == [.correlator: 1])
    }

    @Test("a detach that is reported again is stored once")
    func toldAgain() throws {
        var correlator = Correlator()
        for _ in 0..<3 * Correlator.detachLimit { _ = correlator.take(.detach(.sample())) }
        #expect(correlator.take(.lookup(.sample()))?.cause == .holePunch)
    }

    @Test("processes and files beyond the limit share a count")
    func rows() {
        var correlator = Correlator()
        let more: UInt64 = 7
        for number in 0..<UInt64(Summary.rowLimit) + more {
            let page = PageFacts.sample {
                $0.file.inode = number + 1
                $0.slot = .empty
            }
            _ = correlator.take(.lookup(.sample(page: page) { $0.victim.pid = UInt32(number + 1) }))
        }
        #expect(correlator.summary.processes.count == Summary.rowLimit)
        #expect(correlator.summary.processesBeyondLimit == more)
        #expect(correlator.summary.files.count == Summary.rowLimit)
        #expect(correlator.summary.filesBeyondLimit == more)
        #expect(correlator.summary.findings == UInt64(Summary.rowLimit) + more)
    }

    @Test("loops beyond the limit are reported, and the memory for them stays bounded")
    func manyLoops() {
        var correlator = Correlator()
        for tid in 1...UInt32(LoopsInProgress.limit + 10) {
            #expect(correlator.take(.progress(.looping(passes: 64, durationNs: 1000, tid: tid))) != nil)
        }
        correlator.finish()
        #expect(correlator.summary.looping == UInt64(LoopsInProgress.limit))
    }
}

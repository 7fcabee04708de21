// SPDX-License-Identifier: Apache-2.0

import EventSamples
import Events
import Testing

@testable import Correlation

/// Loops of a run in progress: kept while they are reported, and removed when they are not.
@Suite("Loops") struct LoopTests {
    private static let second: UInt64 = 1_000_000_000

    /// A correlator that has taken these.
    private static func correlator(_ lookups: Lookup...) -> Correlator {
        var correlator = Correlator()
        for lookup in lookups { _ = correlator.take(.progress(lookup)) }
        return correlator
    }

    @Test("a loop is known until it ends") func ends() {
        let loop = Lookup.looping(passes: 128, durationNs: Self.second)
        var correlator = Self.correlator(loop)
        correlator.giveUpLoops(at: loop.time + Self.second) { _ in true }
        #expect(correlator.loops.all.map(\.passes) == [128])
        #expect(correlator.loops.all.first?.begin == loop.start)
        #expect(correlator.summary.findings == 0)
        var end = loop
        (end.time, end.result, end.flags) = (loop.time + 5, -14, [.timed, .returned, .failedUnmapped])
        _ = correlator.take(.lookup(end))
        #expect(correlator.loops.all.isEmpty)
        #expect(correlator.summary.causes[.zeroPage]?.outcomes.failed == 1)
    }

    @Test("a loop whose task is gone is removed, and counts") func gone() {
        let loop = Lookup.looping(passes: 128, durationNs: Self.second)
        var correlator = Self.correlator(loop, .looping(passes: 256, durationNs: Self.second, tid: 213))
        correlator.giveUpLoops(at: loop.time + Self.second) { $0.tid != 212 }
        #expect(correlator.loops.all.count == 2, "its end may be in flight")
        correlator.giveUpLoops(at: loop.time + Self.second + 1) { $0.tid != 212 }
        #expect(correlator.loops.all.map { $0.finding.lookup.victim.tid } == [213])
        #expect(correlator.summary.looping == 1)
    }

    @Test("a loop without an end is incomplete where ends were lost", arguments: Loss.Stage.allCases)
    func incomplete(stage: Loss.Stage) {
        var correlator = Self.correlator(.looping(passes: 128, durationNs: Self.second))
        correlator.take(Loss(time: 1, stage: stage, count: 1))
        #expect(correlator.finish().map(\.isIncomplete) == [stage.hidesEnds])
    }

    @Test("where ends were lost, a long loop is removed after ten seconds without a report")
    func silent() {
        let loop = Lookup.looping(passes: 1 << 20, durationNs: 100 * Self.second)
        var correlator = Self.correlator(loop)
        correlator.take(Loss(time: 1, stage: .ringLookup, count: 1))
        correlator.giveUpLoops(at: loop.time + 10 * Self.second) { _ in true }
        #expect(correlator.loops.all.count == 1)
        correlator.giveUpLoops(at: loop.time + 10 * Self.second + 1) { _ in true }
        #expect(correlator.loops.all.isEmpty)
        #expect(correlator.summary.looping == 1)
    }

    @Test("a loop whose task is not run for a minute is one loop: no end was lost")
    func starved() {
        let loop = Lookup.looping(passes: 1 << 20, durationNs: 100 * Self.second)
        var correlator = Self.correlator(loop)
        correlator.giveUpLoops(at: loop.time + 60 * Self.second) { _ in true }
        #expect(correlator.summary.looping == 0)
        _ = correlator.take(.progress(loop))
        correlator.finish()
        #expect(correlator.summary.looping == 1)
    }

    @Test("where ends were lost, slow passes are kept for the time in which they double")
    func slow() {
        let loop = Lookup.looping(passes: 4, durationNs: 100 * Self.second)
        var correlator = Self.correlator(loop)
        correlator.take(Loss(time: 1, stage: .ringLookup, count: 1))
        correlator.giveUpLoops(at: loop.time + 110 * Self.second) { _ in true }
        #expect(correlator.loops.all.count == 1)
        correlator.giveUpLoops(at: loop.time + 110 * Self.second + 1) { _ in true }
        #expect(correlator.loops.all.isEmpty)
    }

    @Test("at the sentinel depth, a loop is kept for four times the interval between its reports")
    func fromInside() {
        func round(_ rounds: UInt64, at seconds: UInt64) -> Lookup {
            var lookup = Lookup.goingBack(rounds: rounds)
            lookup.time = seconds * Self.second
            return lookup
        }
        var correlator = Self.correlator(round(64, at: 20), round(128, at: 40))
        #expect(correlator.loops.all.first?.begin == 20 * Self.second)
        correlator.giveUpLoops(at: (40 + 10 + 4 * 20) * Self.second) { _ in true }
        #expect(correlator.loops.all.map(\.passes) == [128])
        correlator.giveUpLoops(at: (40 + 10 + 4 * 20) * Self.second + 1) { _ in true }
        #expect(correlator.loops.all.isEmpty)
        // Reported once, its duration is not known.
        correlator = Self.correlator(round(64, at: 20))
        correlator.giveUpLoops(at: 31 * Self.second) { _ in true }
        #expect(correlator.loops.all.isEmpty)
    }

    @Test("values count up to their bounds, and add up") func boundedHistogram() {
        var histogram = BoundedHistogram(bounds: [1, 4, 16])
        for value: UInt64 in [0, 1, 2, 4, 5, 16, 17, .max] { histogram.add(value) }
        #expect(histogram.counts == [2, 2, 2, 2])
        #expect(histogram.sum == 44)
    }
}

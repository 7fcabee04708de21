// SPDX-License-Identifier: Apache-2.0

import EventSamples
import Events
import Testing

@testable import Correlation

private let ms: UInt64 = 1_000_000

/// Distributions, the timeline, pairs, unknown causes, and the window of time.
@Suite("Analysis") struct AnalysisTests {
    // MARK: Histograms

    @Test(
        "buckets are powers of two",
        arguments: [
            (0, 0...0), (1, 1...1), (2, 2...3), (3, 2...3), (4, 4...7), (7, 4...7), (8, 8...15), (1023, 512...1023),
            (1024, 1024...2047), (1 << 63, 1 << 63...UInt64.max), (UInt64.max, 1 << 63...UInt64.max),
        ] as [(UInt64, ClosedRange<UInt64>)])
    func buckets(value: UInt64, range: ClosedRange<UInt64>) {
        var histogram = Histogram()
        histogram.add(value)
        #expect(histogram.buckets == [Histogram.Bucket(range: range, count: 1)])
    }

    @Test("empty buckets are shown between full ones and nowhere else")
    func gaps() {
        var histogram = Histogram()
        for value in [1, 1, 9] as [UInt64] { histogram.add(value) }
        #expect(histogram.buckets.map(\.count) == [2, 0, 0, 1])
        #expect(histogram.total == 3)
        #expect(Histogram().buckets.isEmpty)
    }

    @Test("passes and durations are distributed over all findings, and by cause")
    func distributions() {
        let wentBack = Lookup.sample(page: nil) {
            $0.succeed(inPass: 3)
            ($0.observations, $0.retries.mappingChanged) = (0, 2)
        }
        let unseen = Lookup.sample { $0.flags.remove(.timed) }
        let analysis = analysed([
            .lookup(wentBack), .lookup(unseen), .lookup(.sample(page: .zero()) { $0.start = $0.time - 1024 }),
        ])
        #expect(analysis.passes.total == 2, "passes are not known where the entry was not seen")
        #expect(analysis.durationsNs.buckets.first?.range == 1024...2047)
        #expect(analysis.durationsNsByCause.keys.sorted { $0.rawValue < $1.rawValue } == [.zeroPage])
        #expect(analysis.passesByCause[.zeroPage]?.total == 1)
        #expect(analysis.observed == 2, "a lookup that only retried met no page")
    }

    @Test("durations are summed to one percent")
    func lengths() {
        var tally = DurationHistogram()
        for length in 1...20_000 as ClosedRange<UInt64> { tally.add(length) }
        for limit in [1, 77, 1500, 12_345, 20_000] as [Double] {
            let exact = (1...20_000).reduce(0.0) { $0 + min(Double($1), limit) }
            let reported = tally.means.reduce(0.0) { $0 + $1.count * min($1.duration, limit) }
            #expect(abs(reported / exact - 1) < 0.01)
        }
        tally.add(.max)
        tally.add(.max)
        #expect(tally.means.last?.count == 2)
    }

    // MARK: Timeline

    @Test("bins become wider with the run, and their counts are added")
    func timeline() {
        let origin: UInt64 = 7_000 * ms
        let times = (0..<1000).map { origin + UInt64($0) * ms }
        var timeline = Timeline()
        for time in times { timeline.add(.truncate, failed: time % (2 * ms) == 0, at: time) }
        #expect((timeline.originNs, timeline.binNs, timeline.bins) == (origin, 8 * ms, 125))
        #expect(timeline.observed(.truncate) == [UInt64](repeating: 8, count: 125))
        #expect(timeline.failed == [UInt64](repeating: 4, count: 125))
        #expect(timeline.observed(.reclaim) == [UInt64](repeating: 0, count: 125))
        timeline.add(.truncate, failed: false, at: origin - 5 * ms)
        #expect(timeline.observed(.truncate)[0] == 9, "a time before the first event goes to the first bin")
        timeline.extend(to: .max)
        #expect(timeline.bins <= Timeline.binLimit)
        #expect(timeline.observed(.truncate).reduce(0, +) == 1001)
    }

    @Test("bins are busy as long as an operation is in progress")
    func busy() {
        let analysis = analysed([
            CoincidenceTests.lookup(0, 0), CoincidenceTests.end(.reclaim, ms / 2, 2 * ms + ms / 4),
            CoincidenceTests.end(.reclaim, ms, 2 * ms, tid: 8), CoincidenceTests.lookup(4 * ms, 5 * ms),
        ])
        #expect(analysis.timeline.busyNs(.reclaim) == [ms / 2, ms, ms / 4, 0, 0, 0])
        #expect(analysis.timeline.originNs == 0)
    }

    @Test("the timeline reaches to the end of the run, even without events there")
    func quietEnd() {
        var totals = Totals()
        (totals.time, totals.durationNs) = (100 * ms, 100 * ms)
        let analysis = analysed([CoincidenceTests.lookup(0, 5 * ms), .totals(totals)])
        #expect(analysis.timeline.observed(.unknown) == [0, 0, 0, 0, 0, 1] + [UInt64](repeating: 0, count: 95))
        #expect(analysed([.totals(totals)]).timeline.bins == 0)
    }

    // MARK: Pairs and unknown causes

    @Test("culprits and victims are paired by cause; a page without a culprit has a row too")
    func pairs() {
        let analysis = analysed([
            .detach(.sample()), .lookup(.sample()), .lookup(.sample { $0.succeed(inPass: 2) }),
            .lookup(.sample(page: .zero())),
        ])
        let victim = Summary.ProcessKey(pid: 211, comm: Comm("app"))
        let culprit = Summary.ProcessKey(pid: 300, comm: Comm("backup"))
        let hit = analysis.pairs[.init(culprit: culprit, victim: victim, cause: .holePunch)]
        #expect((hit?.lookups, hit?.failed, hit?.spurious) == (2, 1, 1))
        #expect(analysis.pairs[.init(culprit: nil, victim: victim, cause: .zeroPage)]?.lookups == 1)
        #expect(analysis.pairs.count == 2)
    }

    @Test("pairs beyond the limit share a count")
    func manyPairs() {
        let events = (0..<UInt32(Analysis.pairLimit) + 7).map { number in
            Event.lookup(.sample(page: .zero()) { $0.victim.pid = number })
        }
        let analysis = analysed(events)
        #expect(analysis.pairs.count == Analysis.pairLimit)
        #expect(analysis.pairsBeyondLimit == 7)
    }

    @Test("unknown causes are counted by reason, and those that losses make incomplete")
    func unknown() {
        let unseen = Lookup.sample(page: .sample { $0.slot = .empty })
        let analysis = analysed([
            .lookup(unseen), .lookup(.sample(page: .sample { $0.slot = .otherPage })),
            .lost(Loss(time: 0, stage: .ringDetach, count: 1)), .lookup(unseen), .lookup(.sample(page: .zero())),
        ])
        #expect(analysis.unknown.keys.count == 2)
        #expect(analysis.unknown[.noDetachSeen]?.lookups == 2)
        #expect(analysis.unknown[.noDetachSeen]?.incomplete == 1)
        #expect(analysis.unknown[.slotOverwritten]?.incomplete == 1)
    }

    // MARK: The window

    @Test("only what is within the window counts; of an operation, the part that is")
    func window() throws {
        var filter = FindingFilter()
        filter.window = 100 * ms...200 * ms
        var totals = Totals()
        (totals.time, totals.durationNs) = (1010 * ms, 1000 * ms)
        let analysis = analysed(
            [
                CoincidenceTests.lookup(10 * ms, 20 * ms), CoincidenceTests.end(.truncate, 0, 50 * ms),
                CoincidenceTests.lookup(90 * ms, 110 * ms), CoincidenceTests.end(.reclaim, 95 * ms, 125 * ms),
                CoincidenceTests.lookup(190 * ms, 199 * ms), CoincidenceTests.lookup(250 * ms, 260 * ms),
                CoincidenceTests.end(.reclaim, 180 * ms, 300 * ms), CoincidenceTests.begin(.dropCaches, at: 400 * ms),
                CoincidenceTests.lookup(1000 * ms, 1010 * ms), .totals(totals),
            ], filter: filter)
        #expect(analysis.observed == 2)
        #expect(analysis.runNs == 100 * ms)
        #expect(analysis.coincidence.map(\.kind) == [.reclaim])
        let row = try #require(analysis.coincidence.first)
        #expect((row.operations, row.busyNs, row.during) == (2, 45 * ms, 2))
        #expect(analysis.timeline.originNs == 100 * ms)
        #expect(analysis.passes.total == 2)
        #expect(analysis.span == 0...1010 * ms)
    }

    @Test("a window longer than the run counts as the run")
    func wideWindow() {
        var filter = FindingFilter()
        filter.window = 50 * ms...UInt64.max
        let events = [CoincidenceTests.lookup(10, 20 * ms), CoincidenceTests.lookup(60 * ms, 80 * ms)]
        #expect(analysed(events, filter: filter).runNs == 30 * ms)
        #expect(analysed([]).runNs == 0)
    }
}

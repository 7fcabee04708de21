// SPDX-License-Identifier: Apache-2.0

import EventSamples
import Events
import Testing

@testable import Correlation

private let ms: UInt64 = 1_000_000
private let second: UInt64 = 1_000_000_000

/// How lookups lie in time against operations, in streams short enough to be computed by hand.
@Suite("Coincidence in time") struct CoincidenceTests {
    /// A lookup from `start` to `end` that met a page without a mapping.
    static func lookup(_ start: UInt64, _ end: UInt64) -> Event {
        .lookup(.sample(page: .sample { $0.slot = .empty }) { ($0.start, $0.time) = (start, end) })
    }

    static func begin(_ kind: ActivityKind = .reclaim, at time: UInt64, tid: UInt32 = 9) -> Event {
        let task = TaskIdentity(pid: tid, tid: tid, comm: Comm("kswapd0"))
        return .activity(Activity(time: time, kind: kind, task: task, durationNs: nil))
    }

    static func end(_ kind: ActivityKind = .reclaim, _ start: UInt64, _ end: UInt64, tid: UInt32 = 9) -> Event {
        let task = TaskIdentity(pid: tid, tid: tid, comm: Comm("kswapd0"))
        return .activity(Activity(time: end, kind: kind, task: task, durationNs: end - start, pages: 1))
    }

    static let lost = Event.lost(Loss(time: 0, stage: .ringActivity, count: 1))

    // MARK: Overlap

    struct Case: Sendable, CustomTestStringConvertible {
        var what: String
        var events: [Event]
        var during: UInt64
        var busyNs: UInt64
        var operations: UInt64 = 1
        var isLowerBound = false
        var testDescription: String { what }
    }

    static let cases: [Case] = [
        Case(what: "within", events: [lookup(20, 30), end(.reclaim, 10, 40)], during: 1, busyNs: 30),
        Case(what: "around", events: [end(.reclaim, 20, 30), lookup(10, 40)], during: 1, busyNs: 10),
        Case(
            what: "starts before and ends within", events: [lookup(10, 20), end(.reclaim, 15, 40)], during: 1,
            busyNs: 25),
        Case(
            what: "starts within and ends after", events: [end(.reclaim, 10, 20), lookup(15, 40)], during: 1, busyNs: 10
        ),
        Case(what: "ends at its start", events: [lookup(10, 20), end(.reclaim, 20, 30)], during: 1, busyNs: 10),
        Case(what: "starts at its end", events: [end(.reclaim, 10, 20), lookup(20, 30)], during: 1, busyNs: 10),
        Case(what: "ends just before", events: [lookup(10, 19), end(.reclaim, 20, 30)], during: 0, busyNs: 10),
        Case(what: "starts just after", events: [end(.reclaim, 10, 20), lookup(21, 30)], during: 0, busyNs: 10),
        Case(
            what: "between two", events: [end(.reclaim, 10, 20), lookup(30, 40), end(.reclaim, 50, 60)], during: 0,
            busyNs: 20, operations: 2),
        Case(
            what: "two operations that overlap count once",
            events: [lookup(22, 24), end(.reclaim, 10, 30), end(.reclaim, 20, 40, tid: 8)], during: 1, busyNs: 30,
            operations: 2),
        Case(
            what: "ends out of order", events: [end(.reclaim, 50, 60), lookup(22, 24), end(.reclaim, 20, 30, tid: 8)],
            during: 1, busyNs: 20, operations: 2),
        Case(
            what: "an end that closes the gap between two",
            events: [end(.reclaim, 10, 20), end(.reclaim, 30, 40), end(.reclaim, 15, 35), lookup(25, 26)], during: 1,
            busyNs: 30, operations: 3),
        Case(
            what: "an operation reported late that overlaps an earlier lookup",
            events: [lookup(10, 11), lookup(5 * second, 5 * second + 1), end(.reclaim, 5, 9 * second)], during: 2,
            busyNs: 9 * second - 5),
        Case(
            what: "a start without an end lasts to the end of the run",
            events: [begin(at: 10), lookup(20, 30), lookup(70, 80), lookup(1, 100)], during: 3, busyNs: 90),
        Case(
            what: "a lookup before a start without an end",
            events: [lookup(1, 9), begin(at: 10), lookup(20, 30)], during: 1, busyNs: 20),
        Case(
            what: "start and end are one operation",
            events: [begin(at: 10), lookup(20, 30), end(.reclaim, 10, 40)], during: 1, busyNs: 30),
        Case(
            what: "a lookup after the end", events: [begin(at: 10), end(.reclaim, 10, 40), lookup(50, 60)], during: 0,
            busyNs: 30),
        Case(
            what: "reclaim within reclaim of one task",
            events: [
                begin(at: 10), begin(at: 20), end(.reclaim, 20, 30), lookup(35, 36), end(.reclaim, 10, 40),
                lookup(50, 60),
            ], during: 1, busyNs: 30, operations: 2),
        Case(
            what: "reclaim by two tasks at once",
            events: [
                begin(at: 10), begin(at: 20, tid: 8), end(.reclaim, 10, 40), lookup(45, 46),
                end(.reclaim, 20, 50, tid: 8), lookup(60, 61),
            ], during: 1, busyNs: 40, operations: 2),
        Case(
            what: "an operation in progress for longer than lookups wait",
            events: [begin(at: 10), lookup(20, 30), lookup(30 * second, 31 * second), end(.reclaim, 10, 40 * second)],
            during: 2, busyNs: 40 * second - 10),
        Case(
            what: "an operation without a start event that overlaps lookups already decided",
            events: [lookup(20, 30), lookup(30 * second, 31 * second), end(.truncate, 10, 40 * second)],
            during: 1, busyNs: 40 * second - 10, isLowerBound: true),
        Case(
            what: "an operation that started before a loss may have ended unseen",
            events: [begin(at: 10), lost, lookup(20, 30)],
            during: 0, busyNs: 0, operations: 0, isLowerBound: true),
        Case(
            what: "an end after a loss counts whole",
            events: [begin(at: 10), lost, lookup(20, 30), end(.reclaim, 10, 40)],
            during: 1, busyNs: 30, isLowerBound: true),
        Case(
            what: "a lookup whose entry was not seen has no duration",
            events: [
                end(.reclaim, 10, 20),
                .lookup(.sample { ($0.start, $0.time, $0.flags) = (5, 30, [.write, .returned, .failedUnmapped]) }),
            ], during: 0, busyNs: 10),
        Case(
            what: "or it lasts from the detach that it met",
            events: [
                .detach(.sample { ($0.time, $0.landmarks, $0.hole) = (15, [.reclaim], nil) }), end(.reclaim, 10, 20),
                .lookup(
                    .sample(page: .sample { $0.detachTime = 15 }) {
                        ($0.start, $0.time, $0.flags) = (5, 30, [.write, .returned, .failedUnmapped])
                    }),
            ], during: 1, busyNs: 10),
        Case(
            what: "a duration that is longer than the clock",
            events: [
                .activity(Activity(time: 50, kind: .reclaim, task: .culprit, durationNs: .max)), lookup(10, 20),
            ], during: 1, busyNs: 50),
    ]

    @Test("times are lower bounds after a loss that may hide the start or end of an operation, and only then")
    func hiddenOperations() {
        let hiding = Loss.Stage.allCases.filter { stage in
            analysed([.lost(Loss(time: 5, stage: stage, count: 1)), Self.end(.reclaim, 10, 20), Self.lookup(12, 30)])
                .coincidenceIsLowerBound
        }
        #expect(
            hiding == [
                .ringActivity, .operationTable, .returnMissed, .programMissed, .ftraceBuffer, .delivery, .malformed,
                .recording,
            ])
    }

    @Test("overlap", arguments: cases)
    func overlap(_ one: Case) throws {
        let analysis = analysed(one.events)
        let observed = UInt64(
            one.events.reduce(0) { sum, event in if case .lookup = event { sum + 1 } else { sum } })
        #expect(analysis.coincidenceIsLowerBound == one.isLowerBound)
        guard one.operations > 0 else {
            #expect(analysis.coincidence.isEmpty)
            return
        }
        let row = try #require(analysis.coincidence.first)
        #expect(analysis.coincidence.count == 1)
        #expect(row.operations == one.operations)
        #expect((row.during, row.outside) == (one.during, observed - one.during))
        #expect(row.busyNs == one.busyNs)
    }

    @Test("kinds are distinguished, and causes are counted independently of time")
    func kinds() throws {
        let analysis = analysed([
            Self.end(.dropCaches, 0, 100), Self.end(.truncate, 500, 600), Self.lookup(50, 60),
            .detach(.sample { $0.time = 700 }),
            .lookup(.sample(page: .sample { $0.detachTime = 700 }) { ($0.start, $0.time) = (690, 710) }),
        ])
        #expect(analysis.coincidence.map(\.kind) == [.dropCaches, .truncate, .holePunch])
        #expect(analysis.coincidence.map(\.during) == [1, 0, 0])
        #expect(analysis.coincidence.map(\.caused) == [0, 0, 1])
        #expect(analysis.coincidence.map(\.operations) == [1, 1, 0])
    }

    @Test("a loop that has not ended counts with its latest finding")
    func loop() throws {
        let analysis = analysed([
            .progress(.looping(passes: 64, durationNs: 1000)), Self.end(.dropCaches, 1000, 2000),
            .progress(.looping(passes: 1 << 20, durationNs: 12 * second)),
        ])
        #expect(analysis.observed == 1)
        // It started at 20 s, when the caches had been dropped.
        #expect(analysis.coincidence.first?.during == 0)
        #expect(analysis.passes.buckets.first?.range == 1_048_576...2_097_151)
    }

    // MARK: Chance

    @Test("the share expected by chance is that of the operations, each widened by the lookup's duration")
    func expected() throws {
        // 1 s; two operations of 100 ms; lookups of 20 ms and one of 300 ms, which is longer than the gaps.
        let analysis = analysed([
            Self.end(.truncate, 200 * ms, 300 * ms), Self.end(.truncate, 400 * ms, 500 * ms),
            Self.lookup(0, 20 * ms), Self.lookup(250 * ms, 270 * ms), Self.lookup(590 * ms, 610 * ms),
            Self.lookup(700 * ms, 1000 * ms),
        ])
        let row = try #require(analysis.coincidence.first)
        #expect(analysis.runNs == 1000 * ms)
        let short = (200.0 + 20 + 20) / 1000
        let long = (200.0 + 200 + 100) / 1000
        #expect(abs(row.expected - (3 * short + long)) < 1e-9)
        #expect(abs(row.share - (3 * short + long) / 4) < 1e-9)
        #expect(abs(row.deviation - (3 * short * (1 - short) + long * (1 - long)).squareRoot()) < 1e-9)
        #expect(row.during == 1)
        #expect(abs((row.ratio ?? 0) - 1 / row.expected) < 1e-9)
        #expect(abs((row.rateDuring ?? 0) - 1 / row.share) < 1e-6)
        #expect(abs((row.rateOutside ?? 0) - 3 / (1 - row.share)) < 1e-6)
    }

    @Test("operations that fill the run leave no time outside")
    func always() throws {
        let row = try #require(analysed([Self.begin(at: 0), Self.lookup(10, 20)]).coincidence.first)
        #expect((row.share, row.rateOutside) == (1, nil))
        #expect((row.expected, row.ratio, row.deviation) == (1, 1, 0))
    }

    @Test("the run includes the time before the first event and after the last")
    func quiet() throws {
        var totals = Totals()
        (totals.time, totals.durationNs) = (9 * second, 10 * second)
        let analysis = analysed([Self.end(.truncate, 0, second), Self.lookup(10, 20), .totals(totals)])
        #expect(analysis.runNs == 9 * second, "the run cannot start before the clock")
        #expect(abs((analysis.coincidence.first?.share ?? 0) - 1.0 / 9) < 1e-6)
    }

    @Test("an operation in progress lasts to the end of the run, not to the last event")
    func inProgress() throws {
        var totals = Totals()
        (totals.time, totals.durationNs) = (10 * second, 10 * second)
        let analysis = analysed([Self.begin(at: second), Self.lookup(2 * second, 3 * second), .totals(totals)])
        #expect(analysis.coincidence.first?.busyNs == 9 * second)
    }

    /// Two kinds of operation, each in progress for a tenth of a minute; lookups meet the one by chance
    /// and the other because it causes half of them.
    @Test("a coincidence by chance has the ratio 1, and a cause a larger one", arguments: [1, 2, 3, 4, 5] as [UInt64])
    func simulation(seed: UInt64) throws {
        var random = Sequence(state: seed)
        var timed: [(time: UInt64, event: Event)] = []
        var causal: [UInt64] = []
        for kind in [ActivityKind.reclaim, .truncate] {
            for number in 0..<600 {
                let start = UInt64(number) * 100 * ms + random.next(below: 90 * ms)
                let length = 5 * ms + random.next(below: 10 * ms)
                timed.append((start + length, Self.end(kind, start, start + length)))
                if kind == .truncate { causal.append(start + length / 2) }
            }
        }
        for number in 0..<4000 {
            let length = ms / 10 + random.next(below: 2 * ms)
            let middle =
                number % 2 == 0
                ? random.next(below: 60 * second) : causal[Int(random.next(below: UInt64(causal.count)))]
            let start = middle - min(middle, length / 2)
            timed.append((start + length, Self.lookup(start, start + length)))
        }
        let analysis = analysed(timed.sorted { $0.time < $1.time }.map(\.event))
        let rows = Dictionary(uniqueKeysWithValues: analysis.coincidence.map { ($0.kind, $0) })
        let (chance, cause) = (try #require(rows[.reclaim]), try #require(rows[.truncate]))
        #expect((0.85...1.15).contains(try #require(chance.ratio)))
        #expect(abs(Double(chance.during) - chance.expected) < 4 * chance.deviation)
        #expect(try #require(cause.ratio) > 4)
        #expect(Double(cause.during) > cause.expected + 20 * cause.deviation)
        // Half of the lookups, and of the other half as many as by chance.
        #expect(abs(Double(cause.during) - 2000 - 2000 * cause.share) < 4 * cause.deviation)
    }

    // MARK: Bounds

    @Test("intervals and waiting lookups stay bounded, and the sums stay right")
    func bounds() throws {
        let count = 3 * UInt64(IntervalUnion.limit)
        var events: [Event] = []
        for number in 0..<count {
            let start = number * 1000
            events.append(Self.end(.truncate, start, start + 100))
            events.append(Self.lookup(start + (number % 2 == 0 ? 50 : 500), start + 600))
        }
        let row = try #require(analysed(events).coincidence.first)
        #expect((row.operations, row.busyNs) == (count, count * 100))
        #expect((row.during, row.outside) == (count / 2, count / 2))

        var intervals = IntervalUnion()
        for number in 0..<count {
            _ = intervals.insert(from: number * 1000, to: number * 1000 + 100)
            if intervals.isFull { _ = intervals.settleOlderHalf() }
        }
        let overlaps = [intervals.overlap(from: (count - 1) * 1000 + 100, to: .max), intervals.overlap(from: 0, to: 1)]
        #expect(overlaps == [true, false], "settled intervals have been compared earlier")
        let late = intervals.insert(from: 5, to: 6)
        #expect(!late)
        let last = intervals.settleAll(begin: 0)
        #expect(last.count <= IntervalUnion.limit)
        #expect(intervals.settledNs == count * 100)
        #expect(intervals.gaps.means.map(\.count) == [Double(count - 1)])
    }

    @Test("when too many lookups wait, they are decided early, and operations in progress count")
    func waiting() throws {
        var events = [Self.begin(at: 1)]
        let count = UInt64(Coincidence.waitingLimit) + 1000
        for number in 0..<count { events.append(Self.lookup(10 + number, 20 + number)) }
        events.append(Self.end(.reclaim, 1, 2 * count))
        events.append(Self.end(.truncate, 1, 2 * count))
        let analysis = analysed(events)
        #expect(analysis.coincidence.map(\.during) == [count, UInt64(Coincidence.waitingLimit)])
        #expect(analysis.coincidenceIsLowerBound, "the truncation comes too late for a thousand lookups")
    }

    @Test("starts without an end do not accumulate")
    func begins() {
        let events = (0..<UInt32(Coincidence.openLimit) + 1).map { Self.begin(at: UInt64($0) + 1, tid: $0) }
        let fits = analysed(Array(events.dropLast()))
        #expect(!fits.coincidenceIsLowerBound)
        #expect(fits.coincidence.first?.operations == UInt64(Coincidence.openLimit))
        let one = analysed(events)
        #expect(one.coincidenceIsLowerBound)
        #expect(one.coincidence.first?.operations == UInt64(Coincidence.openLimit))
    }

    @Test("no value that a recording may hold stops it", arguments: [0, 1, .max / 2, .max - 1, .max] as [UInt64])
    func extremes(time: UInt64) {
        var events: [Event] = [Self.lookup(5, 10), Self.end(.reclaim, 0, 7)]
        for durationNs in [0, 1, time, .max] as [UInt64] {
            events.append(.activity(Activity(time: time, kind: .reclaim, task: .culprit, durationNs: durationNs)))
            events.append(Self.begin(at: time, tid: UInt32(truncatingIfNeeded: durationNs)))
            events.append(Self.lookup(durationNs, time))
            events.append(.detach(.sample { $0.time = durationNs }))
        }
        let analysis = analysed(events)
        #expect(analysis.observed == 5)
        #expect(analysis.timeline.bins <= Timeline.binLimit)
        for row in analysis.coincidence {
            #expect(row.expected.isFinite && row.share.isFinite && row.deviation.isFinite)
            #expect((0...1).contains(row.share))
        }
    }
}

/// Numbers that look random and are the same each time: Knuth's MMIX generator.
private struct Sequence {
    var state: UInt64

    mutating func next(below limit: UInt64) -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state >> 20) % limit
    }
}

/// The analysis of some events.
func analysed(_ events: [Event], filter: FindingFilter = FindingFilter()) -> Analysis {
    var correlator = Correlator(filter: filter)
    var analysis = Analysis(window: filter.window)
    for event in events { analysis.take(event, finding: correlator.take(event)) }
    analysis.finish(unfinished: correlator.finish())
    return analysis
}

// SPDX-License-Identifier: Apache-2.0

// The time in which at least one of many operations was in progress, as a sorted list of disjoint intervals. Operations
// come in any order. The list is bounded, so the oldest intervals are settled: only their sum and the distribution of
// the gaps between them are kept.

/// The union of intervals of time, in bounded memory.
struct IntervalUnion: Sendable, Equatable {
    /// Intervals kept before the older half is settled: 64 KiB.
    static let limit = 4096

    struct Interval: Sendable, Equatable {
        var start: UInt64
        var end: UInt64
    }

    private var kept: [Interval] = []
    private var firstStart: UInt64?
    /// The end of the last settled interval.
    private var settledEnd: UInt64?
    /// Nanoseconds in the settled intervals.
    private(set) var settledNs: UInt64 = 0
    /// Nanoseconds between each settled interval and the one before.
    private(set) var gaps = DurationHistogram()

    var isFull: Bool { kept.count > Self.limit }

    /// Adds an operation.
    /// - Returns: false when a part of it is older than the settled intervals, and does not count.
    mutating func insert(from start: UInt64, to end: UInt64) -> Bool {
        var start = start
        var isWhole = true
        if let settledEnd, start < settledEnd {
            isWhole = false
            guard end > settledEnd else { return false }
            start = settledEnd
        }
        let low = firstIndex { $0.end >= start }
        let high = firstIndex { $0.start > end }
        var merged = Interval(start: start, end: end)
        if low < high {
            merged.start = min(start, kept[low].start)
            merged.end = max(end, kept[high - 1].end)
        }
        kept.replaceSubrange(low..<high, with: CollectionOfOne(merged))
        return isWhole
    }

    /// Whether the time from `start` to `end` touches an interval. Of settled intervals only the last end is known, so
    /// a time that ends before it must have been compared earlier.
    func overlap(from start: UInt64, to end: UInt64) -> Bool {
        if let settledEnd, start <= settledEnd { return settledEnd <= end }
        let index = firstIndex { $0.end >= start }
        return index < kept.count && kept[index].start <= end
    }

    /// Where the older half ends. There must be at least two intervals.
    var endOfOlderHalf: UInt64 { kept[kept.count / 2 - 1].end }

    /// Settles the older half; returns it.
    mutating func settleOlderHalf() -> ArraySlice<Interval> { settle(kept.count / 2) }

    /// Settles all that is left; the run started at `begin`.
    mutating func settleAll(begin: UInt64) -> ArraySlice<Interval> {
        let last = settle(kept.count)
        if let firstStart, firstStart > begin { gaps.add(firstStart - begin) }
        return last
    }

    private mutating func settle(_ count: Int) -> ArraySlice<Interval> {
        let settled = kept.prefix(count)
        for interval in settled {
            settledNs += interval.end - interval.start
            if let settledEnd { gaps.add(interval.start - settledEnd) } else { firstStart = interval.start }
            settledEnd = interval.end
        }
        kept.removeFirst(count)
        return settled
    }

    /// The first interval for which `condition` holds; it must hold for all later ones too.
    private func firstIndex(where condition: (Interval) -> Bool) -> Int {
        var (low, high) = (0, kept.count)
        while low < high {
            let middle = (low + high) / 2
            if condition(kept[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

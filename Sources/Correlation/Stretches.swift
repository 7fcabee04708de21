// SPDX-License-Identifier: Apache-2.0

// The time in which at least one of many operations was in progress, kept as a sorted list of disjoint
// stretches. Operations come in any order; the list is bounded, so the oldest stretches are settled:
// only their sum and the distribution of the gaps between them stay.

/// The union of intervals of time, in bounded memory.
struct Stretches: Sendable, Equatable {
    /// Stretches kept before the older half is settled: 64 KiB.
    static let limit = 4096

    struct Stretch: Sendable, Equatable {
        var start: UInt64
        var end: UInt64
    }

    private var kept: [Stretch] = []
    private var firstStart: UInt64?
    /// The end of the last stretch that was settled.
    private var settledEnd: UInt64?
    /// Nanoseconds in the settled stretches.
    private(set) var settledNs: UInt64 = 0
    /// Between one settled stretch and the one before.
    private(set) var gaps = LengthTally()

    var isFull: Bool { kept.count > Self.limit }

    /// Adds an operation; false when a part of it lies where all is settled, and does not count.
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
        var merged = Stretch(start: start, end: end)
        if low < high {
            merged.start = min(start, kept[low].start)
            merged.end = max(end, kept[high - 1].end)
        }
        kept.replaceSubrange(low..<high, with: CollectionOfOne(merged))
        return isWhole
    }

    /// Whether the interval touches a stretch. What is settled is known by its end alone, so an interval
    /// that ends before that must have been asked about earlier.
    func overlap(from start: UInt64, to end: UInt64) -> Bool {
        if let settledEnd, start <= settledEnd { return settledEnd <= end }
        let index = firstIndex { $0.end >= start }
        return index < kept.count && kept[index].start <= end
    }

    /// Where the older half ends, which is not empty.
    var endOfOlderHalf: UInt64 { kept[kept.count / 2 - 1].end }

    /// Settles the older half; returns it.
    mutating func settleOlderHalf() -> ArraySlice<Stretch> { settle(kept.count / 2) }

    /// Settles all that is left; the run began at `begin`.
    mutating func settleAll(begin: UInt64) -> ArraySlice<Stretch> {
        let last = settle(kept.count)
        if let firstStart, firstStart > begin { gaps.add(firstStart - begin) }
        return last
    }

    private mutating func settle(_ count: Int) -> ArraySlice<Stretch> {
        let settled = kept.prefix(count)
        for stretch in settled {
            settledNs += stretch.end - stretch.start
            if let settledEnd { gaps.add(stretch.start - settledEnd) } else { firstStart = stretch.start }
            settledEnd = stretch.end
        }
        kept.removeFirst(count)
        return settled
    }

    /// The first stretch for which `condition` holds; it must hold for all that follow.
    private func firstIndex(where condition: (Stretch) -> Bool) -> Int {
        var (low, high) = (0, kept.count)
        while low < high {
            let middle = (low + high) / 2
            if condition(kept[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

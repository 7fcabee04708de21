// SPDX-License-Identifier: Apache-2.0

// Distributions of numbers, of fixed size: in buckets of powers of two, as tracers show them, and in buckets with given
// bounds and with the sum, as monitoring systems keep them.

/// Counts of values in the buckets 0, 1, 2–3, 4–7, 8–15 and so on to 2^64 − 1.
public struct Histogram: Sendable, Equatable {
    /// Values from `range.lowerBound` to `range.upperBound`.
    public struct Bucket: Sendable, Equatable {
        public var range: ClosedRange<UInt64>
        public var count: UInt64
    }

    private var counts = [UInt64](repeating: 0, count: 65)
    public private(set) var total: UInt64 = 0

    public init() {}

    public mutating func add(_ value: UInt64) {
        counts[64 - value.leadingZeroBitCount] += 1
        total += 1
    }

    /// From the first bucket that is not empty to the last, with the empty ones between them.
    public var buckets: [Bucket] {
        guard let first = counts.firstIndex(where: { $0 > 0 }), let last = counts.lastIndex(where: { $0 > 0 })
        else { return [] }
        return (first...last).map { index in
            guard index > 0 else { return Bucket(range: 0...0, count: counts[0]) }
            let low = UInt64(1) << UInt64(index - 1)
            return Bucket(range: low...(low - 1 + low), count: counts[index])
        }
    }
}

/// Counts of values up to each of some bounds, and their sum.
public struct BoundedHistogram: Sendable, Equatable {
    /// Ascending; each value counts in the first bucket whose bound it does not exceed.
    public let bounds: [UInt64]
    /// One for each bound, and one for values above all bounds.
    public private(set) var counts: [UInt64]
    /// Of all values; wraps like any counter of 64 bits.
    public private(set) var sum: UInt64 = 0

    public init(bounds: [UInt64]) {
        self.bounds = bounds
        counts = [UInt64](repeating: 0, count: bounds.count + 1)
    }

    public mutating func add(_ value: UInt64) {
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum &+= value
    }
}

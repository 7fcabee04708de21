// SPDX-License-Identifier: Apache-2.0

// How durations are distributed, fine enough to say which part of their sum lies below any limit to about a hundredth,
// without keeping them. Of fixed size. The coincidence in time needs this for gaps and for lookups.

/// Durations with their number and their sum, in buckets of a quarter of a power of two.
struct DurationHistogram: Sendable, Equatable {
    private static let size = 252
    private var counts = [UInt64](repeating: 0, count: size)
    private var sums = [UInt64](repeating: 0, count: size)

    mutating func add(_ duration: UInt64) {
        let index = Self.index(of: duration)
        counts[index] += 1
        let (sum, overflow) = sums[index].addingReportingOverflow(duration)
        sums[index] = overflow ? .max : sum
    }

    /// The mean of each bucket that holds something.
    var means: [(duration: Double, count: Double)] {
        counts.indices.compactMap { index in
            counts[index] == 0 ? nil : (Double(sums[index]) / Double(counts[index]), Double(counts[index]))
        }
    }

    private static func index(of duration: UInt64) -> Int {
        guard duration >= 4 else { return Int(duration) }
        let octave = 63 - duration.leadingZeroBitCount
        return (octave - 1) * 4 + Int(duration >> UInt64(octave - 2) & 3)
    }
}

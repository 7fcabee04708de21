// SPDX-License-Identifier: Apache-2.0

// How many lookups of a kind ended in each part of a run, for the counters of a trace. Memory is fixed: the parts
// become twice as long whenever the run becomes longer than they cover.

/// Counts in parts of equal length.
struct PerfettoRate {
    static let limit = 1024
    private static let shortestNs: UInt64 = 1_000_000

    /// Start of the first part.
    private var begin: UInt64?
    private(set) var partNs = shortestNs
    private var counts: [UInt64] = []

    /// Counts one at a time; a time before the first is counted in the first part.
    mutating func add(at time: UInt64) {
        let begin = begin ?? time
        self.begin = begin
        let offset = time - min(begin, time)
        while offset / partNs >= UInt64(Self.limit) { widen() }
        let part = Int(offset / partNs)
        if part >= counts.count { counts += [UInt64](repeating: 0, count: part + 1 - counts.count) }
        counts[part] += 1
    }

    private mutating func widen() {
        partNs *= 2
        counts = stride(from: 0, to: counts.count, by: 2).map {
            counts[$0] + ($0 + 1 < counts.count ? counts[$0 + 1] : 0)
        }
    }

    /// The rate in each second where it changes, and 0 at the end.
    var changes: [(time: UInt64, perSecond: Double)] {
        guard let begin else { return [] }
        var changes: [(time: UInt64, perSecond: Double)] = []
        var last: UInt64?
        for (part, count) in (counts + [0]).enumerated() where count != last {
            last = count
            changes.append((begin &+ UInt64(part) &* partNs, Double(count) * 1e9 / Double(partNs)))
        }
        return changes
    }
}

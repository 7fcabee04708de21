// SPDX-License-Identifier: Apache-2.0

// How often something happens now and on average, by a clock that is given from outside: the times of
// events and of whoever looks. A few seconds are kept apart, so memory does not grow.

/// Counts of the last seconds, and of all time.
struct LivePace: Sendable {
    /// "Now" is an average over so many seconds that are over.
    static let window: UInt64 = 5

    private static let second: UInt64 = 1_000_000_000
    /// The second in progress and those of the window; each with its number since the clock's zero.
    private var bins = [(second: UInt64, count: UInt64)](repeating: (0, 0), count: Int(window) + 1)
    private(set) var total: UInt64 = 0

    /// Something happened; what is older than all that is kept counts in the total alone.
    mutating func add(at time: UInt64) {
        total += 1
        let second = time / Self.second
        let place = Int(second % UInt64(bins.count))
        if bins[place].second < second { bins[place] = (second, 0) }
        if bins[place].second == second { bins[place].count += 1 }
    }

    /// A second, over the window; over the time since `begin` where that is shorter.
    func now(at time: UInt64, since begin: UInt64) -> Double {
        let second = time / Self.second
        let (first, beginning) = (second - min(second, Self.window), begin / Self.second)
        let count = bins.reduce(0) { first <= $1.second && $1.second < second ? $0 + $1.count : $0 }
        // In the first second nothing is over yet.
        guard second > beginning else { return average(at: time, since: begin) }
        return Double(count) / Double(min(Self.window, second - beginning))
    }

    /// A second, since `begin`.
    func average(at time: UInt64, since begin: UInt64) -> Double {
        time > begin ? Double(total) * Double(Self.second) / Double(time - begin) : 0
    }
}

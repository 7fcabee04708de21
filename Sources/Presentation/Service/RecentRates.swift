// SPDX-License-Identifier: Apache-2.0

// How many findings there were lately, by cause: the last hour of a run in progress, in bins of half a minute, and its
// plot. A finding belongs to the time at which its lookup ended.

public import Correlation

/// The findings of the last hour.
public struct RecentRates: Sendable {
    static let bins = 120
    static let binNs: UInt64 = 30_000_000_000

    struct Bin: Sendable, Equatable {
        /// Since boot, in units of a bin.
        var number: UInt64 = 0
        var byCause = CaseTable<Cause, UInt64>()
        /// Lookups that only retried, which have no cause.
        var onlyRetried: UInt64 = 0

        var total: UInt64 { byCause.values.reduce(onlyRetried, +) }
    }

    /// Each bin at its number modulo the count of bins.
    private var ring = [Bin](repeating: Bin(), count: bins)

    public init() {}

    /// Counts a lookup when it has ended.
    public mutating func take(_ finding: Finding) {
        guard !finding.isProgress, finding.lookup.observations > 0 || finding.lookup.retries.total > 0 else { return }
        let number = finding.lookup.time / Self.binNs
        let place = Int(number % UInt64(Self.bins))
        // A finding that is older than the hour is not counted.
        guard ring[place].number <= number else { return }
        if ring[place].number < number { ring[place] = Bin(number: number) }
        if let cause = finding.explainedCause {
            ring[place].byCause[cause, default: 0] += 1
        } else {
            ring[place].onlyRetried += 1
        }
    }

    /// The hour up to `now`, oldest first; the last bin is not over.
    func hour(until now: UInt64) -> [Bin] {
        let last = now / Self.binNs
        return (0..<Self.bins).map { place in
            let ago = UInt64(Self.bins - 1 - place)
            // Before the host was booted.
            guard ago <= last else { return Bin() }
            let number = last - ago
            let bin = ring[Int(number % UInt64(Self.bins))]
            return bin.number == number ? bin : Bin(number: number)
        }
    }

    /// Causes of that hour, those of most findings first.
    static func causes(of hour: [Bin]) -> [Cause] {
        var sums = CaseTable<Cause, UInt64>()
        for bin in hour { for cause in bin.byCause.keys { sums[cause, default: 0] += bin.byCause[cause] ?? 0 } }
        return Cause.allCases.enumerated().filter { (sums[$0.element] ?? 0) > 0 }.sorted { left, right in
            let (more, less) = (sums[left.element] ?? 0, sums[right.element] ?? 0)
            return more != less ? more > less : left.offset < right.offset
        }.map(\.element)
    }

    /// Bars by time, stacked by cause; lookups that only retried are on top and have no colour.
    static func picture(of hour: [Bin]) -> Picture {
        let (left, top, width, height) = (44.0, 22.0, 421.0, 110.0)
        var picture = Picture(width: 480, height: top + height + 26)
        let marks = Ticks.values(upTo: hour.map(\.total).max() ?? 1, count: 4, reachesTop: true)
        let most = Double(max(1, marks.last ?? 1))
        picture.label(left, 12, "findings in 30s", .start, "faint")
        for mark in marks {
            let y = top + height - Double(mark) / most * height
            picture.line(left, y, left + width, y, mark == 0 ? "axis" : "grid")
            picture.label(left - 7, y + 4, ShortNumber.count(mark), .end, "faint")
        }
        let column = width / Double(bins)
        let causes = causes(of: hour)
        for (place, bin) in hour.enumerated() {
            var y = top + height
            func stack(_ count: UInt64, _ style: String) {
                let part = Double(count) / most * height
                y -= part
                picture.box(left + Double(place) * column, y, column - 0.5, part, style)
            }
            for cause in causes { stack(bin.byCause[cause] ?? 0, cause.style) }
            stack(bin.onlyRetried, "none")
        }
        for minutes in [60, 45, 30, 15, 0] {
            let x = left + width * Double(60 - minutes) / 60
            picture.line(x, top + height, x, top + height + 4, "axis")
            let text = minutes == 0 ? "now" : "-\(minutes) min"
            picture.label(x, top + height + 18, text, minutes == 0 ? .end : .middle)
        }
        return picture
    }
}

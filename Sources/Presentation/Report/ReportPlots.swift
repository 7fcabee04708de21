// SPDX-License-Identifier: Apache-2.0

// The plots of a report: when lookups met a page without a mapping and what was in progress then, how
// passes and durations are distributed, what each rule would have returned, and what coincides with
// what. Each is a picture with its words; how the page is made of them is elsewhere.

import Correlation
import Events

extension Cause {
    /// The class that paints it: the same in every report.
    var style: String {
        switch self {
        case .directIOInvalidation: "vermilion"
        case .dropCaches: "orange"
        case .fadvise: "orange-hatched"
        case .reclaim: "blue"
        case .truncate: "sky"
        case .holePunch: "green"
        case .blockZeroOut: "purple"
        case .swapOut: "blue-hatched"
        case .migration: "sky-hatched"
        case .collapse: "green-hatched"
        case .split: "purple-hatched"
        case .memoryFailure: "vermilion-hatched"
        case .zeroPage: "yellow"
        case .specialMapping: "yellow-hatched"
        case .other: "grey-hatched"
        case .unknown: "grey"
        }
    }
}

/// Marks of an axis: round numbers from 0 on.
enum Ticks {
    /// From 0 on, at most `count` steps of 1, 2 or 5 times a power of ten, up to `most`, or to the first
    /// that is not below it.
    static func values(upTo most: UInt64, count: UInt64, reachesTop: Bool) -> [UInt64] {
        var (decade, step): (UInt64, UInt64) = (1, 1)
        search: while decade < 10_000_000_000_000_000_000 {
            for factor in [1, 2, 5] as [UInt64] where decade <= .max / factor {
                step = factor * decade
                if most / step < count || most == count * step { break search }
            }
            decade *= 10
        }
        let isBetween = most % step > 0
        return (0...most / step + (reachesTop && isBetween ? 1 : 0)).map { $0 &* step }
    }
}

extension ReportFacts {
    /// Causes that occurred, in a fixed order.
    var causesShown: [Cause] { Cause.allCases.filter { report.summary.causes[$0] != nil } }

    // MARK: Rules

    /// One bar a rule: what it would have returned for the observed lookups.
    func rulesPicture() -> Picture {
        let all = report.summary.allCauses
        let (left, bar, rowHeight) = (210.0, 720.0, 38.0)
        var picture = Picture(width: 960, height: Double(Rule.allCases.count) * rowHeight + 6)
        for (position, rule) in Rule.allCases.enumerated() {
            let counts = all.counts(of: rule)
            let y = Double(position) * rowHeight + 4
            picture.label(left - 12, y + 13, rule.rawValue, .end)
            picture.label(left - 12, y + 27, rule.kernels, .end, "faint")
            let parts: [(count: UInt64, style: String)] = [
                (counts.succeeds, "green"), (counts.fails - counts.spurious, "orange"),
                (counts.spurious, "vermilion-hatched"), (counts.loops, "purple"), (counts.unknown, "grey"),
            ]
            let total = Double(max(1, parts.reduce(0) { $0 + $1.count }))
            var x = left
            picture.box(left, y, bar, 28, "track")
            for part in parts {
                let width = Double(part.count) / total * bar
                picture.box(x, y, max(0, width - 1), 28, part.style)
                x += width
            }
        }
        return picture
    }

    static let rulesLegend: [(style: String, name: String)] = [
        ("green", "succeeds"), ("orange", "fails"), ("vermilion-hatched", "fails, although the file still backs it"),
        ("purple", "loops for ever"), ("grey", "unknown"),
    ]

    // MARK: Causes

    /// One bar a cause: its share of the observed lookups.
    func causesPicture() -> Picture {
        let rows = causesShown.map { ($0, report.summary.causes[$0]?.lookups ?? 0) }
        let (left, bar, rowHeight) = (165.0, 220.0, 24.0)
        let most = Double(max(1, rows.map(\.1).max() ?? 1))
        let total = Double(max(1, report.summary.allCauses.lookups))
        var picture = Picture(width: 480, height: Double(rows.count) * rowHeight + 4)
        for (position, (cause, count)) in rows.enumerated() {
            let y = Double(position) * rowHeight + 3
            let width = max(1, Double(count) / most * bar)
            picture.label(left - 10, y + 13, cause.rawValue, .end)
            picture.box(left, y, width, 18, cause.style)
            let share = ShortNumber.percent(Double(count) / total)
            picture.label(left + width + 6, y + 13, "\(ShortNumber.count(count)), \(share)")
        }
        return picture
    }

    // MARK: Distributions

    /// Bars by powers of two, stacked by cause; what only went back has none.
    func histogramPicture(
        _ all: Histogram, _ byCause: CaseTable<Cause, Histogram>, axis: String, text: (UInt64) -> String
    ) -> Picture {
        let buckets = all.buckets
        let (left, top, width, height) = (58.0, 22.0, 410.0, 170.0)
        var picture = Picture(width: 480, height: top + height + 44)
        let marks = Ticks.values(upTo: buckets.map(\.count).max() ?? 1, count: 5, reachesTop: true)
        let most = Double(max(1, marks.last ?? 1))
        picture.label(left, 12, "findings", .start, "faint")
        for mark in marks {
            let y = top + height - Double(mark) / most * height
            picture.line(left, y, left + width, y, mark == 0 ? "axis" : "grid")
            picture.label(left - 7, y + 4, ShortNumber.count(mark), .end, "faint")
        }
        // A few buckets get no broader bars than many.
        let column = width / Double(max(buckets.count, 8))
        let counts = byCause.mapValues { histogram in
            Dictionary(uniqueKeysWithValues: histogram.buckets.map { ($0.range.lowerBound, $0.count) })
        }
        // Labels stand below the edge where their bucket begins, and have room for the longest of them.
        let longest = buckets.map { text($0.range.lowerBound).utf8.count }.max() ?? 1
        let stride = Int(((Double(longest) * 7 + 12) / column).rounded(.up))
        for (position, bucket) in buckets.enumerated() {
            let x = left + Double(position) * column
            var (y, rest) = (top + height, bucket.count)
            func stack(_ count: UInt64, _ style: String) {
                let part = Double(count) / most * height
                y -= part
                picture.box(x + 1, y, column - 2, part, style)
            }
            for cause in causesShown {
                let count = counts[cause]?[bucket.range.lowerBound] ?? 0
                rest -= min(rest, count)
                stack(count, cause.style)
            }
            stack(rest, "none")
            if position % stride == 0 {
                picture.line(x, top + height, x, top + height + 4, "axis")
                picture.label(x, top + height + 18, text(bucket.range.lowerBound), .middle)
            }
        }
        picture.label(left + width, top + height + 38, axis, .end, "faint")
        return picture
    }

    // MARK: Time

    /// Kinds with a lane: those that were in progress.
    var lanes: [ActivityKind] { ActivityKind.allCases.filter { analysis.timeline.hasBusy($0) } }

    /// Bars by time, stacked by cause; below them a lane for each kind of operation.
    func timelinePicture() -> Picture {
        let timeline = analysis.timeline
        let (left, top, width, height, lane) = (165.0, 22.0, 780.0, 170.0, 22.0)
        let laneTop = top + height + 46
        var picture = Picture(width: 960, height: laneTop + Double(lanes.count + 1) * lane + 8)
        let bars = causesShown.map { (style: $0.style, values: timeline.observed($0)) }
        let sums = (0..<timeline.bins).map { bin in bars.reduce(0) { $0 + $1.values[bin] } }
        let marks = Ticks.values(upTo: sums.max() ?? 1, count: 5, reachesTop: true)
        let most = Double(max(1, marks.last ?? 1))
        picture.label(left, 12, "observed lookups in \(ShortNumber.duration(timeline.binNs))", .start, "faint")
        for mark in marks {
            let y = top + height - Double(mark) / most * height
            picture.line(left, y, left + width, y, mark == 0 ? "axis" : "grid")
            picture.label(left - 7, y + 4, ShortNumber.count(mark), .end, "faint")
        }
        let column = width / Double(max(1, timeline.bins))
        // Bars of less than two units have no room for a gap.
        let gap = column >= 3 ? 0.6 : 0
        for bin in 0..<timeline.bins {
            var y = top + height
            for bar in bars where bar.values[bin] > 0 {
                let part = Double(bar.values[bin]) / most * height
                y -= part
                picture.box(left + Double(bin) * column, y, column - gap, part, bar.style)
            }
        }
        timeAxis(&picture, left: left, y: top + height, width: width, timeline)
        func strip(_ position: Int, _ name: String, _ values: [UInt64], of full: UInt64, _ style: String) {
            let y = laneTop + Double(position) * lane
            picture.label(left - 10, y + 13, name, .end)
            picture.box(left, y, width, lane - 5, "track")
            for (bin, value) in values.enumerated() where value > 0 {
                // A moment shows as well.
                let part = max(1.5, Double(value) / Double(max(1, full)) * (lane - 5))
                picture.box(left + Double(bin) * column, y + lane - 5 - part, max(1, column), part, style)
            }
        }
        strip(0, "failed", timeline.failed, of: marks.last ?? 1, "failures")
        for (position, kind) in lanes.enumerated() {
            strip(position + 1, kind.name, timeline.busyNs(kind), of: timeline.binNs, "lane")
        }
        return picture
    }

    private func timeAxis(
        _ picture: inout Picture, left: Double, y: Double, width: Double, _ timeline: Timeline
    ) {
        let length = UInt64(timeline.bins) &* timeline.binNs
        for mark in Ticks.values(upTo: length, count: 9, reachesTop: false) {
            let x = left + Double(mark) / Double(max(1, length)) * width
            picture.line(x, y, x, y + 4, "axis")
            picture.label(x, y + 18, mark == 0 ? "0" : ShortNumber.plain(mark), .middle)
        }
        if let origin = timeline.originNs {
            picture.label(left + width, y + 34, "since \(instant(origin))", .end, "faint")
        }
    }

    // MARK: Coincidence

    /// One bar for each kind that was reported: lookups that overlapped it, and where chance would have them.
    func coincidencePicture() -> Picture {
        let rows = analysis.coincidence.filter { $0.operations > 0 }
        let (left, top, width, rowHeight) = (165.0, 8.0, 660.0, 28.0)
        var picture = Picture(width: 960, height: top + Double(rows.count) * rowHeight + 44)
        let highest = rows.map { max(Double($0.during), $0.expected + $0.deviation) }.max() ?? 1
        let marks = Ticks.values(upTo: UInt64(min(highest, 1e18).rounded(.up)), count: 8, reachesTop: true)
        let most = Double(max(1, marks.last ?? 1))
        let bottom = top + Double(rows.count) * rowHeight
        for mark in marks {
            let x = left + Double(mark) / most * width
            picture.line(x, top, x, bottom + 4, mark == 0 ? "axis" : "grid")
            picture.label(x, bottom + 18, ShortNumber.count(mark), .middle, "faint")
        }
        picture.label(left + width, bottom + 36, "observed lookups", .end, "faint")
        for (position, row) in rows.enumerated() {
            let y = top + Double(position) * rowHeight + 5
            picture.label(left - 10, y + 13, row.kind.name, .end)
            picture.box(left, y, Double(row.during) / most * width, 18, "during")
            let low = max(0, row.expected - row.deviation)
            let high = row.expected + row.deviation
            picture.box(left + low / most * width, y + 5, max(1, (high - low) / most * width), 8, "chance-range")
            let x = left + row.expected / most * width
            picture.line(x, y - 3, x, y + 21, "chance")
            let ratio = row.ratio.map { "ratio \(ShortNumber.decimal($0))" } ?? "no time at all"
            picture.label(left + width + 14, y + 13, ratio)
        }
        return picture
    }
}

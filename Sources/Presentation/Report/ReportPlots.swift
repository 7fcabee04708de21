// SPDX-License-Identifier: Apache-2.0

// The plots of a report: when lookups met a page without a mapping and what was in progress then, how
// passes and durations are distributed, what each rule would have returned, and what coincides with
// what. Each is a picture with its words; how the page is made of them is elsewhere.

import Correlation
import Events

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
    /// Causes that occurred, those of most lookups first.
    var causesShown: [Cause] { report.summary.causesBySize }

    // MARK: Rules

    /// One bar a rule: what it would have returned for the observed lookups.
    func rulesPicture() -> Picture {
        let all = report.summary.allCauses
        let (width, rowHeight) = (480.0, 44.0)
        var picture = Picture(width: width, height: Double(Rule.allCases.count) * rowHeight)
        for (position, rule) in Rule.allCases.enumerated() {
            let counts = all.counts(of: rule)
            let y = Double(position) * rowHeight
            picture.label(0, y + 13, rule.rawValue)
            picture.label(width, y + 13, rule.kernels, .end, "faint")
            let parts: [(name: String, count: UInt64, style: String)] = [
                ("succeeds", counts.succeeds, "succeeds"), ("fails", counts.fails - counts.spurious, "failed"),
                ("fails, although the file still backs it", counts.spurious, "failed-hatched"),
                ("loops for ever", counts.loops, "loops"), ("unknown", counts.unknown, "grey"),
            ]
            let total = Double(max(1, parts.reduce(0) { $0 + $1.count }))
            var x = 0.0
            picture.box(0, y + 18, width, 20, "track")
            for part in parts {
                let share = Double(part.count) / total
                picture.box(
                    x, y + 18, max(0, share * width - 1), 20, part.style,
                    says: "\(rule.rawValue): \(part.count) \(part.name), \(ShortNumber.percent(share))")
                x += share * width
            }
        }
        return picture
    }

    /// Colours of results are none of causes.
    static let rulesLegend: [(style: String, name: String)] = [
        ("succeeds", "succeeds"), ("failed", "fails"), ("failed-hatched", "fails, although the file still backs it"),
        ("loops", "loops for ever"), ("grey", "unknown"),
    ]

    // MARK: Causes

    /// One bar a cause: its share of the observed lookups.
    func causesPicture() -> Picture {
        let rows = causesShown.map { ($0, report.summary.causes[$0]?.lookups ?? 0) }
        let (left, bar, rowHeight) = (165.0, 210.0, 24.0)
        let most = Double(max(1, rows.map(\.1).max() ?? 1))
        let total = Double(max(1, report.summary.allCauses.lookups))
        var picture = Picture(width: 480, height: Double(rows.count) * rowHeight + 4)
        for (position, (cause, count)) in rows.enumerated() {
            let y = Double(position) * rowHeight + 3
            let width = max(1, Double(count) / most * bar)
            picture.label(left - 10, y + 13, cause.rawValue, .end)
            let share = ShortNumber.percent(Double(count) / total)
            picture.box(
                left, y, width, 18, cause.style,
                says: "\(cause.rawValue): \(counted(count, "observed lookup")), \(share)",
                cause: cause.rawValue)
            picture.label(left + width + 6, y + 13, "\(ShortNumber.count(count)), \(share)")
        }
        return picture
    }

    // MARK: Distributions

    /// Bars by powers of two, stacked by cause; what only retried has none.
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
            let range = "\(text(bucket.range.lowerBound)) to \(text(bucket.range.upperBound))"
            func stack(_ count: UInt64, _ style: String, _ cause: Cause?) {
                let part = Double(count) / most * height
                y -= part
                picture.box(
                    x + 1, y, column - 2, part, style,
                    says: "\(range): \(counted(count, "finding")), \(cause?.rawValue ?? "only retried")",
                    cause: cause?.rawValue ?? "")
            }
            for cause in causesShown {
                let count = counts[cause]?[bucket.range.lowerBound] ?? 0
                rest -= min(rest, count)
                stack(count, cause.style, cause)
            }
            stack(rest, "none", nil)
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
    func timelinePicture(_ shape: TimelineShape) -> Picture {
        let timeline = analysis.timeline
        let (left, top, width, height, lane) = (shape.left, 22.0, shape.width, 170.0, shape.lane)
        let laneTop = top + height + 46
        var picture = Picture(
            width: shape.left + shape.width + 15, height: laneTop + Double(lanes.count + 1) * lane + 8)
        let together = shape.together(timeline)
        let bars = causesShown.map { (cause: $0, values: Self.sums(timeline.observed($0), of: together)) }
        let bins = (timeline.bins + together - 1) / together
        let binNs = timeline.binNs &* UInt64(together)
        let sums = (0..<bins).map { bin in bars.reduce(0) { $0 + $1.values[bin] } }
        let marks = Ticks.values(upTo: sums.max() ?? 1, count: 5, reachesTop: true)
        let most = Double(max(1, marks.last ?? 1))
        picture.label(left, 12, "observed lookups in \(ShortNumber.duration(binNs))", .start, "faint")
        for mark in marks {
            let y = top + height - Double(mark) / most * height
            picture.line(left, y, left + width, y, mark == 0 ? "axis" : "grid")
            picture.label(left - 7, y + 4, ShortNumber.count(mark), .end, "faint")
        }
        let column = width / Double(max(1, bins))
        // Bars of less than two units have no room for a gap.
        let gap = column >= 3 ? 0.6 : 0
        func moment(_ bin: Int) -> String { instant((timeline.originNs ?? 0) &+ binNs &* UInt64(bin)) }
        for bin in 0..<bins {
            var y = top + height
            for bar in bars where bar.values[bin] > 0 {
                let part = Double(bar.values[bin]) / most * height
                y -= part
                picture.box(
                    left + Double(bin) * column, y, column - gap, part, bar.cause.style,
                    says: "\(moment(bin)): \(bar.values[bin]) \(bar.cause.rawValue)", cause: bar.cause.rawValue)
            }
        }
        timeAxis(&picture, left: left, y: top + height, width: width, marks: shape.marks, timeline)
        func strip(
            _ position: Int, _ name: String, _ values: [UInt64], of full: UInt64, _ style: String,
            text: (UInt64) -> String
        ) {
            let y = laneTop + Double(position) * lane
            if shape.labelsAbove {
                picture.label(left, y + 12, name)
            } else {
                picture.label(left - 10, y + 13, name, .end)
            }
            let (boxTop, boxHeight) = shape.labelsAbove ? (y + 16, lane - 20) : (y, lane - 5)
            picture.box(left, boxTop, width, boxHeight, "track")
            for (bin, value) in values.enumerated() where value > 0 {
                // A moment shows as well.
                let part = max(1.5, Double(value) / Double(max(1, full)) * boxHeight)
                picture.box(
                    left + Double(bin) * column, boxTop + boxHeight - part, max(1, column), part, style,
                    says: "\(moment(bin)): \(name) \(text(value))")
            }
        }
        strip(0, "failed", Self.sums(timeline.failed, of: together), of: marks.last ?? 1, "failed") { "\($0)" }
        for (position, kind) in lanes.enumerated() {
            strip(position + 1, kind.name, Self.sums(timeline.busyNs(kind), of: together), of: binNs, "lane") {
                "in progress for \(ShortNumber.duration($0))"
            }
        }
        return picture
    }

    /// What the script needs to choose an interval: where the bins lie, how many of the time line each stands for, and when
    /// each begins and the last one ends.
    func timelineData(_ shape: TimelineShape) -> [(key: String, value: String)] {
        let timeline = analysis.timeline
        let together = shape.together(timeline)
        let bins = (timeline.bins + together - 1) / together
        let times = (0...bins).map { bin in
            instant((timeline.originNs ?? 0) &+ timeline.binNs &* UInt64(together) &* UInt64(bin))
        }
        return [
            ("left", "\(Int(shape.left))"), ("width", "\(Int(shape.width))"), ("bins", "\(bins)"),
            ("unit", "\(together)"), ("names", times.joined(separator: "|")),
        ]
    }

    /// Sums of `count` consecutive values; the last sum may have fewer.
    private static func sums(_ values: [UInt64], of count: Int) -> [UInt64] {
        stride(from: 0, to: values.count, by: count).map { first in
            values[first..<min(first + count, values.count)].reduce(0, &+)
        }
    }

    private func timeAxis(
        _ picture: inout Picture, left: Double, y: Double, width: Double, marks: UInt64, _ timeline: Timeline
    ) {
        let length = UInt64(timeline.bins) &* timeline.binNs
        for mark in Ticks.values(upTo: length, count: marks, reachesTop: false) {
            let x = left + Double(mark) / Double(max(1, length)) * width
            picture.line(x, y, x, y + 4, "axis")
            // The label of a mark at the right edge ends there.
            let anchor: Picture.Anchor = x > left + width - 10 ? .end : .middle
            picture.label(x, y + 18, mark == 0 ? "0" : ShortNumber.plain(mark), anchor)
        }
        if let origin = timeline.originNs {
            picture.label(left + width, y + 34, "since \(instant(origin))", .end, "faint")
        }
    }

    // MARK: Coincidence

    /// One bar for each kind that was reported: lookups that overlapped it, and where chance would have them.
    func coincidencePicture() -> Picture {
        let rows = analysis.coincidence.filter { $0.operations > 0 }
        let (left, top, width, rowHeight) = (6.0, 0.0, 462.0, 46.0)
        var picture = Picture(width: 480, height: top + Double(rows.count) * rowHeight + 44)
        let highest = rows.map { max(Double($0.during), $0.expected + $0.deviation) }.max() ?? 1
        let marks = Ticks.values(upTo: UInt64(min(highest, 1e18).rounded(.up)), count: 5, reachesTop: true)
        let most = Double(max(1, marks.last ?? 1))
        let bottom = top + Double(rows.count) * rowHeight
        for mark in marks {
            let x = left + Double(mark) / most * width
            picture.line(x, top, x, bottom + 4, mark == 0 ? "axis" : "grid")
            picture.label(x, bottom + 18, ShortNumber.count(mark), mark == marks.last ? .end : .middle, "faint")
        }
        picture.label(left + width, bottom + 36, "observed lookups", .end, "faint")
        for (position, row) in rows.enumerated() {
            let y = top + Double(position) * rowHeight
            let ratio = row.ratio.map { "ratio \(ShortNumber.decimal($0))" } ?? "no time at all"
            picture.label(left + 5, y + 14, row.kind.name)
            picture.label(left + width, y + 14, ratio, .end)
            let says =
                "\(row.kind.name): \(row.during) during it, \(ShortNumber.coarse(row.expected)) ± "
                + "\(ShortNumber.coarse(row.deviation)) by chance"
            picture.box(left, y + 21, Double(row.during) / most * width, 18, "during", says: says)
            let low = max(0, row.expected - row.deviation)
            let high = row.expected + row.deviation
            picture.box(
                left + low / most * width, y + 26, max(1, (high - low) / most * width), 8, "chance-range", says: says)
            let x = left + row.expected / most * width
            picture.line(x, y + 18, x, y + 42, "chance")
        }
        return picture
    }
}

/// The room that a time line has: beside its labels on a wide screen, below them on a narrow one, where bins are put
/// together.
struct TimelineShape {
    var name: String
    var left: Double
    var width: Double
    var lane: Double
    var mostBins: Int
    var marks: UInt64
    var labelsAbove: Bool

    static let wide = TimelineShape(
        name: "wide", left: 165, width: 780, lane: 22, mostBins: Timeline.binLimit, marks: 9, labelsAbove: false)
    static let narrow = TimelineShape(
        name: "narrow", left: 44, width: 421, lane: 40, mostBins: 60, marks: 4, labelsAbove: true)

    /// Bins of the time line in one of the picture.
    func together(_ timeline: Timeline) -> Int { max(1, (timeline.bins + mostBins - 1) / mostBins) }
}

// SPDX-License-Identifier: Apache-2.0

// Two runs side by side, such as before and after a change: how often each thing happened in each of them, and whether
// chance explains the difference. What it says is decided here; text and JSON are in ComparisonText.swift.

import Correlation
import Events

/// The same counts of two runs.
public struct Comparison: Sendable {
    /// Pairs shown; those with most lookups in either run.
    static let pairsShown = 20
    /// Parts of one run that could not be read.
    private static let omissionsShown = 3

    /// What a rate is related to: the raw values are the words in JSON.
    enum Unit: String, Sendable {
        /// Both runs counted every shared lookup.
        case millionLookups = "million-lookups"
        case hour

        var text: String {
            switch self {
            case .millionLookups: "million shared lookups"
            case .hour: "hour"
            }
        }
    }

    enum Group: String, Sendable {
        case result
        case cause
        case pair
    }

    /// From A to B. The raw values are the words in all output.
    enum Change: String, Sendable {
        case appeared
        case went
        case rose
        case fell
        case same
        /// There is no rate.
        case unknown
    }

    struct Row: Sendable {
        var group: Group
        /// A word of this program: what is counted, or a cause.
        var word: String
        var culprit: String?
        var victim: String?
        var a: PoissonRate
        var b: PoissonRate

        var change: Change {
            guard let before = a.rate, let after = b.rate else { return .unknown }
            if a.count == 0, b.count > 0 { return .appeared }
            if a.count > 0, b.count == 0 { return .went }
            return before == after ? .same : before < after ? .rose : .fell
        }

        /// The two intervals have nothing in common, so that chance does not explain the difference.
        var isClear: Bool {
            guard let before = a.interval, let after = b.interval else { return false }
            return !before.overlaps(after)
        }
    }

    let a: ReportedRun
    let b: ReportedRun
    let unit: Unit
    let rows: [Row]
    /// Pairs that had no room.
    let pairsOmitted: Int

    /// The one of the two, as the user named it, whose times are counts of a clock without a unit, where rates are
    /// related to time; nil where there is none.
    public var inputWithoutRates: String? {
        unit == .hour ? [a, b].first { $0.report.run.hasCountsForTimes }?.source : nil
    }

    public init(_ a: ReportedRun, _ b: ReportedRun) {
        (self.a, self.b) = (a, b)
        let unit =
            [a, b].allSatisfy { ($0.report.totals.lookups ?? 0) > 0 && $0.report.filters.isEmpty }
            ? Unit.millionLookups : .hour
        self.unit = unit
        let exposures = [a, b].map { Self.exposure(of: $0, in: unit) }
        func row(_ group: Group, _ word: String, _ count: (ReportedRun) -> UInt64) -> Row {
            Row(
                group: group, word: word, a: PoissonRate(count: count(a), exposure: exposures[0]),
                b: PoissonRate(count: count(b), exposure: exposures[1]))
        }
        var rows = [
            row(.result, "findings") { $0.report.summary.findings },
            row(.result, "with observation") { $0.report.summary.judged },
            row(.result, "failed") { $0.report.summary.allCauses.failed },
            row(.result, "failed spuriously") { $0.report.summary.allCauses.spurious },
            row(.result, "not returned") { $0.report.summary.looping },
        ]
        for cause in Cause.allCases {
            let row = row(.cause, cause.rawValue) { $0.report.summary.causes[cause]?.lookups ?? 0 }
            if row.a.count > 0 || row.b.count > 0 { rows.append(row) }
        }
        let pairs = Self.pairs(a, b)
        for (key, counts) in pairs.prefix(Self.pairsShown) {
            rows.append(
                Row(
                    group: .pair, word: key.cause.rawValue, culprit: key.culprit, victim: key.victim,
                    a: PoissonRate(count: counts.a, exposure: exposures[0]),
                    b: PoissonRate(count: counts.b, exposure: exposures[1])))
        }
        self.rows = rows
        pairsOmitted = max(0, pairs.count - Self.pairsShown)
    }

    /// 0 where it is not known.
    private static func exposure(of run: ReportedRun, in unit: Unit) -> Double {
        switch unit {
        case .millionLookups: Double(run.report.totals.lookups ?? 0) / 1_000_000
        case .hour: Double(run.analysis.runNs) / 3_600_000_000_000
        }
    }

    private struct PairKey: Hashable {
        var culprit: String?
        var victim: String
        var cause: Cause

        var order: [String] { [culprit ?? "", victim, cause.rawValue] }
    }

    private static func pairs(
        _ a: ReportedRun, _ b: ReportedRun
    ) -> [(key: PairKey, counts: (a: UInt64, b: UInt64))] {
        var counts: [PairKey: (a: UInt64, b: UInt64)] = [:]
        for (run, isFirst) in [(a, true), (b, false)] {
            for pair in run.report.summary.pairs(by: run.report.grouping, names: run.legend.names) {
                let key = PairKey(culprit: pair.culprit, victim: pair.victim, cause: pair.cause)
                counts[key, default: (0, 0)].a += isFirst ? pair.lookups : 0
                counts[key, default: (0, 0)].b += isFirst ? 0 : pair.lookups
            }
        }
        return counts.map { (key: $0.key, counts: $0.value) }.sorted { left, right in
            let (more, less) = (max(left.counts.a, left.counts.b), max(right.counts.a, right.counts.b))
            return more != less ? more > less : left.key.order.lexicographicallyPrecedes(right.key.order)
        }
    }

    /// What makes the two runs differ besides what is compared. It may hold untrusted text.
    var cautions: [String] {
        var cautions: [String] = []
        for (name, run) in [("A", a), ("B", b)] {
            if run.lost > 0 {
                cautions.append("\(name) lost \(counted(run.lost, "event")): its counts are at least these.")
            }
            let omissions = run.report.omissions
            for omission in omissions.prefix(Self.omissionsShown) {
                cautions.append("Left out of \(name): \(omission.what).")
            }
            let rest = omissions.count - Self.omissionsShown
            if rest > 0 { cautions.append("Left out of \(name): \(counted(rest, "more part")).") }
            let beyond = run.report.summary.encounters.beyondLimit
            if beyond > 0 {
                cautions.append(
                    "\(counted(beyond, "finding")) of \(name) \(noun(beyond, "is", "are")) in no pair, because there were too many pairs."
                )
            }
        }
        if a.report.run.followsLookups != b.report.run.followsLookups {
            cautions.append(
                "Only \(a.report.run.followsLookups ? "A" : "B") followed each lookup from entry to return: in the other "
                    + "run each retry is a finding of its own.")
        }
        if a.report.run.filters != b.report.run.filters {
            cautions.append("The two runs were captured with different filters.")
        }
        return cautions
    }
}

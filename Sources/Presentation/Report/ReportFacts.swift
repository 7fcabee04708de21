// SPDX-License-Identifier: Apache-2.0

// What a report says, whether as text or as a page: where the run comes from, what each rule would have
// cost, who hit whom, what coincides with what, what is not known. Nothing here says how it looks.

import Correlation
import Events

/// Where the events of a report come from.
public struct ReportOrigin: Sendable, Equatable {
    /// What was read, as the user named it.
    public var source: String
    /// What was asked for beyond the capture's own filters, as options of the command; empty for all.
    public var filters: String

    public init(source: String, filters: String = "") {
        (self.source, self.filters) = (source, filters)
    }
}

/// One report with the analysis that it must have.
struct ReportFacts {
    let report: RunReport
    let analysis: Analysis
    let legend: Legend
    let origin: ReportOrigin

    /// Without an analysis a report shows an empty one.
    init(_ report: RunReport, legend: Legend, origin: ReportOrigin) {
        (self.report, self.legend, self.origin) = (report, legend, origin)
        analysis = report.analysis ?? Analysis()
    }

    var conclusions: Conclusions { report.conclusions(legend: legend) }

    private var summary: Summary { report.summary }
    private var totals: Totals { report.totals }

    // MARK: The head

    /// Names and values; the values hold untrusted text.
    var head: [(name: String, value: String)] {
        var rows = [("source", origin.source)]
        let host = [report.run.host, report.run.kernelRelease.map { "kernel \($0)" }].compactMap { $0 }
        rows.append(("host", host.isEmpty ? "not known" : host.joined(separator: ", ")))
        rows.append(("when", when))
        if !report.run.filters.isEmpty { rows.append(("captured", report.run.filters)) }
        if !report.run.trigger.isEmpty { rows.append(("snapshot", report.run.trigger)) }
        rows.append(("filters", origin.filters.isEmpty ? "none" : origin.filters))
        if !totals.isFinal, report.run.trigger.isEmpty {
            let counters =
                totals.durationNs > 0
                ? "the counters are those of \(ShortNumber.duration(totals.durationNs)) after tracing began"
                : "no counters were reported"
            rows.append(("cut off", "the run did not end in the ordinary way; " + counters))
        }
        return rows
    }

    /// What the source counted, by name; it knows no filters but its own.
    var counters: [(name: String, value: String)] {
        report.counters
            + (origin.filters.isEmpty ? [] : [("counters", "all but the findings are those of the whole run")])
    }

    private var when: String {
        guard let span = analysis.span else { return "no event was reported" }
        guard !report.run.hasCountsForTimes else {
            return "\(span.lowerBound) to \(span.upperBound), counts of a clock without a unit"
        }
        let lasted = ShortNumber.duration(span.upperBound - span.lowerBound)
        let hasWallClock = report.run.wallClockOffsetNs != 0
        let (begin, end) = (instant(span.lowerBound), instant(span.upperBound))
        return "\(begin) to \(end)\(hasWallClock ? "" : " after the host was booted"), \(lasted)"
    }

    /// A moment to the millisecond, in UTC; since boot where there is no wall clock.
    func instant(_ time: UInt64) -> String {
        if report.run.hasCountsForTimes { return String(time) }
        guard report.run.wallClockOffsetNs != 0 else { return ShortNumber.seconds(time) + "s" }
        return String(legend.clock.timestamp(time).dropLast(7)) + "Z"
    }

    // MARK: Rules

    /// What each rule would have cost.
    var rules: ReportTable {
        .rules(summary.allCauses, notes: [ReportTable.ruleNote + summary.withoutVerdict])
    }

    // MARK: Coincidence

    /// Those that occurred, and those that everybody asks for.
    var coincidence: ReportTable {
        let asked: Set<ActivityKind> = [
            .reclaim, .directIOInvalidation, .dropCaches, .fadvise, .truncate, .holePunch,
        ]
        let known = Dictionary(uniqueKeysWithValues: analysis.coincidence.map { ($0.kind, $0) })
        // Where there is nothing of either, a table of zeros says less than none.
        let hasAny =
            analysis.observed > 0 || !known.isEmpty || totals.activities.values.contains { $0.operations > 0 }
        let kinds = ActivityKind.allCases.filter { hasAny && (known[$0] != nil || asked.contains($0)) }
        return ReportTable(
            caption: "Coincidence in time",
            columns: [
                .name("during", 23), .number("seen", 7), .number("busy", 7), .number("share", 7),
                .number("lookups", 8), .number("by chance", 12), .number("ratio", 7), .number("caused", 8),
                ReportTable.Column(title: "in 1s", width: 8, isForWide: true),
                ReportTable.Column(title: "else in 1s", width: 11, isForWide: true),
            ],
            rows: kinds.map { kind in
                guard let row = known[kind] else {
                    return [.own(kind.name), .number(0)] + [ReportTable.Cell](repeating: .own("-"), count: 5)
                        + [.number(0), .own("-"), .own("-")]
                }
                return cells(row)
            }, notes: coincidenceNotes(seen: Set(known.filter { $0.value.operations > 0 }.keys)),
            isStackedWhereNarrow: true)
    }

    private func cells(_ row: CoincidenceRow) -> [ReportTable.Cell] {
        let caused = row.caused.map { ReportTable.Cell.number($0) } ?? .own("-")
        guard row.operations > 0 else {
            return [.own(row.kind.name), .number(0)] + [ReportTable.Cell](repeating: .own("-"), count: 5)
                + [caused, .own("-"), .own("-")]
        }
        let mark = analysis.coincidenceIsLowerBound ? "+" : ""
        return [
            .own(row.kind.name), .own(ShortNumber.count(row.operations)), .own(ShortNumber.duration(row.busyNs)),
            .own(ShortNumber.percent(row.share)), .own("\(row.during)" + mark),
            .own(ShortNumber.coarse(row.expected) + "±" + ShortNumber.coarse(row.deviation)),
            .own(row.ratio.map(ShortNumber.decimal) ?? "-"), caused,
            .own(row.rateDuring.map(ShortNumber.decimal) ?? "-"), .own(row.rateOutside.map(ShortNumber.decimal) ?? "-"),
        ]
    }

    /// Below this number of lookups a ratio can be large by chance.
    private static let fewLookups: UInt64 = 10

    private func coincidenceNotes(seen: Set<ActivityKind>) -> [String] {
        var notes: [String] = []
        if analysis.observed > 0, !seen.isEmpty {
            notes.append(
                "Of \(counted(analysis.observed, "observed lookup")), how many overlapped such an operation anywhere on the host, and "
                    + "how many would by chance (± one standard deviation). A ratio of about 1 is chance; much more "
                    + "means that the two are related. Caused: known from the page itself, without regard to time.")
            if analysis.observed < Self.fewLookups {
                notes.append("Fewer than \(Self.fewLookups) lookups are too few for a ratio to decide anything.")
            }
        }
        if analysis.coincidenceIsLowerBound {
            notes.append(
                "Operations may have been lost: lookups and times are at least these (+), and ratios are not reliable.")
        }
        let untold = ActivityKind.allCases.filter { kind in
            (totals.activities[kind]?.operations ?? 0) > 0 && !seen.contains(kind)
        }
        if !untold.isEmpty {
            let list = untold.map { "\($0.name) \(totals.activities[$0]?.operations ?? 0)" }
            notes.append(
                "Counted, but not reported one by one, because they detached nothing or the source does not report them: "
                    + list.joined(separator: ", ") + ".")
        }
        return notes
    }

    // MARK: For pages

    /// The timeline in at most so many rows, those without an observed lookup left out.
    func times(rows: Int) -> ReportTable {
        let timeline = analysis.timeline
        let causes = causesShown.filter { timeline.hasObserved($0) }
        let stride = max(1, (timeline.bins + rows - 1) / rows)
        let values = causes.map { timeline.observed($0) } + [timeline.failed]
        let length = ShortNumber.duration(timeline.binNs &* UInt64(stride))
        return ReportTable(
            caption: "By time",
            columns: [.name("from", nil)] + causes.map { .number($0.rawValue) } + [.number("failed")],
            rows: Swift.stride(from: 0, to: timeline.bins, by: stride).compactMap { first in
                let sums = values.map { $0[first..<min(first + stride, timeline.bins)].reduce(0, &+) }
                guard sums.contains(where: { $0 > 0 }) else { return nil }
                let begin = (timeline.originNs ?? 0) &+ timeline.binNs &* UInt64(first)
                return [.own(instant(begin))] + sums.map { .number($0) }
            },
            notes: [
                "Each row counts the observed lookups of \(length), by cause, and how many of them failed; intervals without "
                    + "any are left out."
            ], isStackedWhereNarrow: true)
    }

    /// A histogram in words.
    static func distribution(_ histogram: Histogram, _ name: String, text: (UInt64) -> String) -> ReportTable {
        ReportTable(
            caption: "", columns: [.name(name, nil), .number("findings"), .number("part")],
            rows: histogram.buckets.filter { $0.count > 0 }.map { bucket in
                let (low, high) = (text(bucket.range.lowerBound), text(bucket.range.upperBound))
                return [
                    .own(low == high ? low : "\(low) to \(high)"), .number(bucket.count),
                    .own(ShortNumber.percent(Double(bucket.count) / Double(histogram.total))),
                ]
            })
    }

    /// Findings one by one, within a screen of 1280 pixels. Passes and durations are there where any finding has them: at the
    /// default depth none has.
    func findings(_ findings: [Finding]) -> ReportTable {
        let isTimed = findings.contains { $0.lookup.isTimed || $0.lookup.durationNs != nil }
        let hasDates = report.run.wallClockOffsetNs != 0 && !report.run.hasCountsForTimes
        var columns: [ReportTable.Column] = [
            .name(hasDates ? "time UTC" : "time", nil), .name("victim", nil), .name("result", nil), .name("cause", nil),
            .name("culprit", nil), .name("file", nil), .number("age"),
        ]
        if isTimed { columns += [.number("passes"), .number("took")] }
        return ReportTable(
            caption: "Findings", columns: columns + [.name("rules", nil)],
            rows: findings.map { cells($0, isTimed: isTimed, hasDates: hasDates) }, subjects: findings.map(subject),
            isStackedWhereNarrow: true)
    }

    private func subject(_ finding: Finding) -> ReportTable.Subject {
        // As the pairs of "Who hit whom" are called, which select findings.
        let titles = report.grouping.titles(
            culprit: finding.detach.map { Encounters.Party($0.culprit) },
            victim: Encounters.Party(finding.lookup.victim), names: legend.names)
        return ReportTable.Subject(
            cause: finding.explainedCause, culprit: titles.culprit ?? "", victim: titles.victim,
            bin: analysis.timeline.bin(of: finding.lookup.time))
    }

    private func cells(_ finding: Finding, isTimed: Bool, hasDates: Bool) -> [ReportTable.Cell] {
        let lookup = finding.lookup
        let result = lookup.result.map(ErrorNumber.name(ofResult:))
        let mark = finding.confidence == .inferred ? " ?" : finding.neighbour == true ? " >" : ""
        let file = finding.file.map { file in
            legend.placed(file).map { .path($0) }
                ?? ReportTable.Cell.own("\(Legend.device(of: file)):\(file.inode)")
        }
        let timed: [ReportTable.Cell] = [
            lookup.isTimed ? .own(ShortNumber.count(lookup.passes)) : .own("-"),
            .own(lookup.durationNs.map(ShortNumber.duration) ?? "-"),
        ]
        let cells: [ReportTable.Cell] = [
            .own(hasDates ? legend.clock.timeOfDay(lookup.time, milliseconds: true) : instant(lookup.time)),
            .process(Summary.ProcessKey(pid: lookup.victim.pid, comm: lookup.victim.comm)),
            result.map { finding.spurious == true ? .mark($0 + "!") : .own($0) } ?? .mark("looping"),
            .own((finding.explainedCause?.rawValue ?? "-") + mark),
            .process(finding.detach.map { Summary.ProcessKey(pid: $0.culprit.pid, comm: $0.culprit.comm) }),
            file ?? Self.place(of: finding),
            .own(legend.detachAgeNs(of: finding).map(ShortNumber.duration) ?? "-"),
        ]
        return cells + (isTimed ? timed : []) + [.own(finding.verdicts?.letters ?? "-")]
    }

    /// Instead of a file: why the cause is not known, or why the lookup only retried.
    private static func place(of finding: Finding) -> ReportTable.Cell {
        if finding.explainedCause == .unknown, let reason = finding.unknownReason {
            return .own("(\(reason.rawValue))")
        }
        let retries = RetryReason.allCases.filter { finding.lookup.retries[$0] > 0 }.map(\.rawValue)
        return .own(finding.explainedCause == nil && !retries.isEmpty ? "(\(retries.joined(separator: ", ")))" : "-")
    }

    // MARK: What is not known

    /// Why causes are unknown, and what losses have to do with it.
    var unknown: ReportTable {
        ReportTable(
            caption: "Unknown causes",
            columns: [.name("cause unknown", 24), .number("lookups"), .number("incomplete", 12)],
            rows: UnknownReason.allCases.compactMap { reason in
                analysis.unknown[reason].map { [.own(reason.rawValue), .number($0.lookups), .number($0.incomplete)] }
            },
            notes: ["incomplete: the evidence may be among the events lost"])
    }

    /// What the source could not give.
    var omissions: [String] { report.omissions.map { "\($0.place): \($0.what)" } }
}

extension ReportTable {
    /// What each rule would have returned.
    static func rules(_ all: Summary.CauseRow, notes: [String]) -> ReportTable {
        ReportTable(
            caption: "What each rule would have returned",
            columns: [.name("rule", 29)] + RuleResult.allCases.map { .number($0.rawValue) } + [.number("spurious")],
            rows: Rule.allCases.map { rule in
                let counts = all.counts(of: rule)
                return [.own(pad(rule.rawValue, 10) + " (" + rule.kernels + ")")]
                    + RuleResult.allCases.map { .number(counts[$0]) } + [.number(counts.spurious)]
            }, notes: notes)
    }

    static let ruleNote =
        "lookups with an observation; spurious: failures although the file still backed the address, so that a retry "
        + "would have succeeded"
}

extension Analysis {
    /// Most lookups first; equal ones in a fixed order.
    var sortedPairs: [(key: PairKey, pair: Pair)] {
        func order(_ key: PairKey) -> [UInt64] {
            let (culprit, victim) = (key.culprit, key.victim)
            return [
                UInt64(culprit?.pid ?? 0), culprit?.comm.low ?? 0, culprit?.comm.high ?? 0, UInt64(victim.pid),
                victim.comm.low, victim.comm.high, UInt64(Cause.allCases.firstIndex(of: key.cause) ?? 0),
            ]
        }
        return pairs.map { (key: $0.key, pair: $0.value) }.sorted { left, right in
            if left.pair.lookups != right.pair.lookups { return left.pair.lookups > right.pair.lookups }
            return order(left.key).lexicographicallyPrecedes(order(right.key))
        }
    }
}

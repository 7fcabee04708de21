// SPDX-License-Identifier: Apache-2.0

// What the summary of a live run and a report have in common: what was counted, the tables of causes,
// rules, processes, files and activities, and what is missing.

import Correlation
import Events

extension RunReport {
    /// What the kernel side counted and what the findings are, by name.
    var counters: [(name: String, value: String)] {
        let retried = RetryReason.allCases.filter { totals.retries[$0] > 0 }
        let reasons = retried.map { "\($0.rawValue) \(totals.retries[$0])" }.joined(separator: ", ")
        let onlyRetried = summary.findings - min(summary.findings, summary.judged)
        var findings = "\(summary.findings)"
        if onlyRetried > 0 {
            findings +=
                ": \(summary.judged) with an observation, \(onlyRetried) that only retried and \(noun(onlyRetried, "has", "have")) no verdict"
        }
        if summary.looping > 0 { findings += ", \(summary.looping) of them still looping" }
        if summary.incomplete > 0 { findings += ", \(summary.incomplete) incomplete" }
        // A snapshot, or a recording that ended before anything was counted.
        guard totals != Totals() else {
            return [("findings", findings), ("counters", "none were reported")]
        }
        var failures = "\(totals.failedUnmapped) unmapped"
        if totals.followsLookups {
            failures += ", \(totals.failedPin) pin, \(totals.failedReadOnly) read-only, \(totals.failedOther) other"
        }
        // Where only observations are seen.
        let rest = totals.followsLookups ? "" : "; others not counted"
        return [
            ("traced", run.hasCountsForTimes ? "for a time without a unit" : ShortNumber.duration(totals.durationNs)),
            ("shared lookups", totals.lookups.map { "\($0)" } ?? "not counted"),
            ("observations", observations),
            ("findings", findings),
            ("retries", (reasons.isEmpty ? "none" : reasons) + rest),
            ("failures", failures + rest),
        ]
    }

    /// The passes of the whole run, and why the findings have fewer.
    private var observations: String {
        let text = counted(totals.observations, "pass", "passes") + " met a page without a mapping"
        let inFindings = summary.observations
        if inFindings == totals.observations { return text }
        if inFindings > totals.observations {
            return text + "; the findings have \(inFindings) (the counters were read before the last of them)"
        }
        var reasons: [String] = []
        if !filters.isEmpty || !run.filters.isEmpty { reasons.append("filters") }
        if !lostStages.isEmpty { reasons.append("losses") }
        if summary.looping > 0 { reasons.append("lookups that have not returned") }
        let because = reasons.isEmpty ? "the counters were read at another moment" : reasons.joined(separator: ", ")
        let share = recall.map { ", \(ShortNumber.percent($0)) of them" } ?? ""
        return text + "; the findings have \(inFindings)\(share) (\(because))"
    }

    /// The part of the observations that the findings have: 1 while nothing was lost. Observations are counted on the
    /// kernel side before anything can be lost. Nil where the difference may have another reason: filters, lookups that
    /// have not returned, or a source that does not count.
    var recall: Double? {
        guard filters.isEmpty, run.filters.isEmpty, summary.looping == 0, totals.isFinal, totals.observations > 0
        else { return nil }
        return min(1, Double(summary.observations) / Double(totals.observations))
    }

    /// In the place of the tables by cause where they are empty: that no lookup met a page without a mapping, if that
    /// is known.
    var noCause: String {
        let reasons = hidden.map(TerminalText.escaped).joined(separator: "; ")
        if !filters.isEmpty {
            return "No finding with a cause matches \(filters)"
                + (circumstances().countsObservations
                    ? "; the whole run has \(counted(totals.observations, "observation"))" : "")
                + (hidden.isEmpty ? "." : "; others could not be seen: \(reasons).")
        }
        if !hidden.isEmpty { return "Whether a lookup met a page without a mapping could not be seen: \(reasons)." }
        return "\(noLookup)\(lostStages.isEmpty ? "" : ", but events were lost")."
    }

    /// That there is no finding with a cause, as far as that is known.
    var noLookup: String {
        lostStages.isEmpty && totals.observations == 0
            ? "No lookup met a page without a mapping" : "No lookup was seen to meet a page without a mapping"
    }

    /// Why there may be observations that nothing shows: text from the source, not escaped.
    var hidden: [String] { omissions.filter(\.hidesObservations).map(\.what) }

    /// What was lost, what the tool cost, and what it could not see, by name. The values hold untrusted text.
    var missing: [(name: String, value: String)] {
        var rows = lostStages.map { ("lost", "\($0.count) at \($0.stage.rawValue): \($0.stage.meaning)") }
        if rows.isEmpty { rows.append(("lost", "nothing")) }
        if let cost = totals.cost {
            var text = "maps \((cost.mapBytes &+ 1023) / 1024) KiB"
            if cost.runCount > 0 {
                text += ", \(ShortNumber.duration(cost.runTimeNs)) in \(counted(cost.runCount, "program run"))"
                text += ", \(cost.runTimeNs / cost.runCount) ns each"
            }
            rows.append(("own cost", text))
        }
        for probe in run.probes where probe.hook == nil {
            rows.append(("not attached", "\(probe.role): \(probe.note ?? "")"))
        }
        return rows
    }

    /// Observed lookups by cause.
    var causes: ReportTable {
        let columns: [ReportTable.Column] = [
            .name("cause", 24), .number("lookups"), .number("observations", 14), .number("failed"), .number("spurious"),
        ]
        return ReportTable(
            caption: "By cause", columns: columns,
            rows: causeRows.map { name, row in
                [.own(name)] + [row.lookups, row.observations, row.failed, row.spurious].map { .number($0) }
            }, subjects: summary.causesBySize.map { ReportTable.Subject(cause: $0) }, hasSum: causeRows.count > 1)
    }

    /// Calls that failed for what is at their address.
    var failures: ReportTable {
        ReportTable(
            caption: "EFAULT without an observation",
            columns: [.name("failure", 24), .name("operation", 18), .number("calls")],
            rows: summary.sortedFailures.map { key, count in
                [.own(key.failure.rawValue), .own(key.operation?.name ?? "unknown"), .number(count)]
            })
    }

    /// Each rule and each result, cause by cause.
    var verdicts: ReportTable {
        var rows: [[ReportTable.Cell]] = []
        for (name, row) in causeRows {
            for (position, rule) in Rule.allCases.enumerated() {
                let counts = row.counts(of: rule)
                rows.append(
                    [.own(position == 0 ? name : ""), .own(rule.rawValue)]
                        + RuleResult.allCases.map { .number(counts[$0]) })
            }
        }
        return ReportTable(
            caption: "Each rule, cause by cause", heading: "WHAT EACH RULE WOULD HAVE RETURNED",
            columns: [.name("cause", 23), .name("rule", 16)] + RuleResult.allCases.map { .number($0.rawValue) },
            rows: rows,
            notes: [Rule.allCases.map { "\($0.rawValue): \($0.kernels)" }.joined(separator: "; ")])
    }

    /// Most lookups first, and all together where there is more than one.
    private var causeRows: [(name: String, row: Summary.CauseRow)] {
        let rows = summary.causesBySize.compactMap { cause in summary.causes[cause].map { (cause.rawValue, $0) } }
        return rows.count > 1 ? rows + [("all", summary.allCauses)] : rows
    }

    /// Pairs of culprit and victim, as `--by` puts tasks together.
    func pairs(limit: Int, legend: Legend) -> ReportTable {
        let rows = summary.pairs(by: grouping, names: legend.names)
        return ReportTable(
            caption: "Who hit whom",
            columns: [
                .name("culprit", 19), .name("victim", 19), .name("cause", 23), .number("lookups", 9),
                .number("spurious", 9), ReportTable.Column(title: "failed", width: 9, isForWide: true),
            ],
            rows: rows.prefix(limit).map { pair in
                [
                    pair.culprit.map { .foreign($0) } ?? .path(nil), .foreign(pair.victim), .own(pair.cause.rawValue),
                    .number(pair.lookups), .number(pair.spurious), .number(pair.failed),
                ]
            },
            subjects: rows.prefix(limit).map {
                ReportTable.Subject(cause: $0.cause, culprit: $0.culprit ?? "", victim: $0.victim)
            }, notes: Self.more(rows.count, limit, beyond: summary.encounters.beyondLimit, "pair", "pairs"),
            isStackedWhereNarrow: true)
    }

    func processes(limit: Int) -> ReportTable {
        let rows = summary.sortedProcesses
        return ReportTable(
            caption: "By process",
            columns: [.name("process", 24), .number("as victim", 11), .number("failed"), .number("as culprit", 12)],
            rows: rows.prefix(limit).map { key, row in
                [.process(key), .number(row.asVictim), .number(row.failed), .number(row.asCulprit)]
            }, notes: Self.more(rows.count, limit, beyond: summary.processesBeyondLimit, "process", "processes"))
    }

    func workloads(limit: Int, legend: Legend) -> ReportTable {
        let rows = summary.workloads(legend.names)
        // A table of one group that nobody knows says nothing.
        let isKnown = rows.contains { $0.key.workload != nil || $0.key.cgroup != nil }
        return ReportTable(
            caption: "By workload",
            columns: [
                .name("unit, container or group", 31), .number("as victim"), .number("failed", 8),
                .number("as culprit", 12),
                .name("pod", nil),
            ],
            rows: !isKnown
                ? []
                : rows.prefix(limit).map { key, row in
                    [
                        key.workload.map { .foreign($0.title) } ?? .path(key.cgroup), .number(row.asVictim),
                        .number(row.failed), .number(row.asCulprit), .path(key.workload?.pod),
                    ]
                }, notes: Self.more(rows.count, limit, beyond: summary.cgroupsBeyondLimit, "workload", "workloads"),
            isStackedWhereNarrow: true)
    }

    func files(limit: Int, legend: Legend) -> ReportTable {
        let rows = summary.sortedFiles
        return ReportTable(
            caption: "By file",
            columns: [.name("device:inode", 24), .number("findings"), .number("failed"), .name("path", nil)],
            rows: rows.prefix(limit).map { key, row in
                [
                    .own("\(Legend.device(of: key.file)):\(key.file.inode)"), .number(row.asVictim),
                    .number(row.failed),
                    .path(
                        summary.isCurrent(key)
                            ? legend.placed(key.file) : summary.path(of: key, names: legend.names)),
                ]
            }, notes: Self.more(rows.count, limit, beyond: summary.filesBeyondLimit, "file", "files"),
            isStackedWhereNarrow: true)
    }

    /// With the observations beside them: that an activity explains none is an answer too.
    var activities: ReportTable {
        // Of an ftrace text nobody has counted the pages.
        let countsPages = totals.detaches == 0 || totals.activities.values.contains { $0.pages > 0 }
        return ReportTable(
            caption: "Operations that detach pages",
            columns: [
                .name("activity", 24), .number("operations", 11), .number("pages"), .number("total time", 11),
                .number("observations", 14),
            ],
            rows: ActivityKind.allCases.compactMap { kind in
                guard let activity = totals.activities[kind], activity.operations > 0 else { return nil }
                return [
                    .own(kind.name), .number(activity.operations), countsPages ? .number(activity.pages) : .own("-"),
                    .own(ShortNumber.duration(activity.durationNs)),
                    kind.cause.map { .number(summary.causes[$0]?.observations ?? 0) } ?? .own("-"),
                ]
            })
    }

    /// What a table of `count` rows has no room for.
    static func more(_ count: Int, _ limit: Int, beyond: UInt64, _ one: String, _ many: String) -> [String] {
        var notes: [String] = []
        if count > limit { notes.append("and \(count - limit) more " + noun(count - limit, one, many)) }
        if beyond > 0 { notes.append("and " + counted(beyond, "finding") + " of \(many) for which no row was left") }
        return notes
    }
}

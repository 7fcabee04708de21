// SPDX-License-Identifier: Apache-2.0

// The summary of a run as the last JSON line: what the findings add up to, what the kernel side
// counted, what was lost, what the tool cost, and how each probe was attached.

import Correlation
import Events

extension JSONWriter {
    mutating func write(_ report: RunReport, legend: Legend) {
        let (summary, totals) = (report.summary, report.totals)
        text("type", "summary")
        number("lookups", totals.lookups)
        number("observations", totals.observations)
        number("findings", summary.findings)
        number("looping", summary.looping)
        number("incomplete", summary.incomplete)
        write(countsOf: totals)
        write(tablesOf: summary, legend: legend)
        writeActivities(totals)
        number("detaches", totals.detaches)
        number("detaches_held", totals.detachesHeld)
        object("lost") {
            for (stage, count) in report.lostStages { $0.number(JSONKey(stage.rawValue), count) }
        }
        write(totals.cost)
        write(report.run.probes)
        number("duration_ns", totals.durationNs)
        // Rows beyond the limit of the tables above, if any.
        if summary.processesBeyondLimit > 0 { number("processes_beyond_limit", summary.processesBeyondLimit) }
        if summary.filesBeyondLimit > 0 { number("files_beyond_limit", summary.filesBeyondLimit) }
        list("by_workload", summary.workloads(legend.names)) {
            $0.text("cgroup", $1.key.cgroup)
            $0.write($1.key.workload)
            $0.write($1.row)
        }
        if summary.cgroupsBeyondLimit > 0 { number("workloads_beyond_limit", summary.cgroupsBeyondLimit) }
        number("with_observation", summary.judged)
        number("only_retried", summary.findings - min(summary.findings, summary.judged))
        number("observations_in_findings", summary.observations)
        decimal("recall", report.recall)
        write(report.conclusions(legend: legend))
        write(
            pairs: summary.pairs(by: report.grouping, names: legend.names), by: report.grouping,
            beyondLimit: summary.encounters.beyondLimit)
        list("failures", summary.sortedFailures) {
            $0.word("failure", $1.key.failure.rawValue)
            $0.word("operation", $1.key.operation?.name)
            $0.number("lookups", $1.count)
        }
    }

    private mutating func write(countsOf totals: Totals) {
        object("retries") {
            for reason in RetryReason.allCases {
                $0.number(JSONKey(reason.rawValue), totals.counts(reason) ? totals.retries[reason] : nil)
            }
        }
        object("failed") {
            $0.number("unmapped", totals.failedUnmapped)
            $0.number("pin", totals.followsLookups ? totals.failedPin : nil)
            $0.number("read_only", totals.followsLookups ? totals.failedReadOnly : nil)
            $0.number("other", totals.followsLookups ? totals.failedOther : nil)
        }
    }

    private mutating func write(tablesOf summary: Summary, legend: Legend) {
        object("by_cause") {
            for cause in Cause.allCases {
                guard let row = summary.causes[cause] else { continue }
                $0.object(JSONKey(cause.rawValue)) { $0.write(row) }
            }
        }
        list("by_process", summary.sortedProcesses) {
            $0.number("pid", UInt64($1.key.pid))
            $0.text("comm", $1.key.comm.text)
            $0.write($1.row)
        }
        list("by_file", summary.sortedFiles) {
            $0.text("dev", Legend.device(of: $1.key.file))
            $0.number("inode", $1.key.file.inode)
            $0.text("path", summary.path(of: $1.key, names: legend.names))
            $0.text("fstype", legend.names.file($1.key.file)?.fileSystem)
            $0.number("lookups", $1.row.asVictim)
            $0.number("failed", $1.row.failed)
        }
    }

    private mutating func write(_ cost: Totals.Cost?) {
        guard let cost else { return null("overhead") }
        object("overhead") {
            // All values are null when the kernel was not configured to count.
            $0.number("run_time_ns", cost.runCount > 0 ? cost.runTimeNs : nil)
            $0.number("run_count", cost.runCount > 0 ? cost.runCount : nil)
            $0.number("map_bytes", cost.mapBytes)
        }
    }

    mutating func write(_ probes: [ProbeReport]) {
        list("probes", probes) {
            $0.text("role", $1.role)
            $0.text("function", $1.function)
            $0.text("hook", $1.hook?.rawValue)
            $0.flag("required", $1.isRequired)
            $0.text("note", $1.note)
        }
    }

    private mutating func write(_ row: Summary.CauseRow) {
        number("lookups", row.lookups)
        number("observations", row.observations)
        number("failed", row.failed)
        number("spurious", row.spurious)
        object("verdicts") {
            for rule in Rule.inFieldOrder {
                let counts = row.counts(of: rule)
                $0.object(JSONKey(rule.rawValue)) {
                    for result in RuleResult.allCases { $0.number(JSONKey(result.rawValue), counts[result]) }
                }
            }
        }
    }

    private mutating func write(_ row: Summary.Row) {
        number("as_victim", row.asVictim)
        number("as_culprit", row.asCulprit)
        number("failed", row.failed)
    }

    private mutating func writeActivities(_ totals: Totals) {
        object("activity") {
            for kind in ActivityKind.allCases {
                guard let activity = totals.activities[kind], activity.operations > 0 else { continue }
                $0.object(JSONKey(kind.name)) {
                    $0.number("operations", activity.operations)
                    $0.number("pages", activity.pages)
                    $0.number("duration_ns", activity.durationNs)
                }
            }
        }
    }
}

extension Totals {
    /// Whether retries for this reason are counted: the others leave no observation.
    func counts(_ reason: RetryReason) -> Bool { followsLookups || reason == .swizzled }
}

extension Summary {
    /// Why the verdicts of one rule are fewer than the findings; empty when they are not.
    var withoutVerdict: String {
        let count = findings - min(findings, judged)
        return count == 0
            ? "" : "; " + counted(count, "more finding") + " only retried and \(noun(count, "has", "have")) no verdict"
    }

    /// One workload, or one control group whose path names none.
    struct WorkloadKey: Hashable {
        var workload: Workload?
        /// Only where there is no workload; nil when it is not known either.
        var cgroup: String?
    }

    /// Control groups by workload: a unit that was started again, or that has groups below its own, is one row. Those
    /// with most findings first.
    func workloads(_ names: Names) -> [(key: WorkloadKey, row: Row)] {
        var rows: [WorkloadKey: Row] = [:]
        for (id, row) in cgroups {
            let workload = names.workload(id)
            let key = WorkloadKey(workload: workload, cgroup: workload == nil ? names.cgroup(id) : nil)
            rows[key, default: Row()] += row
        }
        func text(_ key: WorkloadKey) -> [String] {
            [key.workload?.pod, key.workload?.container, key.workload?.unit, key.cgroup].map { $0 ?? "" }
        }
        return rows.map { (key: $0.key, row: $0.value) }.sorted { left, right in
            let (more, less) = (left.row.asVictim + left.row.asCulprit, right.row.asVictim + right.row.asCulprit)
            return more != less ? more > less : text(left.key).lexicographicallyPrecedes(text(right.key))
        }
    }

    /// Failures without an observation in the order of their words.
    var sortedFailures: [(key: FailureKey, count: UInt64)] {
        failures.map { (key: $0.key, count: $0.value) }.sorted { left, right in
            func place(_ key: FailureKey) -> (Int, UInt8) {
                (Failure.allCases.firstIndex(of: key.failure) ?? 0, key.operation?.number ?? 0)
            }
            return place(left.key) < place(right.key)
        }
    }

    /// Those with most findings first; equal ones in a fixed order, so that equal runs read equally.
    var sortedProcesses: [(key: ProcessKey, row: Row)] {
        processes.map { (key: $0.key, row: $0.value) }.sorted { left, right in
            let (more, less) = (left.row.asVictim + left.row.asCulprit, right.row.asVictim + right.row.asCulprit)
            if more != less { return more > less }
            if left.key.pid != right.key.pid { return left.key.pid < right.key.pid }
            return (left.key.comm.low, left.key.comm.high) < (right.key.comm.low, right.key.comm.high)
        }
    }

    var sortedFiles: [(key: FileKey, row: Row)] {
        files.map { (key: $0.key, row: $0.value) }.sorted { left, right in
            if left.row.asVictim != right.row.asVictim { return left.row.asVictim > right.row.asVictim }
            return (left.key.file.device, left.key.file.inode, left.key.generation)
                < (right.key.file.device, right.key.file.inode, right.key.generation)
        }
    }
}

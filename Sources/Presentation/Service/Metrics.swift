// SPDX-License-Identifier: Apache-2.0

// The list of metrics. Labels come from this program's own enumerations and from nothing that another task can choose,
// so the number of series is bounded. Each series that can occur is present from the first scrape, at 0, so that rates
// and alerts work. A series that a depth does not count is absent instead of 0. docs/serve.md has the same list for
// readers.

import Correlation
import Events

/// All metrics at one moment.
public struct Metrics: Sendable {
    private let state: RunState
    private let facts: ServiceFacts

    public init(_ state: RunState, facts: ServiceFacts) { (self.state, self.facts) = (state, facts) }

    public func bytes(_ format: MetricsFormat) -> [UInt8] {
        var bytes: [UInt8] = []
        let families = counted + found + loops + run + service
        bytes.appendText { output in
            for family in families { family.write(format, to: &output) }
            if format == .openMetrics { output.append("# EOF\n") }
        }
        return bytes
    }

    private var totals: Totals { state.report.totals }
    private var summary: Summary { state.report.summary }

    // MARK: Counted by the kernel side

    private var counted: [MetricFamily] {
        var families: [MetricFamily] = []
        if let lookups = totals.lookups {
            families.append(
                MetricFamily(
                    "futexscope_lookups_total", .counter, "Shared lookups that the filters let through.",
                    .count(lookups)))
        }
        families.append(
            MetricFamily(
                "futexscope_observations_total", .counter, "Passes of lookups that found a page without a mapping.",
                .count(totals.observations)))
        var retries = MetricFamily("futexscope_retries_total", .counter, "Retries of lookups, by reason.")
        for reason in RetryReason.allCases where totals.counts(reason) {
            retries.add(["reason": reason.rawValue], totals.retries[reason])
        }
        var failures = MetricFamily("futexscope_failures_total", .counter, "Lookups that failed, by reason.")
        failures.add(["reason": "unmapped"], totals.failedUnmapped)
        if totals.followsLookups {
            failures.add(["reason": "pin"], totals.failedPin)
            failures.add(["reason": "read-only"], totals.failedReadOnly)
            failures.add(["reason": "other"], totals.failedOther)
        }
        families += [
            retries, failures,
            MetricFamily(
                "futexscope_detaches_total", .counter, "Folios that left the page cache.", .count(totals.detaches)),
            MetricFamily(
                "futexscope_detaches_held_total", .counter,
                "Folios that left the page cache while somebody held a reference.", .count(totals.detachesHeld)),
        ]
        return families + activities + [losses]
    }

    private var activities: [MetricFamily] {
        var operations = MetricFamily(
            "futexscope_activity_operations_total", .counter, "Operations that detach pages, once they have ended.")
        var pages = MetricFamily(
            "futexscope_activity_pages_total", .counter, "Base pages that operations which detach pages have detached.")
        var durations = MetricFamily(
            "futexscope_activity_duration_seconds_total", .counter, "Time that operations which detach pages took.")
        for kind in ActivityKind.allCases {
            let activity = totals.activities[kind]
            operations.add(["activity": kind.name], activity?.operations ?? 0)
            pages.add(["activity": kind.name], activity?.pages ?? 0)
            durations.add(["activity": kind.name], .ns(activity?.durationNs ?? 0))
        }
        return [operations, pages, durations]
    }

    private var losses: MetricFamily {
        var family = MetricFamily("futexscope_lost_total", .counter, "Events lost, by stage.")
        for stage in Loss.Stage.allCases { family.add(["stage": stage.rawValue], state.report.losses[stage] ?? 0) }
        return family
    }

    // MARK: Found by the correlator

    private var found: [MetricFamily] {
        var findings = MetricFamily(
            "futexscope_findings_total", .counter, "Lookups that met a page without a mapping, or that retried.")
        var spurious = MetricFamily(
            "futexscope_spurious_failures_total", .counter,
            "Lookups that failed although the file still backed the address.")
        for cause in Cause.allCases {
            let row = summary.causes[cause]
            Self.add(row?.outcomes, cause: cause.rawValue, to: &findings)
            spurious.add(["cause": cause.rawValue], row?.spurious ?? 0)
        }
        Self.add(summary.withoutCause, cause: "none", to: &findings)
        var unknown = MetricFamily(
            "futexscope_unknown_causes_total", .counter, "Findings without a known cause, by reason.")
        for reason in UnknownReason.allCases { unknown.add(["reason": reason.rawValue], summary.unknown[reason] ?? 0) }
        var failures = MetricFamily(
            "futexscope_failure_findings_total", .counter,
            "Lookups that failed with EFAULT without an observation at the end, by reason.")
        for failure in Failure.allCases where failure != .unmapped {
            failures.add(["failure": failure.rawValue], summary.failures { $0.failure == failure })
        }
        var operations = MetricFamily(
            "futexscope_failure_operations_total", .counter,
            "Lookups that failed with EFAULT without an observation at the end, by operation.")
        for operation in FutexOperation.allCases {
            operations.add(["operation": operation.name], summary.failures { $0.operation == operation })
        }
        operations.add(["operation": "unknown"], summary.failures { $0.operation == nil })
        var verdicts = MetricFamily(
            "futexscope_verdicts_total", .counter, "What each rule would have returned for the observed lookups.")
        let all = summary.allCauses
        for rule in Rule.inFieldOrder {
            let counts = all.counts(of: rule)
            for result in RuleResult.allCases {
                verdicts.add(["rule": rule.rawValue, "result": result.rawValue], counts[result])
            }
        }
        return [
            findings, spurious, unknown,
            MetricFamily(
                "futexscope_incomplete_findings_total", .counter,
                "Findings for which evidence may be among the events lost.", .count(summary.incomplete)),
            failures, operations, verdicts,
        ] + distributions
    }

    /// Each outcome that a finding can have; `ok` returned without a retry, and is counted where it
    /// occurs all the same.
    private static func add(_ outcomes: Summary.OutcomeCounts?, cause: String, to family: inout MetricFamily) {
        for outcome in Outcome.allCases {
            let count = outcomes?[outcome] ?? 0
            if outcome == .ok, count == 0 { continue }
            family.add(["cause": cause, "outcome": outcome.rawValue], count)
        }
    }

    /// Nothing where entries of lookups are not seen.
    private var distributions: [MetricFamily] {
        guard totals.followsLookups else { return [] }
        var passes = MetricFamily("futexscope_finding_passes", .histogram, "Passes of the lookups with a finding.")
        passes.add(
            bounds: summary.passes.bounds, counts: summary.passes.counts, sum: summary.passes.sum,
            value: MetricFamily.Value.count)
        var durations = MetricFamily(
            "futexscope_finding_duration_seconds", .histogram, "Time from entry to end of the lookups with a finding.")
        durations.add(
            bounds: summary.durationsNs.bounds, counts: summary.durationsNs.counts, sum: summary.durationsNs.sum,
            value: MetricFamily.Value.ns)
        return [passes, durations]
    }

    // MARK: Of the moment

    private var loops: [MetricFamily] {
        let loops = state.loops
        let longestNs = loops.map { totals.time > $0.begin ? totals.time - $0.begin : 0 }.max() ?? 0
        return [
            MetricFamily(
                "futexscope_looping_tasks", .gauge, "Lookups that loop and have not been seen to end.",
                .count(UInt64(loops.count))),
            MetricFamily(
                "futexscope_longest_loop_seconds", .gauge, "Time since the longest loop in progress began.",
                .ns(longestNs)),
            MetricFamily(
                "futexscope_longest_loop_passes", .gauge, "Passes of the loop with the most passes, as last reported.",
                .count(loops.map(\.passes).max() ?? 0)),
        ]
    }

    private var run: [MetricFamily] {
        let run = state.report.run
        var build = MetricFamily("futexscope_build_info", .info, "The version of futexscope.")
        build.add(["version": facts.version], 1)
        var traced = MetricFamily(
            "futexscope_run_info", .info, "The kernel's release, and the depth: sentinel or full.")
        traced.add(["kernel": run.kernelRelease ?? "", "depth": totals.followsLookups ? "full" : "sentinel"], 1)
        var probes = MetricFamily(
            "futexscope_probe_attached", .gauge, "Whether a probe is attached, and to which hook.")
        for probe in run.probes {
            probes.add(["probe": probe.role, "hook": probe.hook?.rawValue ?? "none"], .flag(probe.hook != nil))
        }
        var families = [
            build, traced, probes,
            MetricFamily(
                "futexscope_start_time_seconds", .gauge, "When all probes were attached, since 1970.",
                .ns(state.startEpochNs)),
            MetricFamily(
                "futexscope_blind", .gauge,
                "Whether the probes can see no observation any more, for example because of a livepatch.",
                .flag(state.blindness != nil)),
        ]
        guard let cost = totals.cost else { return families }
        families.append(
            MetricFamily(
                "futexscope_map_bytes", .gauge, "Memory that the kernel keeps for the maps.", .count(cost.mapBytes)))
        if cost.runCount > 0 {
            families += [
                MetricFamily(
                    "futexscope_programs_runs_total", .counter, "Runs of this program's own BPF programs.",
                    .count(cost.runCount)),
                MetricFamily(
                    "futexscope_programs_run_seconds_total", .counter,
                    "Time that runs of this program's own BPF programs took.", .ns(cost.runTimeNs)),
            ]
        }
        return families
    }

    private var service: [MetricFamily] {
        var requests = MetricFamily("futexscope_http_requests_total", .counter, "Answers given, by status code.")
        for (code, count) in facts.answers.sorted(by: { $0.key < $1.key }) { requests.add(["code": "\(code)"], count) }
        return [
            MetricFamily(
                "futexscope_findings_not_written_total", .counter,
                "Findings that could not be written to the output of -f or -o.",
                .count(state.findingsNotWritten)),
            requests,
            MetricFamily(
                "futexscope_http_connections_refused_total", .counter,
                "Connections that were refused or evicted because there were too many.",
                .count(facts.connectionsRefused)),
            MetricFamily(
                "process_cpu_seconds_total", .counter, "Processor time of this process.", .ns(facts.cpuTimeNs)),
            MetricFamily(
                "process_resident_memory_bytes", .gauge, "Memory of this process that is in RAM.",
                .count(facts.residentBytes)),
            MetricFamily(
                "process_open_fds", .gauge, "File descriptors that this process has open.",
                .count(facts.openDescriptors)),
            MetricFamily(
                "process_start_time_seconds", .gauge, "When this process was started, since 1970.",
                .ns(facts.processStartNs)),
        ]
    }
}

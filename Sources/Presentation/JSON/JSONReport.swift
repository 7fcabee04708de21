// SPDX-License-Identifier: Apache-2.0

// The report of a run as one more JSON line after the summary: the numbers that text and page show as tables and plots.

import Correlation
import Events

extension JSONWriter {
    mutating func write(_ analysis: Analysis, of report: RunReport, legend: Legend, origin: ReportOrigin?) {
        text("type", "report")
        text("source", origin?.source)
        text("filters", origin?.filters)
        writeRun(analysis, of: report, legend: legend)
        number("observed", analysis.observed)
        object("rules") {
            let all = report.summary.allCauses
            for rule in Rule.inFieldOrder {
                let counts = all.counts(of: rule)
                $0.object(JSONKey(rule.rawValue)) {
                    for result in RuleResult.allCases { $0.number(JSONKey(result.rawValue), counts[result]) }
                    $0.number("spurious", counts.spurious)
                }
            }
        }
        write("passes", analysis.passes, analysis.passesByCause)
        write("duration_ns", analysis.durationsNs, analysis.durationsNsByCause)
        // Both need times.
        if legend.clock.showsCounts {
            null("timeline")
            null("coincidence")
        } else {
            write(analysis.timeline, legend: legend)
            writeCoincidence(analysis)
        }
        list("pairs", analysis.sortedPairs) {
            $0.number("culprit_pid", $1.key.culprit.map { UInt64($0.pid) })
            $0.text("culprit_comm", $1.key.culprit?.comm.text)
            $0.number("victim_pid", UInt64($1.key.victim.pid))
            $0.text("victim_comm", $1.key.victim.comm.text)
            $0.text("cause", $1.key.cause.rawValue)
            $0.number("lookups", $1.pair.lookups)
            $0.number("failed", $1.pair.failed)
            $0.number("spurious", $1.pair.spurious)
        }
        number("pairs_beyond_limit", analysis.pairsBeyondLimit)
        object("unknown") {
            for reason in UnknownReason.allCases {
                guard let row = analysis.unknown[reason] else { continue }
                $0.object(JSONKey(reason.rawValue)) {
                    $0.number("lookups", row.lookups)
                    $0.number("incomplete", row.incomplete)
                }
            }
        }
        list("omissions", report.omissions) {
            $0.text("place", $1.place)
            $0.text("what", $1.what)
        }
    }

    private mutating func writeRun(_ analysis: Analysis, of report: RunReport, legend: Legend) {
        object("run") {
            $0.text("kernel", report.run.kernelRelease)
            $0.text("host", report.run.host)
            $0.text("filters", report.run.filters)
            $0.flag("wall_clock", report.run.wallClockOffsetNs != 0 && !report.run.hasCountsForTimes)
            let clock = legend.clock
            let span = clock.showsCounts ? nil : analysis.span
            $0.text("begin", span.map { clock.timestamp($0.lowerBound) })
            $0.text("begin_ns", span.map { String(clock.epochNs($0.lowerBound)) })
            $0.text("end", span.map { clock.timestamp($0.upperBound) })
            $0.text("end_ns", span.map { String(clock.epochNs($0.upperBound)) })
            $0.number("analysed_ns", clock.showsCounts ? nil : analysis.runNs)
            $0.flag("counters_final", report.totals.isFinal)
            $0.number("counters_ns", clock.showsCounts ? nil : report.totals.durationNs)
            if !report.run.trigger.isEmpty { $0.text("trigger", report.run.trigger) }
        }
    }

    private mutating func write(_ key: JSONKey, _ all: Histogram, _ byCause: CaseTable<Cause, Histogram>) {
        object(key) {
            $0.write("all", all)
            $0.object("by_cause") {
                for cause in Cause.allCases {
                    if let histogram = byCause[cause] { $0.write(JSONKey(cause.rawValue), histogram) }
                }
            }
        }
    }

    private mutating func write(_ key: JSONKey, _ histogram: Histogram) {
        list(key, histogram.buckets) {
            $0.number("from", $1.range.lowerBound)
            $0.number("to", $1.range.upperBound)
            $0.number("count", $1.count)
        }
    }

    private mutating func write(_ timeline: Timeline, legend: Legend) {
        object("timeline") {
            $0.text("begin", timeline.originNs.map(legend.clock.timestamp))
            $0.text("begin_ns", timeline.originNs.map { String(legend.clock.epochNs($0)) })
            $0.number("bin_ns", timeline.binNs)
            $0.number("bins", UInt64(timeline.bins))
            $0.object("observed") {
                for cause in Cause.allCases where timeline.hasObserved(cause) {
                    $0.numbers(JSONKey(cause.rawValue), timeline.observed(cause))
                }
            }
            $0.numbers("failed", timeline.failed)
            $0.object("busy_ns") {
                for kind in ActivityKind.allCases where timeline.hasBusy(kind) {
                    $0.numbers(JSONKey(kind.name), timeline.busyNs(kind))
                }
            }
        }
    }

    private mutating func writeCoincidence(_ analysis: Analysis) {
        object("coincidence") {
            $0.flag("lower_bound", analysis.coincidenceIsLowerBound)
            $0.object("activity") {
                for row in analysis.coincidence {
                    $0.object(JSONKey(row.kind.name)) {
                        $0.number("operations", row.operations)
                        $0.number("busy_ns", row.busyNs)
                        $0.decimal("share", row.share)
                        $0.number("during", row.during)
                        $0.decimal("rate_during", row.rateDuring)
                        $0.number("outside", row.outside)
                        $0.decimal("rate_outside", row.rateOutside)
                        $0.decimal("expected", row.expected)
                        $0.decimal("deviation", row.deviation)
                        $0.decimal("ratio", row.ratio)
                        $0.number("caused", row.caused)
                    }
                }
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Correlation
import EventSamples
import Events
import Pipeline
import Foundation
import Testing

@testable import Presentation

/// What Prometheus' own parsers make of the metrics.
@Suite(.enabled(if: Readers.python != nil))
struct MetricsReadingTests {
    /// A run with findings of some causes, hostile where a label can be.
    private static func metrics(followsLookups: Bool) -> Metrics {
        let run = RunInfo(kernelRelease: "6.12 \"x\\y\"\nz", host: "db-1")
        var stream = FindingStream(format: JSONLines(), correlator: Correlator(), run: run)
        var (synthetic, totals) = (SyntheticRun(), Totals())
        totals.lookups = followsLookups ? 900 : nil
        totals.activities[.reclaim] = Totals.ActivityTotals(operations: 3, pages: 7, durationNs: 1_234_567_890_123)
        (totals.time, totals.cost) = (5_000_000_000, Totals.Cost(runTimeNs: 1, runCount: 2, mapBytes: 1 << 60))
        _ = stream.take(synthetic.next(1000) + [.totals(totals)])
        var facts = ServiceFacts(version: "1")
        facts.answers = [200: 1]
        return Metrics(stream.state { _ in true }, facts: facts)
    }

    @Test("both formats are read, and say the same", arguments: [false, true])
    func bothFormats(followsLookups: Bool) throws {
        let metrics = Self.metrics(followsLookups: followsLookups)
        let read = try MetricsFormat.allCases.map { format in
            try Readers.inFolder { folder in
                let file = folder.appending(path: "metrics")
                try Data(metrics.bytes(format)).write(to: file)
                let reported = try JSONSerialization.jsonObject(with: Readers.run("read_metrics.py", on: file))
                return try #require(reported as? [String: Double])
            }
        }
        #expect(read[0] == read[1])
        let series = read[0]
        #expect(series["futexscope_findings_total cause=hole-punch,outcome=failed"] == 100)
        #expect(series["futexscope_activity_duration_seconds_total activity=reclaim"] == 1234.567890123)
        #expect(series["futexscope_map_bytes "] == 1_152_921_504_606_846_976)
        let depth = followsLookups ? "full" : "sentinel"
        #expect(series["futexscope_run_info depth=\(depth),kernel=6.12 \"x\\y\"\nz"] == 1)
        #expect(series["futexscope_finding_duration_seconds_bucket le=+Inf"] == (followsLookups ? 100 : nil))
        #expect(series.count > (followsLookups ? 190 : 160))
    }
}

// SPDX-License-Identifier: Apache-2.0

import Correlation
import Events
import Pipeline
import Foundation
import Testing

@testable import Presentation

/// Other people's readers find in an export what this program counted.
@Suite(
    "Exports, read by others", .enabled(if: Readers.python != nil, "FUTEXSCOPE_PYTHON is not set: see `make readers`"))
struct ExportTests {
    static let seeds: [UInt64] = [1, 20_111_229, 0xfeed_beef]

    static func bytes(_ format: any FindingFormat, _ events: [Event]) -> Data {
        var stream = FindingStream(format: format, correlator: Correlator(), run: GeneratedRun.info)
        _ = stream.take(events)
        _ = stream.end()
        return Data(stream.takeBytes())
    }

    @Test("rows", arguments: ["read_python.py", "read_duckdb.py"], seeds)
    func rows(program: String, seed: UInt64) throws {
        let events = GeneratedRun(seed: seed).events
        let differences = try Readers.inFolder { folder in
            for rows in RowType.allCases {
                try Self.bytes(CSV(rows: rows), events).write(to: folder.appending(path: "\(rows).csv"))
                try Self.bytes(JSONLines(rows: [rows]), events).write(
                    to: folder.appending(path: "\(rows).jsonl"))
            }
            return try Readers.differences(
                program, on: folder,
                from: ["csv": RowSums(of: events, shown: Self.shownInCSV), "json": RowSums(of: events) { $0 }])
        }
        #expect(differences == [])
    }

    @Test("each JSON line is what docs/lines.schema.json says, and has no key besides", arguments: seeds)
    func schema(seed: UInt64) throws {
        let events = GeneratedRun(seed: seed).events
        var runs: [ReportedRun] = []
        let reported = try Readers.inFolder { folder in
            try Self.bytes(JSONLines(rows: Set(RowType.allCases)), events).write(
                to: folder.appending(path: "rows.jsonl"))
            for name in ["a.ctf", "b.ctf"] {
                var stream = FindingStream(
                    format: JSONLines(origin: ReportOrigin(source: name)), correlator: Correlator(),
                    run: GeneratedRun.info, analysis: Analysis())
                _ = stream.take(events)
                let report = stream.end(omissions: [Omission(place: "p", what: "w")])
                runs.append(ReportedRun(source: name, report: report, legend: stream.legend))
                try Data(stream.takeBytes()).write(to: folder.appending(path: name + ".jsonl"))
            }
            try Data(MergedReport(runs).json).write(to: folder.appending(path: "merged.jsonl"))
            try Data(Comparison(runs[0], runs[1]).json).write(to: folder.appending(path: "comparison.jsonl"))
            return try JSONSerialization.jsonObject(with: Readers.run("read_schema.py", on: folder)) as? [String: Any]
        }
        let lines = try #require(reported?["lines"] as? [String: Int])
        #expect(
            Set(lines.keys) == [
                "lookup", "progress", "detach", "activity", "lost", "summary", "report", "merged", "comparison",
            ])
        #expect(lines["report"] == 2 && lines["merged"] == 1 && lines["comparison"] == 1)
    }

    private static func shownInCSV(_ text: String) -> String {
        let formulas: [Unicode.Scalar] = ["=", "+", "-", "@", "\t", "\r", "\n"]
        let isFormula = text.unicodeScalars.first.map(formulas.contains) ?? false
        return (isFormula ? "'" : "") + TerminalText.escaped(text)
    }

    @Test("a trace", arguments: seeds)
    func trace(seed: UInt64) throws {
        let events = GeneratedRun(seed: seed).events
        let sums = TraceSums(of: events)
        // The run has what is to be shown: detaches that several lookups met, and what never ended.
        #expect(sums.flows > sums.flowsFromDetaches && sums.openLookups > 0 && sums.openActivities > 0)
        let differences = try Readers.inFolder { folder in
            let file = folder.appending(path: "run.perfetto")
            try Self.bytes(Perfetto(of: GeneratedRun.info), events).write(to: file)
            return try Readers.differences("read_perfetto.py", on: file, from: ["trace": sums])
        }
        #expect(differences == [])
    }
}

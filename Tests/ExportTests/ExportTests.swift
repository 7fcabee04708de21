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
        let (events, run) = (GeneratedRun(seed: seed).events, GeneratedRun.info)
        let differences = try Readers.inFolder { folder in
            for rows in RowType.allCases {
                try Self.bytes(CSV(rows: rows, of: run), events).write(to: folder.appending(path: "\(rows).csv"))
                try Self.bytes(JSONLines(rows: [rows], of: run), events).write(
                    to: folder.appending(path: "\(rows).jsonl"))
            }
            return try Readers.differences(
                program, on: folder,
                from: ["csv": RowSums(of: events, shown: Self.shownInCSV), "json": RowSums(of: events) { $0 }])
        }
        #expect(differences == [])
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

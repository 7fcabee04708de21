// SPDX-License-Identifier: Apache-2.0

// Goes through a recording up to the stage named, and discards the result: `replay STAGE DIRECTORY`.
// Each stage does the work of the one before, so the difference is its own: `read` decodes every record,
// `correlate` makes findings and their summary, `csv` and `json` are `correlate` and the rows as text.

import Correlation
import Events
import Pipeline
import Presentation
import Recording

@main
struct Replay {
    static func main() throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.count == 2, let stage = Stage(rawValue: arguments[0]) else {
            print("usage: replay read|correlate|csv|json DIRECTORY")
            return
        }
        let source = try RecordingReader(directory: arguments[1])
        let run = source.run
        switch stage {
        case .read:
            var count = Count()
            while try source.read(into: &count) {}
            print("\(count.events) events")
        case .correlate:
            var findings = Findings(correlator: Correlator(thresholds: run.loops, pageBytes: run.pageBytes))
            while try source.read(into: &findings) {}
            findings.correlator.finish()
            print("\(findings.correlator.summary.findings) findings")
        case .csv, .json:
            var stream = FindingStream(
                format: stage == .csv ? CSV() : JSONLines(),
                correlator: Correlator(thresholds: run.loops, emitsAll: run.emitsAll, pageBytes: run.pageBytes),
                run: run)
            var bytes = 0
            while try source.read(into: &stream) { bytes += stream.takeBytes().count }
            print("\(bytes) bytes of text")
        }
    }

    private enum Stage: String { case read, correlate, csv, json }
}

/// Only counts events.
private struct Count: EventSink {
    var events = 0

    mutating func take(_ lookup: Lookup, isProgress: Bool) { events += 1 }
    mutating func take(_ detach: Detach) { events += 1 }
    mutating func take(_ activity: Activity) { events += 1 }
    mutating func take(_ name: Name) { events += 1 }
    mutating func take(_ loss: Loss) { events += 1 }
    mutating func take(_ totals: Totals) { events += 1 }
}

/// Makes findings and their summary.
private struct Findings: EventSink {
    var correlator: Correlator

    mutating func take(_ lookup: Lookup, isProgress: Bool) {
        correlator.take(lookup, isProgress: isProgress) { _ in }
    }
    mutating func take(_ detach: Detach) { correlator.take(detach) }
    mutating func take(_ activity: Activity) {}
    mutating func take(_ name: Name) { correlator.take(name) }
    mutating func take(_ loss: Loss) { correlator.take(loss) }
    mutating func take(_ totals: Totals) {}
}

// SPDX-License-Identifier: Apache-2.0

// What is done with whatever a reader makes of hostile bytes: everything that the command would do with it.
// A trap anywhere on the way is a finding; an error that is thrown is an answer.

import Correlation
import Events
import Pipeline
import Presentation

/// Reads a source to its end, through the correlator into every format.
public func exercise(_ source: any EventSource) {
    var source = source
    let origin = ReportOrigin(source: "fuzz")
    let formats: [any FindingFormat] = [
        JSONLines(), JSONLines(rows: Set(RowType.allCases)), CSV(), Perfetto(of: source.run),
        ReportText(width: 80, colour: false, origin: origin), ReportHTML(origin: origin),
        Table(width: 120, colour: true),
    ]
    var streams = formats.map {
        FindingStream(
            format: $0, correlator: Correlator(thresholds: source.run.loops, emitsAll: true), run: source.run,
            analysis: Analysis())
    }
    var events: [Event] = []
    var batches = 0
    while (try? source.read(into: &events)) == true {
        for position in streams.indices {
            _ = streams[position].take(events)
            _ = streams[position].takeBytes()
        }
        events.removeAll(keepingCapacity: true)
        batches += 1
        // Input of some kilobytes cannot have more: a reader that does not come forward hangs.
        precondition(batches < 1_000_000, "no end")
    }
    for position in streams.indices {
        _ = streams[position].end(omissions: source.omissions)
        _ = streams[position].takeBytes()
    }
}

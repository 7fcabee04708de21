// Goes through a recording as far as it is told and throws away what comes out: `replay STAGE DIRECTORY`.
// Each stage does the work of the one before, so the difference is its own: `read` decodes every record,
// `correlate` makes findings and their summary, `csv` and `json` are `correlate` and the rows as text.

import Correlation
import Events
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
        var correlator = Correlator(thresholds: run.loops)
        var stream = FindingStream(
            format: stage == .csv ? CSV() : JSONLines(),
            correlator: Correlator(thresholds: run.loops, tellsAll: run.tellsAll), run: run)
        var (count, bytes) = (0, 0)
        var events: [Event] = []
        while try source.read(into: &events) {
            count += events.count
            switch stage {
            case .read: break
            case .correlate:
                let span = events.span
                for position in span.indices { _ = correlator.consume(span[position]) }
            case .csv, .json:
                _ = stream.consume(events)
                bytes += stream.takeBytes().count
            }
            events.removeAll(keepingCapacity: true)
        }
        correlator.finish()
        print("\(count) events, \(correlator.summary.findings) findings, \(bytes) bytes of text")
    }

    private enum Stage: String { case read, correlate, csv, json }
}

// `futexscope report`: reads what was recorded and says what it means.

internal import ArgumentParser
internal import Correlation
internal import Events
internal import Presentation
internal import Recording

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what a recording or an ftrace text means.")

    @Argument(help: ArgumentHelp("A recording.", valueName: "recording"))
    var input: String

    @Option(name: .shortAndLong, help: "How to write the report.")
    var format: ReportFormat = .text

    func run() throws {
        do {
            let source = try RecordingReader(directory: input)
            var stream = FindingStream(
                format: format == .json ? JSONLines() : Table(width: 120, colour: false),
                correlator: Correlator(thresholds: source.run.loops, tellsAll: source.run.tellsAll), run: source.run)
            var events: [Event] = []
            while try source.read(into: &events) {
                _ = stream.consume(events)
                events.removeAll(keepingCapacity: true)
                try Descriptor.standardOutput.write(stream.takeBytes())
            }
            _ = stream.end(omissions: source.omissions)
            try Descriptor.standardOutput.write(stream.takeBytes())
            for omission in source.omissions { Descriptor.tell("\(omission.place): \(omission.what)") }
        } catch let error as SourceError {
            throw CommandFailure.running(error.message)
        }
    }
}

// One trace from the first file made to the last line written: capture to findings, findings to a
// descriptor.

internal import Capture
internal import Correlation
internal import Events
internal import Presentation

/// The wiring of a trace.
struct TraceRun {
    let trace: Trace
    let options: CaptureOptions

    func run() throws {
        try LiveRun.check(trace.capture)
        let output = try trace.output.map { try LiveRun.create($0, what: "the output file") } ?? .standardOutput
        let live: LiveRun
        do throws(CaptureError) {
            live = try LiveRun(trace.capture, options: options)
        } catch {
            // Made by this run and still empty.
            output.remove()
            throw error
        }
        try follow(live, to: output)
    }

    private func follow(_ live: LiveRun, to output: Descriptor) throws {
        var stream = FindingStream(
            format: format(for: output),
            correlator: Correlator(thresholds: options.loops, tellsAll: options.emitAll),
            run: live.capture.run, limit: trace.count)
        do {
            try output.write(stream.takeBytes())
            let ending = trace.capture.duration == nil && trace.count == nil ? "; Ctrl-C ends" : ""
            try live.follow(RunLimits(), ending: ending) { events in
                if let columns = output.columns { stream.resize(to: columns) }
                let wantsMore = stream.consume(events)
                for line in stream.textOfLosses(in: events) { Descriptor.tell(line) }
                try output.write(stream.takeBytes())
                return wantsMore
            }
            let report = stream.end()
            try output.write(stream.takeBytes())
            let error = Descriptor.standardError
            if let text = stream.summaryText(report, width: error.tableWidth, colour: error.wantsColour) {
                try? error.write(text)
            }
        } catch Descriptor.WriteFailure.closed {
            Descriptor.tell("nobody reads the findings any more: the trace ends without a summary")
        } catch Descriptor.WriteFailure.failed(let reason) {
            throw CommandFailure.running(
                "cannot write to \(trace.output ?? "standard output"): \(reason); the trace ends without a summary")
        }
    }

    private func format(for output: Descriptor) -> any FindingFormat {
        switch trace.format {
        case .table: Table(width: output.tableWidth, colour: output.wantsColour)
        case .json: JSONLines()
        case .csv: CSV()
        }
    }
}

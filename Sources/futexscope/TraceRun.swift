// One trace from the first file made to the last line written: capture to findings, findings to a
// descriptor.

internal import ArgumentParser
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
        let recording: RecordingSink?
        do {
            recording = try trace.record.map { try RecordingSink(directory: $0) }
        } catch {
            output.remove()
            throw error
        }
        let live: LiveRun
        do throws(CaptureError) {
            live = try LiveRun(trace.capture, options: options)
        } catch {
            // Made by this run and still empty.
            output.remove()
            recording?.abandon()
            throw error
        }
        try recording?.begin(live.capture.run)
        if trace.live {
            try show(live, recording: recording)
        } else {
            try follow(live, to: output, recording: recording)
        }
        if recording?.hasFailed == true { throw ExitCode(1) }
    }

    private func follow(_ live: LiveRun, to output: Descriptor, recording: RecordingSink?) throws {
        defer { recording?.finish() }
        var stream = FindingStream(
            format: trace.format.writer(for: output),
            correlator: Correlator(thresholds: options.loops, tellsAll: options.emitAll, filter: filter),
            run: live.capture.run,
            limit: trace.count)
        do {
            try output.write(stream.takeBytes())
            let ending = trace.capture.duration == nil && trace.count == nil ? "; Ctrl-C ends" : ""
            try live.follow(RunLimits(), ending: ending) { events in
                // A recording that has ended is no reason to end the trace.
                _ = recording?.take(events)
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

    /// One screen until the run ends, then the summary.
    private func show(_ live: LiveRun, recording: RecordingSink?) throws {
        defer { recording?.finish() }
        let output = Descriptor.standardOutput
        var view = LiveView(
            correlator: Correlator(thresholds: options.loops, tellsAll: options.emitAll, filter: filter),
            run: live.capture.run, begin: Descriptor.monotonicNs)
        let screen = LiveScreen(on: output)
        do {
            defer { screen.leave() }
            try live.follow(RunLimits(wakeDescriptor: screen.keyDescriptor), ending: "") { events in
                _ = recording?.take(events)
                view.consume(events)
                let wantsMore = screen.takeKeys()
                try screen.redraw { size, now, isPaused, colour in
                    view.giveUpLoops(at: now) { !Descriptor.isGone($0) }
                    return view.frame(
                        width: size.columns, height: size.rows, now: now, isPaused: isPaused, colour: colour)
                }
                return wantsMore
            }
        } catch is Descriptor.WriteFailure {
            throw CommandFailure.running("cannot write to the terminal any more: the trace ends without a summary")
        }
        try? output.write(view.end(width: output.tableWidth, colour: output.wantsColour))
    }

    /// What only the correlator knows; everything else is left out in the kernel.
    private var filter: FindingFilter {
        var filter = FindingFilter()
        filter.causes = trace.cause.isEmpty ? nil : Set(trace.cause)
        return filter
    }
}

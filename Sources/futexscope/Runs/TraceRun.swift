// SPDX-License-Identifier: Apache-2.0

// One run of `trace`, from the first file to the last line: events go from the capture to the correlator and to a
// recording, findings to the output or to the live screen.

internal import ArgumentParser
internal import Capture
internal import Correlation
internal import Events
internal import Pipeline
internal import Presentation
internal import System

/// The run of a trace.
struct TraceRun {
    let trace: Trace
    let options: CaptureOptions

    func run() throws {
        try LiveRun.check(trace.capture)
        let output = try trace.output.map { try OutputFile.create($0, what: "the output file") } ?? .standardOutput
        var recording: RecordingSink?
        let live: LiveRun
        do {
            recording = try trace.record.map { try RecordingSink(directory: $0) }
            live = try LiveRun(trace.capture, options: options, endsWithVictim: true)
            try recording?.begin(live.source.run)
        } catch {
            // Created by this run and still empty.
            output.remove()
            recording?.abandon()
            throw error
        }
        if trace.live {
            try show(live, recording: recording)
        } else {
            try follow(live, to: output, recording: recording)
        }
        if recording?.hasFailed == true { throw ExitCode(1) }
    }

    private func follow(_ live: LiveRun, to output: OutputFile, recording: RecordingSink?) throws {
        defer { recording?.finish() }
        let stream = FindingStream(
            format: trace.format.writer(
                for: output, isTimed: live.source.run.followsLookups, columns: trace.columns?.columns),
            correlator: correlator(of: live.source.run), run: live.source.run, grouping: trace.by,
            filters: filterText, limit: trace.count)
        var sink = TraceSink(stream: stream, recording: recording, meanings: FirstConclusions(by: trace.by))
        var latestTime: UInt64 = 0
        do {
            try output.write(sink.stream.takeBytes())
            let ending = trace.capture.duration == nil && trace.count == nil ? "; Ctrl-C ends" : ""
            try live.follow(RunLimits(), ending: ending, into: &sink) { sink in
                // The trace continues when the recording has ended.
                _ = recording?.endBatch()
                for line in sink.takeTextOfLosses() { Messages.emit(line) }
                for line in sink.takeMeanings() { Messages.emit(line) }
                if sink.stream.latestTime == latestTime { sink.stream.idle() }
                latestTime = sink.stream.latestTime
                try output.write(sink.stream.takeBytes())
                if let columns = output.columns { sink.stream.resize(to: columns) }
                return !sink.stream.isAtLimit
            }
            let report = sink.stream.end()
            try output.write(sink.stream.takeBytes())
            let error = OutputFile.standardError
            if let text = sink.stream.summaryText(report, width: error.tableWidth, colour: error.wantsColour) {
                try? error.write(text)
            }
        } catch OutputFile.WriteError.closed {
            Messages.emit("nobody reads the findings any more: the trace ends, without a summary")
        } catch OutputFile.WriteError.failed(let reason) {
            throw CommandError.running(
                "cannot write to \(trace.output ?? "standard output"): \(reason); the trace ends, without a summary")
        }
    }

    /// One screen until the run ends, then the summary.
    private func show(_ live: LiveRun, recording: RecordingSink?) throws {
        defer { recording?.finish() }
        let output = OutputFile.standardOutput
        var pipeline = FindingPipeline(
            correlator: correlator(of: live.source.run), run: live.source.run, grouping: trace.by, filters: filterText)
        var view = LiveView(begin: Clock.monotonicNs)
        let screen = LiveScreen(on: output)
        do {
            defer { screen.leave() }
            try live.follow(RunLimits(wakeDescriptor: screen.keyDescriptor), ending: "") { events in
                if var recording {
                    for event in events { recording.take(event) }
                    _ = recording.endBatch()
                }
                for event in events { pipeline.take(event) { finding, _ in view.take(finding) } }
                let wantsMore = screen.takeKeys()
                try screen.redraw { size, now, isPaused, colour in
                    view.frame(
                        pipeline.state(at: now) { !TaskFiles.isGone($0) }, width: size.columns, height: size.rows,
                        now: now, isPaused: isPaused, colour: colour)
                }
                return wantsMore
            }
        } catch is OutputFile.WriteError {
            throw CommandError.running("cannot write to the terminal any more; the trace ends, without a summary")
        }
        let report = pipeline.end()
        try? output.write(
            SummaryText(
                report: report, legend: pipeline.legend, width: output.tableWidth, colour: output.wantsColour
            ).text)
    }

    private var filterText: String { trace.cause.map { "--cause \($0.rawValue)" }.joined(separator: " ") }

    private func correlator(of run: RunInfo) -> Correlator {
        Correlator(
            thresholds: options.loops, emitsAll: options.emitAll, pageBytes: run.pageBytes, filter: filter,
            keepsProcesses: trace.by == .pid)
    }

    /// The filter by cause, which only the correlator knows; the kernel applies the other filters.
    private var filter: FindingFilter {
        var filter = FindingFilter()
        filter.causes = trace.cause.isEmpty ? nil : Set(trace.cause)
        return filter
    }
}

/// Passes events to the findings and to the recording.
private struct TraceSink: EventSink {
    var stream: FindingStream
    let recording: RecordingSink?
    private var meanings: FirstConclusions
    private var losses: [Event] = []
    private var lines: [String] = []

    init(stream: FindingStream, recording: RecordingSink?, meanings: FirstConclusions) {
        (self.stream, self.recording, self.meanings) = (stream, recording, meanings)
    }

    /// What the first finding of each kind means, and its remedy, since the last call.
    mutating func takeMeanings() -> [String] {
        defer { lines = [] }
        return lines
    }

    /// Lines about losses since the last call, where the format has no place for losses.
    mutating func takeTextOfLosses() -> [String] {
        defer { losses = [] }
        return stream.textOfLosses(in: losses)
    }

    mutating func take(_ lookup: Lookup, isProgress: Bool) {
        recording?.take(lookup, isProgress: isProgress)
        var found: Finding?
        stream.take(lookup, isProgress: isProgress) { found = $0 }
        if let found, let meaning = meanings.take(found, names: stream.legend.names) { lines.append(meaning.lineSoFar) }
    }
    mutating func take(_ detach: Detach) {
        recording?.take(detach)
        stream.take(detach)
    }
    mutating func take(_ activity: Activity) {
        recording?.take(activity)
        stream.take(activity)
    }
    mutating func take(_ name: Name) {
        recording?.take(name)
        stream.take(name)
    }
    mutating func take(_ loss: Loss) {
        losses.append(.lost(loss))
        recording?.take(loss)
        stream.take(loss)
    }
    mutating func take(_ totals: Totals) {
        recording?.take(totals)
        stream.take(totals)
    }
}

// One trace from the first file made to the last line written. The order matters: files are made before
// anything is attached, so that a path in the way costs nothing; the ready file comes when everything is
// attached; whatever ends the run, the ready file is removed and the programs are off.

internal import Capture
internal import Correlation
internal import Events
internal import Presentation

/// The wiring of a trace: capture to findings, findings to a descriptor.
struct TraceRun {
    let trace: Trace
    let options: CaptureOptions

    func run() throws {
        if let path = trace.readyFile, Descriptor.exists(path) { throw Self.inTheWay(path, of: "the ready file") }
        let output = try trace.output.map { try Self.create($0, what: "the output file") } ?? .standardOutput
        let capture: LiveCapture
        do throws(CaptureError) {
            capture = try LiveCapture(options: options)
        } catch {
            // Made by this run and still empty.
            output.remove()
            throw error
        }
        tellProbes(capture.probes)
        let ready = try trace.readyFile.map { try Self.create($0, what: "the ready file") }
        defer { ready?.remove() }
        try ready?.write("\(Descriptor.processID)\n")
        try follow(capture, to: output)
    }

    private func follow(_ capture: LiveCapture, to output: Descriptor) throws {
        var stream = FindingStream(
            format: format(for: output), correlator: correlator,
            legend: Legend(
                clock: WallClock(offsetNs: capture.wallClockOffsetNs),
                showsKernelAddresses: trace.kernelAddresses),
            limit: trace.count)
        let clock = ContinuousClock()
        let start = clock.now
        var lossesTold = start
        do {
            try output.write(stream.takeBytes())
            try capture.run(durationNs: trace.duration?.ns) { events in
                // Losses are told soon after they happen; reading the counters costs skipped programs.
                if clock.now - lossesTold > .seconds(10) {
                    lossesTold = clock.now
                    tell(stream.tellLosses(try capture.losses()), of: stream)
                }
                if let columns = output.columns { stream.resize(to: columns) }
                let wantsMore = stream.consume(events)
                try output.write(stream.takeBytes())
                return wantsMore
            }
            if let leftover = capture.leftover { Descriptor.tell(leftover) }
            let duration = length(of: clock.now - start)
            let totals = try capture.totals()
            tell(stream.tellLosses(totals.losses), of: stream)
            let report = stream.end(
                totals: totals, probes: capture.probes, durationNs: duration)
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

    // MARK: Parts

    private var correlator: Correlator {
        var thresholds = Correlator.Thresholds()
        thresholds.passes = trace.loopPasses
        if let span = trace.loopDuration { thresholds.durationNs = span.ns }
        return Correlator(thresholds: thresholds, tellsAll: trace.all)
    }

    /// Of the run in nanoseconds; detaching the probes, which can take seconds, is no part of it.
    private func length(of run: Duration) -> UInt64 {
        let (seconds, attoseconds) = run.components
        let ns = UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
        return trace.duration.map { min($0.ns, ns) } ?? ns
    }

    private func format(for output: Descriptor) -> any FindingFormat {
        switch trace.format {
        case .table: Table(width: output.tableWidth, colour: output.wantsColour)
        case .json: JSONLines()
        case .csv: CSV()
        }
    }

    private func tell(_ losses: [Loss], of stream: FindingStream) {
        for line in stream.text(of: losses) { Descriptor.tell(line) }
    }

    private func tellProbes(_ probes: [ProbeReport]) {
        if trace.verbose {
            try? Descriptor.standardError.write(
                DoctorReport.text(probes: probes, colour: Descriptor.standardError.wantsColour))
        } else {
            for probe in probes where probe.hook == nil {
                Descriptor.tell("\(probe.role) is not attached: \(probe.note ?? "no hook is left")")
            }
        }
        let attached = probes.filter { $0.hook != nil }.count
        let end = trace.duration == nil && trace.count == nil ? "; Ctrl-C ends" : ""
        Descriptor.tell("tracing with \(attached) probes\(end)")
    }

    // MARK: Files

    private static func create(_ path: String, what: String) throws -> Descriptor {
        do throws(Descriptor.CreateFailure) {
            return try Descriptor.create(path)
        } catch {
            switch error {
            case .exists: throw inTheWay(path, of: what)
            case .failed(let reason):
                throw CommandFailure.usage(
                    "cannot make \(what) \(path): \(reason); expected a new file in a directory that can be written to")
            }
        }
    }

    private static func inTheWay(_ path: String, of what: String) -> CommandFailure {
        .usage("cannot make \(what) \(path): it exists, and nothing is overwritten; remove it or choose another path")
    }
}

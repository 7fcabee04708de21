// SPDX-License-Identifier: Apache-2.0

// One run of `serve`, from binding the port to the last answer. The port comes first, so that a port in use costs
// nothing. Then the probes are attached and the capabilities dropped. Then the thread that serves HTTP starts, without
// capabilities. It ends after the probes are detached, so that requests meanwhile get an answer. The tracing thread
// publishes its state when a request asks for it.

internal import ArgumentParser
internal import Capture
internal import Correlation
internal import Events
internal import Pipeline
internal import Presentation
internal import Service

/// The run of a service.
struct ServiceSession {
    let serve: Serve
    let options: CaptureOptions

    func run() throws {
        try LiveRun.check(serve.capture)
        let secret = try serve.secretFile.map { path throws(ServiceError) in try Secret(file: path) }
        let port = try BoundPort(serve.listen)
        let output =
            try serve.output.map { try OutputFile.create($0, what: "the output file") }
            ?? (serve.format == nil ? nil : .standardOutput)
        let live: LiveRun
        do throws(CaptureError) {
            live = try LiveRun(serve.capture, options: options, endsWithVictim: false)
        } catch {
            output?.remove()
            throw error
        }
        let resources = ServiceResources()
        let service = try Service(on: port, secret: secret, counts: resources.counts, resources: resources.all)
        defer { service.stop() }
        try follow(live, service: service, resources: resources, to: output)
    }

    private func follow(_ live: LiveRun, service: Service, resources: ServiceResources, to output: OutputFile?) throws {
        let format = output.map { (serve.format ?? .json).writer(for: $0, isTimed: live.source.run.followsLookups) }
        var stream = FindingStream(
            format: format ?? JSONLines(rows: []),
            correlator: Correlator(
                thresholds: options.loops, emitsAll: options.emitAll, pageBytes: live.source.run.pageBytes),
            run: live.source.run)
        var (latest, rates) = (LatestFindings(), RecentRates())
        var sink = FindingSink(output: output, name: serve.output ?? "standard output")
        let (exchange, blindness) = (resources.exchange, resources.blindness)
        exchange.open()
        defer { exchange.close() }
        let limits = RunLimits(countersDescriptor: exchange.descriptor)
        try live.follow(limits, ending: "; results at http://\(service.address.text)/") { events in
            var found: UInt64 = 0
            _ = stream.take(events) { finding in
                latest.take(finding)
                rates.take(finding)
                found += 1
            }
            for line in stream.textOfLosses(in: events) where output != nil { Messages.emit(line) }
            sink.write(stream.takeBytes(), findings: found)
            blindness.text = live.source.blindness
            exchange.giveSign()
            if events.contains(where: \.isTotals) {
                var state = stream.state(canLoop: TaskFiles.canLoop)
                (state.latest, state.blindness) = (latest.inOrder, blindness.text)
                (state.findingsNotWritten, state.rates) = (sink.notWritten, rates)
                exchange.publish(state)
            }
            return true
        }
        _ = stream.end()
        sink.write(stream.takeBytes(), findings: 0)
    }
}

/// The file with findings beside the service. A failed write is reported once and counted; the service continues.
private struct FindingSink {
    let output: OutputFile?
    let name: String
    private(set) var notWritten: UInt64 = 0
    private var isClosed = false
    private var hasReportedFailure = false

    init(output: OutputFile?, name: String) { (self.output, self.name) = (output, name) }

    mutating func write(_ bytes: [UInt8], findings: UInt64) {
        guard let output, !bytes.isEmpty else { return }
        if isClosed {
            notWritten += findings
            return
        }
        do throws(OutputFile.WriteError) {
            try output.write(bytes)
        } catch {
            notWritten += findings
            switch error {
            case .closed:
                isClosed = true
                Messages.emit(
                    "nobody reads the findings on \(name) any more: they are counted and served, and not written")
            case .failed(let reason) where !hasReportedFailure:
                hasReportedFailure = true
                Messages.emit(
                    "cannot write to \(name): \(reason); the service continues and counts findings that are not written"
                )
            case .failed: break
            }
        }
    }
}

extension Event {
    fileprivate var isTotals: Bool {
        if case .totals = self { true } else { false }
    }
}

// SPDX-License-Identifier: Apache-2.0

// One service from the port that is bound to the last answer. The port comes first, so that one that is taken
// costs nothing; then the probes are attached and what the process may do is given up; then the thread that
// speaks to strangers begins, with as little. It ends after the probes, so that who asks meanwhile is told. The
// thread that traces publishes what it knows when somebody asks.

internal import ArgumentParser
internal import Capture
internal import Correlation
internal import Events
internal import Pipeline
internal import Presentation
internal import Service

/// The wiring of a service.
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
            live = try LiveRun(serve.capture, options: options)
        } catch {
            output?.remove()
            throw error
        }
        let resources = ServiceResources()
        let service = try Service(on: port, secret: secret, counts: resources.counts, resources: resources.all)
        defer { service.stop() }
        try follow(live, service: service, resources: resources, to: output)
    }

    private func follow(_ live: LiveRun, service: Service, resources: ServiceResources, to output: Descriptor?) throws {
        let format = output.map { (serve.format ?? .json).writer(for: $0) }
        var stream = FindingStream(
            format: format ?? JSONLines(rows: [], of: live.source.run),
            correlator: Correlator(thresholds: options.loops, tellsAll: options.emitAll), run: live.source.run)
        var latest = LatestFindings()
        var sink = FindingSink(output: output, name: serve.output ?? "standard output")
        let (exchange, blindness) = (resources.exchange, resources.blindness)
        exchange.open()
        defer { exchange.close() }
        let limits = RunLimits(countersDescriptor: exchange.descriptor)
        try live.follow(limits, ending: "; http://\(service.address.text)/ has the results") { events in
            var found: UInt64 = 0
            _ = stream.take(events) { finding in
                latest.take(finding)
                found += 1
            }
            for line in stream.textOfLosses(in: events) where output != nil { Descriptor.tell(line) }
            sink.write(stream.takeBytes(), findings: found)
            blindness.text = live.source.blindness
            exchange.giveSign()
            if events.contains(where: \.isTotals) {
                var state = stream.state(canLoop: ProcessFile.canLoop)
                (state.latest, state.blindness) = (latest.inOrder, blindness.text)
                state.findingsNotWritten = sink.notWritten
                exchange.publish(state)
            }
            return true
        }
        _ = stream.end()
        sink.write(stream.takeBytes(), findings: 0)
    }
}

/// Where findings are written beside the service. What goes wrong there is told once, counted, and no reason to
/// end the service.
private struct FindingSink {
    let output: Descriptor?
    let name: String
    private(set) var notWritten: UInt64 = 0
    private var isClosed = false
    private var isToldOfFailure = false

    init(output: Descriptor?, name: String) { (self.output, self.name) = (output, name) }

    mutating func write(_ bytes: [UInt8], findings: UInt64) {
        guard let output, !bytes.isEmpty else { return }
        if isClosed {
            notWritten += findings
            return
        }
        do throws(Descriptor.WriteFailure) {
            try output.write(bytes)
        } catch {
            notWritten += findings
            switch error {
            case .closed:
                isClosed = true
                Descriptor.tell("nobody reads the findings on \(name) any more: they are served and no longer written")
            case .failed(let reason) where !isToldOfFailure:
                isToldOfFailure = true
                Descriptor.tell("cannot write to \(name): \(reason); findings that cannot be written are counted")
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

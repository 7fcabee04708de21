// SPDX-License-Identifier: Apache-2.0

// A live run from the ready file's check to the last event, whatever becomes of the events. The order
// matters: the files of a command are made before anything is attached, so that a path in the way costs
// nothing; the ready file comes when everything is attached, and so does the word to a supervisor;
// whatever ends the run, the ready file is removed and the programs are off.

internal import Capture
internal import Events
internal import Presentation

/// A live source with what the user is informed about during its run.
struct LiveRun {
    let source: any LiveSource
    private let arguments: CaptureArguments

    /// Nothing is attached when the ready file's path is taken.
    static func check(_ arguments: CaptureArguments) throws {
        if let path = arguments.readyFile, Descriptor.exists(path) { throw OutputFile.inTheWay(path, of: "the ready file") }
    }

    /// Attaches all probes and says so.
    init(_ arguments: CaptureArguments, options: CaptureOptions) throws(CaptureError) {
        self.arguments = arguments
        source = try LiveSources.open(options)
    }

    /// Hands over events until the run ends, a batch of them kept at a time.
    func follow(_ limits: RunLimits, ending: String, handle: ([Event]) throws -> Bool) throws {
        var batch: [Event] = []
        try follow(limits, ending: ending, into: &batch) { batch in
            defer { batch.removeAll(keepingCapacity: true) }
            return try handle(batch)
        }
    }

    /// Hands over events until the run ends or `continues`, called now and then and after the last, says so.
    func follow<Sink: EventSink>(
        _ limits: RunLimits, ending: String, into sink: inout Sink, continues: (inout Sink) throws -> Bool
    ) throws {
        let probes = tellProbes(ending: ending)
        let ready = try arguments.readyFile.map { try OutputFile.create($0, what: "the ready file") }
        defer { ready?.remove() }
        try ready?.write("\(Descriptor.processID)\n")
        Supervisor.current.tellReady(probes)
        defer { Supervisor.current.tellEnding() }
        var limits = limits
        limits.durationNs = arguments.duration?.ns
        let endsOnSignal = limits.endsOnSignal
        limits.endsOnSignal = { number, isFromTerminal in
            let ends = endsOnSignal?(number, isFromTerminal) ?? true
            if ends { Supervisor.current.tellEnding() }
            return ends
        }
        var life = SignsOfLife()
        var isBlindnessTold = false
        var statusTime: UInt64 = 0
        func tellBlindness() {
            guard !isBlindnessTold, let blindness = source.blindness else { return }
            isBlindnessTold = true
            Descriptor.tell(blindness)
        }
        try source.run(until: limits, into: &sink) { sink in
            tellBlindness()
            let wantsMore = try continues(&sink)
            life.consumerCameRound(drainTurns: source.drainTurns)
            let totals = source.totals
            if totals.time != statusTime, !totals.isFinal {
                statusTime = totals.time
                Supervisor.current.tell(status: "\(probes), \(totals.observations) observations so far")
            }
            return wantsMore
        }
        tellBlindness()
        if let leftover = source.leftover { Descriptor.tell(leftover) }
    }

    /// A dry run: attaches all probes, detaches them at once, and prints how each was attached.
    static func show(_ options: CaptureOptions, format: OutputFormat) throws(CaptureError) {
        let probes = try LiveSources.plan(options)
        let output = Descriptor.standardOutput
        let bytes =
            format == .json
            ? DoctorReport.json(probes: probes)
            : Array(DoctorReport.text(probes: probes, colour: output.wantsColour).utf8)
        try? output.write(bytes)
    }

    /// - Returns: how many probes there are, for a reader.
    private func tellProbes(ending: String) -> String {
        let probes = source.run.probes
        if arguments.verbose {
            try? Descriptor.standardError.write(
                DoctorReport.text(probes: probes, colour: Descriptor.standardError.wantsColour))
            let kept = source.capabilities
            Descriptor.tell("capabilities kept: \(kept.isEmpty ? "none" : kept.joined(separator: ", "))")
        } else {
            for probe in probes where probe.hook == nil {
                Descriptor.tell("\(probe.role) is not attached: \(probe.note ?? "no hook is left")")
            }
        }
        let rule = RunningRule.read()
        if rule.livepatch != nil { Descriptor.tell("the rule of this kernel is \(rule.text)") }
        if let note = source.depthNote { Descriptor.tell("\(note); entry hooks are used") }
        let text = "tracing with \(probes.count { $0.hook != nil }) probes"
        Descriptor.tell(text + ending)
        return text
    }
}

// SPDX-License-Identifier: Apache-2.0

// A live run from the check of the ready file to the last event. The order matters. A command creates its files before
// anything is attached, so that a bad path costs nothing. The ready file is created, and the supervisor informed, when
// everything is attached. Whatever ends the run, the ready file is removed and the programs are detached.

internal import Capture
internal import Events
internal import Presentation

/// A live source, with its messages for the user and for a supervisor.
struct LiveRun {
    let source: any LiveSource
    /// About the choice of the source.
    private let notes: [String]
    private let arguments: CaptureArguments
    /// The task whose end is the end of the run; nil where there is none.
    private let victim: VictimWatch?

    /// Throws when the path of the ready file exists, before anything is attached.
    static func check(_ arguments: CaptureArguments) throws {
        if let path = arguments.readyFile, OutputFile.exists(path) {
            throw OutputFile.pathExists(path, of: "the ready file")
        }
    }

    /// Attaches all probes. With `endsWithVictim`, the run ends with the process or thread of -p or -t.
    init(_ arguments: CaptureArguments, options: CaptureOptions, endsWithVictim: Bool) throws(CaptureError) {
        self.arguments = arguments
        victim = endsWithVictim ? VictimWatch(arguments.wanted) : nil
        let choice = try LiveSources.open(options)
        (source, notes) = (choice.result, choice.notes)
    }

    /// Passes events to `handle`, a batch at a time, until the run ends or `handle` returns false.
    func follow(_ limits: RunLimits, ending: String, handle: ([Event]) throws -> Bool) throws {
        var batch: [Event] = []
        try follow(limits, ending: ending, into: &batch) { batch in
            defer { batch.removeAll(keepingCapacity: true) }
            return try handle(batch)
        }
    }

    /// Passes events to `sink` until the run ends or `continues` returns false. It is called a few times a second and after
    /// the last event.
    func follow<Sink: EventSink>(
        _ limits: RunLimits, ending: String, into sink: inout Sink, continues: (inout Sink) throws -> Bool
    ) throws {
        let probes = reportProbes(ending: ending)
        let ready = try arguments.readyFile.map { try OutputFile.create($0, what: "the ready file") }
        defer { ready?.remove() }
        try ready?.write("\(ThisProcess.id)\n")
        Supervisor.current.notifyReady(probes)
        defer { Supervisor.current.notifyEnding() }
        var limits = limits
        limits.durationNs = arguments.duration?.ns
        let endsOnSignal = limits.endsOnSignal
        limits.endsOnSignal = { number, isFromTerminal in
            let ends = endsOnSignal?(number, isFromTerminal) ?? true
            if ends { Supervisor.current.notifyEnding() }
            return ends
        }
        limits.endDescriptor = limits.endDescriptor ?? victim?.descriptor
        var life = SignsOfLife()
        var isBlindnessReported = false
        var statusTime: UInt64 = 0
        func reportBlindness() {
            guard !isBlindnessReported, let blindness = source.blindness else { return }
            isBlindnessReported = true
            Messages.emit(blindness)
        }
        try source.run(until: limits, into: &sink) { sink in
            reportBlindness()
            victim?.check()
            let wantsMore = try continues(&sink)
            life.consumerIsAlive(drainTurns: source.drainTurns)
            let totals = source.totals
            if totals.time != statusTime, !totals.isFinal {
                statusTime = totals.time
                Supervisor.current.notify(status: "\(probes), \(counted(totals.observations, "observation")) so far")
            }
            return wantsMore
        }
        reportBlindness()
        if let victim, victim.hasEnded { Messages.emit("\(victim.name) has ended, and so has this run") }
        if let leftover = source.leftover { Messages.emit(leftover) }
    }

    /// A dry run: attaches all probes, detaches them at once, and prints how each was attached.
    static func show(_ options: CaptureOptions, format: OutputFormat) throws(CaptureError) {
        let choice = try LiveSources.plan(options)
        for note in choice.notes { Messages.emit(note) }
        let probes = choice.result
        let output = OutputFile.standardOutput
        let bytes =
            format == .json
            ? DoctorReport.json(probes: probes)
            : Array(DoctorReport.text(probes: probes, colour: output.wantsColour).utf8)
        try? output.write(bytes)
    }

    /// - Returns: a line with the number of probes.
    private func reportProbes(ending: String) -> String {
        let probes = source.run.probes
        for note in notes { Messages.emit(note) }
        if arguments.verbose {
            try? OutputFile.standardError.write(
                DoctorReport.text(probes: probes, colour: OutputFile.standardError.wantsColour))
            let kept = source.capabilities
            Messages.emit("capabilities kept: \(kept.isEmpty ? "none" : kept.joined(separator: ", "))")
        } else {
            for probe in probes where probe.hook == nil {
                Messages.emit("\(probe.role) is not attached: \(probe.note ?? "no hook works")")
            }
        }
        let rule = RunningRule.read()
        if rule.livepatch != nil { Messages.emit("the rule of this kernel is \(rule.text)") }
        if let note = source.depthNote { Messages.emit("\(note); entry hooks are used") }
        let text = "tracing with " + counted(probes.count { $0.hook != nil }, "probe")
        Messages.emit(text + ending)
        return text
    }
}

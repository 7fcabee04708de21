// SPDX-License-Identifier: Apache-2.0

// A capture on the running kernel with ftrace, for hosts that refuse BPF: an instance of its own in tracefs, the pages
// of its buffers, and the reconstruction that reads a trace.dat. It yields the same events as the capture with BPF, and
// fewer facts where ftrace shows fewer; docs/ftrace.md lists the differences.

public import Events
public import Ftrace
internal import Glibc
public import Live
internal import System

/// Probes in tracefs, and the stream of events from them.
public final class FtraceCapture: LiveSource {
    public let run: RunInfo
    public let capabilities: [String]
    public let depthNote: String?
    public private(set) var leftover: String?
    /// A line for each killed run that had left something.
    public let removedLeftovers: [String]
    public private(set) var blindness: String?
    public private(set) var totals = Totals()
    public private(set) var drainTurns: UInt64 = 0

    /// The longest delay between the time of an event and its writing, for example on a virtual CPU that was
    /// interrupted.
    private static let slackNs: UInt64 = 20_000_000
    /// The interval between two readings, so that a storm is not read event by event.
    private static let restNs: UInt64 = 10_000_000

    private let signals: SignalDescriptor
    private let processes: TaskProcesses
    private let instance: TraceInstance
    private let followsLookups: Bool
    private let findSubstitute: () -> String?
    private var stream: RingBufferStream
    private var fileNames = FileNames()
    private var devices = BlockDeviceNames()
    private var batch: [Event] = []
    private var isRunning = true
    private var latestReading: UInt64 = 0
    private var lossLog = LossLog()
    private var counted: [Loss.Stage: UInt64] = [:]
    /// The kernel's own count, over all buffers.
    private var overruns: UInt64 = 0

    /// Defines and switches on all probes; leftovers of killed runs are removed first. Then drops the capabilities of
    /// the process; no other thread may be running.
    /// - Parameters:
    ///   - readFacts: reads those of the running kernel, with the code of its lookup.
    ///   - findSubstitute: returns what replaces get_futex_key(), so that its probes see nothing; nil when there
    ///     is no replacement.
    /// - Throws: with exit code 77 when this host does not permit it, 64 for options that ftrace cannot serve.
    public init(
        options: CaptureOptions, readFacts: () throws(CaptureError) -> KernelFacts,
        findSubstitute: @escaping () -> String?
    ) throws(CaptureError) {
        try Self.check(options)
        // From here on a signal ends the run in the ordinary way, so that nothing is left on the host. Before any thread
        // exists, so that all inherit the blocked signals.
        signals = try SignalDescriptor()
        let tracefs = try Tracefs.find()
        let knowsProcesses = ProcessNumbers.areOfHost
        // A probe that is left in the function's code would hide the instruction there.
        removedLeftovers = knowsProcesses ? Leftovers.remove(from: tracefs) : []
        let facts = try readFacts()
        let (instance, use) = try Self.start(tracefs, facts: facts, options: options)
        self.instance = instance
        self.findSubstitute = findSubstitute
        followsLookups = use == .full
        depthNote =
            use == .full && !options.needsFullDepth
            ? "no call site in get_futex_key: \(facts.lookupCode?.obstacle ?? "its code was not read")"
            : nil
        let (processes, mappings) = (TaskProcesses(wanted: options.wanted.pid), KnownMappings())
        self.processes = processes
        processes.look()
        if !knowsProcesses { fileNames = FileNames { _, _, _, _ in .gone } }
        do throws(SourceError) {
            stream = try RingBufferStream(
                RingBufferDescription(
                    formats: instance.formats, kallsyms: readFile("/proc/kallsyms") ?? [],
                    pageBytes: instance.pageBytes,
                    unlocksAreOwn: facts.lookupCode.map { !$0.unlockSites.isEmpty } ?? false,
                    followsLookups: followsLookups),
                processors: instance.bufferCount, showsKernelAddresses: options.kernelAddresses,
                emitsAll: options.emitAll, wanted: options.wanted,
                process: { knowsProcesses ? processes.process(of: $0, named: $1) : nil },
                mapsFile: { knowsProcesses && mappings.has($1, in: $0) })
        } catch {
            throw .notPermitted(error.message)
        }
        // Files of tracefs belong to root, and to the user or group that the mount names.
        capabilities = try CapabilityDrop.keepLeast(
            keepsFileAccess: options.keepsFileAccess,
            needs: [
                CapabilityDrop.Need(.dacOverride) { (try? Tracefs.find()) != nil },
                // A process shows its mappings, which have paths of files, to no other user. Some kernels show them to
                // CAP_PERFMON, which permits less than CAP_SYS_PTRACE. The first process is tried as an example of all.
                CapabilityDrop.Need(.perfmon, .sysPtrace) { readText("/proc/1/maps") != nil },
            ]
        ).map(\.name)
        run = RunInfo(options: options, probes: instance.probeReports(facts: facts, use: use))
    }

    deinit { stop() }

    /// Attaches as `init` would and detaches at once.
    public static func plan(
        options: CaptureOptions, readFacts: () throws(CaptureError) -> KernelFacts
    ) throws(CaptureError) -> [ProbeReport] {
        try check(options)
        let tracefs = try Tracefs.find()
        let facts = try readFacts()
        return try puttingOffSignals { () throws(CaptureError) in
            let (instance, use) = try start(tracefs, facts: facts, options: options)
            defer { instance.remove() }
            return instance.probeReports(facts: facts, use: use)
        }
    }

    private static func start(
        _ tracefs: Tracefs, facts: KernelFacts, options: CaptureOptions
    ) throws(CaptureError) -> (TraceInstance, RecordedEvents.Use) {
        guard let code = facts.lookupCode else {
            throw .notPermitted(
                "the kernel hides its functions' addresses from this process, so that no stack can be named; run as root with CAP_SYSLOG, and with kernel.kptr_restrict at 1 or 0"
            )
        }
        let use: RecordedEvents.Use = options.needsFullDepth || code.unlockSites.isEmpty ? .full : .sentinel
        return (
            try TraceInstance(tracefs, facts: facts, use: use, bufferBytes: Int(options.ringBytes)), use
        )
    }

    /// Facts that ftrace does not record cannot select lookups.
    private static func check(_ options: CaptureOptions) throws(CaptureError) {
        let pageBytes = UInt64(sysconf(Int32(_SC_PAGESIZE)))
        guard pageBytes == RunInfo.usualPageBytes else {
            throw .notPermitted(
                "this kernel has pages of \(pageBytes) bytes, and ftrace is used only with pages of "
                    + "\(RunInfo.usualPageBytes); where BPF is permitted, it is used with all")
        }
        if options.wanted.pid != nil || options.wanted.tid != nil {
            try ProcessNumbers.require("selecting a process or a thread with ftrace")
        }
        try ProbeSwitches.requireOn()
        let refused =
            options.wanted.uid != nil
            ? "users" : options.wanted.cgroup != nil ? "control groups" : nil
        if let refused {
            throw CaptureError(
                message:
                    "cannot filter by \(refused) with ftrace, which does not record them; expected a process, thread or name",
                exitCode: 64)
        }
        if options.attach != .auto || options.countsCost {
            throw CaptureError(
                message:
                    "cannot choose hooks or count the cost of BPF programs with ftrace, which has none; leave these options out",
                exitCode: 64)
        }
    }

    public func run<Sink: EventSink>(
        until limits: RunLimits, into sink: inout Sink, continues: (inout Sink) throws -> Bool
    ) throws {
        try RunLoop.run(self, signals: signals, until: limits, into: &sink, continues: continues)
    }

    /// Switches the probes off, reads what is left in the buffers, and removes the instance. Harmless when done already.
    public func stop() {
        guard isRunning else { return }
        isRunning = false
        instance.switchOff()
        while read() != .max {}
        countLosses()
        leftover = instance.remove().map {
            "something stays in tracefs (\($0)); the next run, or a clean-up, removes it"
        }
    }

    /// - Returns: the time before which nothing is left in the buffers; the greatest number when nothing is.
    private func read() -> UInt64 {
        instance.read { stream.add($1, of: $0) }
    }

    private func countLosses() {
        counted[.programMissed] = instance.misses
        overruns = instance.overruns
    }
}

// MARK: Running

extension FtraceCapture: PolledSource {
    public var descriptors: [Int32] { instance.descriptors }
    /// Often enough for a watchdog.
    public var heldMs: Int32? { stream.holdsEvents ? 20 : 250 }

    public func deliver<Sink: EventSink>(
        to sink: inout Sink, continues: (inout Sink) throws -> Bool
    ) throws -> Bool {
        drainTurns &+= 1
        if isRunning {
            let sinceReading = Clock.monotonicNs - latestReading
            if sinceReading < Self.restNs { usleep(useconds_t((Self.restNs - sinceReading) / 1000)) }
            let now = Clock.monotonicNs
            latestReading = now
            processes.look()
            stream.read(before: min(read(), now - Self.slackNs), into: &batch)
        } else {
            stream.finish(into: &batch)
        }
        passOn(to: &sink)
        return try continues(&sink)
    }

    /// Passes the batch on, with names before the events that need them.
    private func passOn(to sink: inout some EventSink) {
        // A detach mostly comes directly before its lookup: then the name precedes both.
        var held: Detach?
        func passDetach() {
            if let detach = held { sink.take(detach) }
            held = nil
        }
        for event in batch {
            switch event {
            case .detach(let detach):
                passDetach()
                if let name = devices.name(for: detach) { sink.take(name) }
                fileNames.take(detach)
                held = detach
            case .lookup(let lookup), .progress(let lookup):
                if let name = fileNames.name(for: lookup) { sink.take(name) }
                passDetach()
                sink.take(event)
            case .activity, .name, .lost, .totals:
                passDetach()
                sink.take(event)
            }
        }
        passDetach()
        batch.removeAll(keepingCapacity: true)
    }

    public func reportCounts(at time: UInt64, durationNs: UInt64, isFinal: Bool, to sink: inout some EventSink) {
        if isRunning { countLosses() }
        // Pages report their own losses when their events are read. The rest is known when all of them are read.
        if isFinal { counted[.ftraceBuffer] = overruns - min(overruns, stream.lostInPages) }
        if stream.damaged > 0 { counted[.malformed] = stream.damaged }
        totals = stream.totals
        if !followsLookups { totals.lookups = nil }
        (totals.time, totals.durationNs, totals.isFinal) = (time, durationNs, isFinal)
        for loss in lossLog.fresh(in: counted, time: time) { sink.take(loss) }
        sink.take(totals)
    }

    public func lookForBlindness() {
        guard blindness == nil, isRunning else { return }
        if let substitute = findSubstitute() {
            blindness = "observations may be missing: since this trace began \(substitute); trace again"
        } else if let off = instance.switchedOff {
            blindness = "observations may be missing: \(off); trace again"
        }
    }
}

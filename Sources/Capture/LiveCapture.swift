// SPDX-License-Identifier: Apache-2.0

// A capture on the running kernel: plan, load, attach, drain, detach. A sink takes events in order on the
// caller's thread; signals that end a program end the run in the ordinary way, so that nothing stays
// attached and the summary is written.

import CLibbpf
import CRecords
public import Events
import Glibc
internal import System

/// BPF programs on their hooks, and the stream of events from them.
public final class LiveCapture: LiveSource {
    /// The run as it is known before the first event. Its clock is taken once, so that one run has one.
    public let run: RunInfo

    /// Set by `stop` when something stays attached for a while: one line that says what and why.
    public private(set) var leftover: String?

    /// Why the run is of full depth although less was asked for; nil otherwise.
    public var depthNote: String? { tracing.plan.depthNote }

    /// Goes up for as long as the thread that drains the ring buffer is well.
    public var drainTurns: UInt64 { drain.turns }

    /// Set during a run when its probes see nothing any more: one line that says why.
    public private(set) var blindness: String?

    /// What was counted when a sink took it last.
    public private(set) var totals = Totals()

    /// The capabilities that the run still has; all others are gone for good.
    public let capabilities: [String]

    private let tracing: Tracing
    private let signals: SignalDescriptor
    private let drain: RingDrain
    private var decoder: RecordDecoder
    private let statistics: CostStatistics?
    private var isRunning = true
    private var lossLog = LossLog()

    /// Loads and attaches all probes of the plan, stepping down the ladder where the kernel refuses. Then
    /// gives up the process's capabilities, for which no other thread may be running.
    public init(options: CaptureOptions) throws(CaptureError) {
        // Before any thread exists, so that all inherit the blocked signals.
        signals = try SignalDescriptor()
        statistics = options.countsCost ? CostStatistics() : nil
        tracing = try Tracing(options: options)
        // Before any thread exists, so that all have as little.
        let object = tracing.object
        capabilities = try Rights.giveUp(keepsFileAccess: options.keepsFileAccess, kernelAnswers: { object.isAnswered })
            .map(\.name)
        run = RunInfo(
            kernelRelease: readText("/proc/sys/kernel/osrelease"), host: readText("/proc/sys/kernel/hostname"),
            probes: tracing.plan.reports, wallClockOffsetNs: Self.wallClockOffset(),
            showsKernelAddresses: options.kernelAddresses, loops: options.loops, tellsAll: options.emitAll,
            pageBytes: UInt64(getpagesize()), filters: options.filterText)
        decoder = RecordDecoder(
            names: tracing.names, kernelAddresses: options.kernelAddresses, resolver: NameResolver())
        // What reading BTF took, megabytes of it, is not needed any more.
        malloc_trim(0)
        drain = try RingDrain(map: tracing.object.map("events"), bytes: Int(options.ringBytes))
    }

    deinit { stop() }

    /// Attaches as `init` would and detaches at once.
    public static func plan(options: CaptureOptions) throws(CaptureError) -> [ProbeReport] {
        try Tracing(options: options).plan.reports
    }

    /// Hands over events in order until a limit is reached, or `continues` returns false, which is called after every
    /// few thousand of them and at least twice a second. What was lost and counted follows every ten
    /// seconds, and when it is asked for. Then detaches, hands over what was still on its way, and last what
    /// was lost and counted.
    public func run<Sink: EventSink>(
        until limits: RunLimits, into sink: inout Sink, continues: (inout Sink) throws -> Bool
    ) throws {
        defer { stop() }
        let start = Clock.monotonicNs
        let end = limits.durationNs.map { start &+ $0 }
        var (countersRead, lookedForBlindness) = (start, start)
        var wantsMore = true
        while wantsMore {
            var timeout = Self.pulseMs
            if let end {
                let now = Clock.monotonicNs
                if now >= end { break }
                timeout = min(timeout, Int32(min((end - now) / 1_000_000 + 1, 1_000_000)))
            }
            let ready = waitFor(
                [
                    signals.descriptor, drain.descriptor, limits.endDescriptor ?? -1, limits.wakeDescriptor ?? -1,
                    limits.countersDescriptor ?? -1,
                ], timeoutMs: timeout)
            wantsMore = ready[1] ? try deliver(to: &sink, continues) : try continues(&sink)
            let now = Clock.monotonicNs
            if now - lookedForBlindness > Self.lookPeriodNs {
                lookedForBlindness = now
                lookForBlindness()
            }
            // Each reading is a dozen records of a recording.
            if wantsMore, ready[4] || ready[1] && now - countersRead > Self.lookPeriodNs {
                countersRead = now
                tellCounts(at: now, durationNs: now - start, isFinal: false, to: &sink)
                wantsMore = try continues(&sink)
            }
            if ready[0], case let signal = signals.next(),
                limits.ends(onSignal: signal.number, isFromTerminal: signal.isFromTerminal)
            {
                break
            }
            if ready[2] { break }
        }
        let counts = Clock.monotonicNs - start
        lookForBlindness()
        stop()
        if wantsMore { _ = try deliver(to: &sink, continues) }
        tellCounts(
            at: Clock.monotonicNs, durationNs: min(counts, limits.durationNs ?? counts), isFinal: true, to: &sink)
        _ = try continues(&sink)
    }

    /// Takes the programs off and drains the ring. Harmless when done already.
    public func stop() {
        guard isRunning else { return }
        isRunning = false
        tracing.object.switchOff()
        if !tracing.object.detach(patienceMs: Self.patienceMs) {
            leftover =
                "the probes are switched off, and the kernel is still taking them off its functions; "
                + "a child process waits for that (a task that spins in the kernel holds it up until it ends)"
        }
        drain.stop()
    }

    /// How long the end of a trace may take. Twenty probes take a kernel about two seconds.
    private static let patienceMs: Int32 = 3000

    private static let pulseMs: Int32 = 500

    private static let lookPeriodNs: UInt64 = 10_000_000_000

    /// Tells new losses, and all that was counted so far. Complete after `stop`, when losses on the way are known.
    private func tellCounts(at time: UInt64, durationNs: UInt64, isFinal: Bool, to sink: inout some EventSink) {
        let counters = KernelCounters(tracing.object.counters)
        let cost = tracing.object.cost()
        totals = counters.totals
        totals.cost = Totals.Cost(runTimeNs: cost.runTimeNs, runCount: cost.runs, mapBytes: cost.mapBytes)
        if tracing.plan.depth == .sentinel { totals.lookups = nil }
        (totals.time, totals.durationNs, totals.isFinal) = (time, durationNs, isFinal)
        for loss in lossLog.fresh(in: losses(of: counters, cost: cost), time: totals.time) { sink.take(loss) }
        sink.take(totals)
    }

    private func losses(of counters: KernelCounters, cost: TracingObject.Cost) -> [Loss.Stage: UInt64] {
        var losses = counters.losses
        if cost.misses > 0 { losses[.programMissed] = cost.misses }
        if decoder.malformed > 0 { losses[.malformed] = decoder.malformed }
        if !isRunning {
            let missing = zip(counters.emitted, drain.delivered).reduce(UInt64(0)) { sum, pair in
                sum + (pair.0 > pair.1 ? pair.0 - pair.1 : 0)
            }
            if missing > 0 { losses[.delivery] = missing }
        }
        return losses
    }

    private static func wallClockOffset() -> Int64 {
        Int64(Clock.wallNs) - Int64(Clock.monotonicNs)
    }

    // MARK: Running

    private func lookForBlindness() {
        guard tracing.plan.usesCallSites, blindness == nil,
            let substitute = KernelText.substitute(for: "get_futex_key")
        else { return }
        blindness = "observations may be missing: since this trace began \(substitute); trace again"
    }

    private func deliver<Sink: EventSink>(
        to sink: inout Sink, _ continues: (inout Sink) throws -> Bool
    ) throws -> Bool {
        for batch in drain.takeAll() {
            // The batch is this thread's until it is given back.
            unsafe decoder.decode(batch.records, into: &sink)
            drain.giveBack(batch)
            if try !continues(&sink) { return false }
        }
        return true
    }
}

/// Attached programs with the plan by which they were attached and the names for the stacks that they tell.
private struct Tracing {
    let object: TracingObject
    let plan: ProbePlan
    let names: StackNames

    /// Steps down the ladder until every probe is attached or has no rung left.
    init(options: CaptureOptions) throws(CaptureError) {
        try options.check()
        // The programs are adapted to an excerpt of the kernel's types, and say themselves which it must have.
        let file = TypesFile()
        defer { withExtendedLifetime(file) {} }
        var unloaded: UnloadedObject? = try UnloadedObject(typesPath: file?.path)
        let typeNames = unloaded?.typeNames ?? []
        guard let types = KernelTypes(names: typeNames.union(ProbePlan.types)),
            let (symbols, names) = Self.symbols(types: types)
        else {
            throw .notPermitted(HostReport.read().refusal ?? "this kernel's symbols or BTF cannot be read")
        }
        if let refusal = HostReport.read(symbols: symbols).refusal { throw .notPermitted(refusal) }
        let wantsSites = options.attach == .auto || options.attach == .callsite
        // One refusal settles it for all kprobes.
        let kprobeLimit = HostReport.kprobeLimit()
        let refused = kprobeLimit.map { CallSites.Unusable("the probe is refused (\(errorText(EACCES)): \($0))") }
        let sites =
            wantsSites ? refused.map { .failure($0) } ?? CallSites.found(types: types, symbols: symbols) : nil
        let depth: CaptureDepth = options.needsFullDepth ? .full : .sentinel
        let preemption = KernelPreemption.read()
        var plan = ProbePlan(
            mode: options.attach, wanted: depth, sites: sites, types: types, symbols: symbols, preemption: preemption,
            kprobeLimit: kprobeLimit)
        guard file?.write(types.excerpt.bytes) ?? true else { throw .system("keep the kernel's types", errno: errno) }
        while true {
            if let missing = plan.missingRequired {
                throw .missingProbe(
                    role: missing.role.name, function: missing.function ?? missing.role.candidates[0],
                    note: missing.note ?? "no hook is left")
            }
            do {
                let next = try unloaded.take() ?? UnloadedObject(typesPath: file?.path)
                object = try TracingObject(next, attaching: plan, extents: symbols.extents, options: options)
                break
            } catch let refusal as TracingObject.Refusal {
                if plan.probes[refusal.position].hook == .callsite {
                    let reason = CallSites.Unusable("the probe is refused (\(refusal.reason))")
                    plan = ProbePlan(
                        mode: options.attach, wanted: depth, sites: .failure(reason), types: types, symbols: symbols,
                        preemption: preemption, kprobeLimit: kprobeLimit)
                } else {
                    plan.stepDown(refusal.position, because: refusal.reason)
                }
            } catch let error as CaptureError {
                throw error
            } catch {
                throw .loadFailed("\(error)")
            }
        }
        self.plan = plan
        self.names = names
    }

    /// By asking the kernel, and from its list of all symbols where it does not answer.
    private static func symbols(types: borrowing KernelTypes) -> (KernelSymbols, StackNames)? {
        let wanted = ProbePlan.symbols + HostReport.features
        if let question = SymbolQuestion(types: types),
            let symbols = KernelSymbols(asking: question, wanted: wanted, groups: ProbePlan.functions)
        {
            return (symbols, StackNames(question))
        }
        guard let bytes = readFile("/proc/kallsyms"), !bytes.isEmpty else { return nil }
        return (KernelSymbols(kallsyms: bytes, wanted: wanted), StackNames(kallsyms: bytes))
    }
}

extension CallSites {
    /// Those of the running kernel, or why there are none to use.
    fileprivate static func found(
        types: borrowing KernelTypes, symbols: KernelSymbols
    ) -> Result<CallSites, Unusable> {
        do throws(Unusable) {
            guard ProbePlan.areaIsReadable(types) else {
                throw Unusable("without bpf_find_vma() the memory area cannot be read there")
            }
            if let substitute = KernelText.substitute(for: "get_futex_key") { throw Unusable(substitute) }
            func addresses(_ names: [String]) -> [UInt64] { names.compactMap { symbols.extents[$0]?.lowerBound } }
            func role(_ name: String) -> [String] { ProbeRole.all.first { $0.name == name }?.candidates ?? [] }
            let targets = Targets(
                unlocks: addresses(role("unlock")), pins: addresses(role("pin")),
                lockWaits: addresses(role("lock-wait")),
                returns: addresses(ProbeRole.returnThunks))
            return .success(
                try CallSites(in: KernelText.code(of: "get_futex_key", symbols: symbols), targets: targets))
        } catch {
            return .failure(error)
        }
    }
}

/// Waits until one of the descriptors is readable, and says which are; none after the time-out or an
/// interruption. A negative one is passed over.
private func waitFor(_ descriptors: [Int32], timeoutMs: Int32) -> [Bool] {
    var polled = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    let count = unsafe poll(&polled, nfds_t(polled.count), timeoutMs)
    return polled.map { count > 0 && $0.revents != 0 }
}

/// SIGINT, SIGTERM, SIGHUP and SIGUSR1 as a descriptor, blocked for this process from here on.
private final class SignalDescriptor {
    let descriptor: Int32

    init() throws(CaptureError) {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGUSR1] { unsafe sigaddset(&set, signal) }
        let code = unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        guard code == 0 else { throw .system("block signals", errno: code) }
        descriptor = unsafe signalfd(-1, &set, Int32(SFD_CLOEXEC))
        guard descriptor >= 0 else { throw .system("wait for signals", errno: errno) }
    }

    /// The signal that made it readable.
    func next() -> (number: Int32, isFromTerminal: Bool) {
        var info = signalfd_siginfo()
        // The kernel writes one whole structure or nothing.
        let count = unsafe read(descriptor, &info, MemoryLayout<signalfd_siginfo>.size)
        return count > 0 ? (Int32(info.ssi_signo), info.ssi_code == SI_KERNEL) : (SIGTERM, false)
    }

    deinit { close(descriptor) }
}

/// Lets the kernel count run time and runs of BPF programs for as long as this lives.
private final class CostStatistics {
    private let descriptor: Int32

    /// Nil when the kernel does not permit it (5.8, CAP_SYS_ADMIN); the cost is then not known.
    init?() {
        descriptor = bpf_enable_stats(BPF_STATS_RUN_TIME)
        if descriptor < 0 { return nil }
    }

    deinit { close(descriptor) }
}

// A capture on the running kernel: plan, load, attach, drain, detach. Events are handed over in order on
// the caller's thread; signals that end a program end the run in the ordinary way, so that nothing stays
// attached and the summary is told.

import CLibbpf
import CRecords
public import Events
import Glibc

/// BPF programs on their hooks, and the stream of events from them.
public final class LiveCapture {
    /// Every probe and the hook it got.
    public let probes: [ProbeReport]
    /// Add to an event's time to get nanoseconds since 1970. Taken once, so that one run has one clock.
    public let wallClockOffsetNs: Int64

    /// Set by `stop` when something stays attached for a while: one line that says what and why.
    public private(set) var leftover: String?

    private let tracing: Tracing
    private let signals: SignalDescriptor
    private let drain: RingDrain
    private var decoder: RecordDecoder
    private var resolver = NameResolver()
    private let statistics: CostStatistics?
    private var isRunning = true

    /// Loads and attaches all probes of the plan, stepping down the ladder where the kernel refuses.
    public init(options: CaptureOptions) throws(CaptureError) {
        // Before any thread exists, so that all inherit the blocked signals.
        signals = try SignalDescriptor()
        statistics = options.countsCost ? CostStatistics() : nil
        tracing = try Tracing(options: options)
        probes = tracing.plan.reports
        wallClockOffsetNs = Self.wallClockOffset()
        decoder = RecordDecoder(symbols: tracing.symbols, kernelAddresses: options.kernelAddresses)
        drain = try RingDrain(map: tracing.object.map("events"))
    }

    deinit { stop() }

    /// Attaches as `init` would and detaches at once.
    public static func plan(options: CaptureOptions) throws(CaptureError) -> [ProbeReport] {
        try Tracing(options: options).plan.reports
    }

    /// Hands over batches in order until `durationNs` is over, a stop signal arrives (SIGINT, SIGTERM,
    /// SIGHUP), or `handle` returns false. Then detaches, and hands over what was still on its way.
    public func run(durationNs: UInt64?, handle: ([Event]) throws -> Bool) throws {
        defer { stop() }
        let end = durationNs.map { monotonicNow() &+ $0 }
        var wantsMore = true
        while wantsMore {
            var timeout: Int32 = -1
            if let end {
                let now = monotonicNow()
                if now >= end { break }
                timeout = Int32(min((end - now) / 1_000_000 + 1, 1_000_000))
            }
            let ready = waitFor(signals.descriptor, drain.descriptor, timeoutMs: timeout)
            if ready.1 { wantsMore = try deliver(handle) }
            if ready.0 { break }
        }
        stop()
        if wantsMore { _ = try deliver(handle) }
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

    /// How long the end of a trace may take. A kernel without kprobe.multi takes longer.
    private static let patienceMs: Int32 = 950

    /// What was lost so far. Reading it makes the kernel skip programs for a moment: not every second.
    public func losses() throws(CaptureError) -> [Loss.Stage: UInt64] {
        losses(of: try KernelCounters(object: tracing.object, withActivities: false), cost: tracing.object.cost())
    }

    /// What was counted, for the end of a run: complete after `run`, when losses on the way are known too.
    public func totals() throws(CaptureError) -> Totals {
        let counters = try KernelCounters(object: tracing.object, withActivities: true)
        let cost = tracing.object.cost()
        var totals = counters.totals
        totals.losses = losses(of: counters, cost: cost)
        totals.cost = Totals.Cost(runTimeNs: cost.runTimeNs, runCount: cost.runs, mapBytes: cost.mapBytes)
        return totals
    }

    private func losses(of counters: KernelCounters, cost: TracingObject.Cost) -> [Loss.Stage: UInt64] {
        var losses = counters.totals.losses
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
        var wall = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &wall)
        return Int64(wall.tv_sec) * 1_000_000_000 + Int64(wall.tv_nsec) - Int64(monotonicNow())
    }

    // MARK: Running

    private func deliver(_ handle: ([Event]) throws -> Bool) throws -> Bool {
        for batch in drain.takeAll() {
            var events: [Event] = []
            decoder.decode(batch) { event in
                for name in resolver.names(for: event) { events.append(.name(name)) }
                events.append(event)
            }
            if try !handle(events) { return false }
        }
        return true
    }
}

/// Attached programs with the plan by which they were attached and the symbols of their kernel.
private struct Tracing {
    let object: TracingObject
    let plan: ProbePlan
    let symbols: KernelSymbols

    /// Steps down the ladder until every probe is attached or has no rung left.
    init(options: CaptureOptions) throws(CaptureError) {
        try options.check()
        // Once for all: the file takes the kernel a tenth of a second and more to write.
        let symbols = KernelSymbols.read(wanted: ProbePlan.symbols + HostReport.features)
        if let refusal = HostReport.read(symbols: symbols).refusal { throw .notPermitted(refusal) }
        guard let symbols, let types = KernelTypes() else {
            throw .notPermitted("this kernel's symbols or BTF cannot be read")
        }
        var plan = ProbePlan(mode: options.attach, types: types, symbols: symbols)
        while true {
            if let missing = plan.missingRequired {
                throw .missingProbe(
                    role: missing.role.name, function: missing.function ?? missing.role.candidates[0],
                    note: missing.note ?? "no hook is left")
            }
            do {
                object = try TracingObject(attaching: plan, options: options)
                break
            } catch let refusal as TracingObject.Refusal {
                plan.stepDown(refusal.position, because: refusal.reason)
            } catch let error as CaptureError {
                throw error
            } catch {
                throw .loadFailed("\(error)")
            }
        }
        self.plan = plan
        self.symbols = symbols
    }
}

/// CLOCK_MONOTONIC in nanoseconds, the clock of all events.
private func monotonicNow() -> UInt64 {
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

/// Waits until one of two descriptors is readable; neither after the time-out or an interruption.
private func waitFor(_ first: Int32, _ second: Int32, timeoutMs: Int32) -> (Bool, Bool) {
    var descriptors = [
        pollfd(fd: first, events: Int16(POLLIN), revents: 0), pollfd(fd: second, events: Int16(POLLIN), revents: 0),
    ]
    guard unsafe poll(&descriptors, 2, timeoutMs) > 0 else { return (false, false) }
    return (descriptors[0].revents != 0, descriptors[1].revents != 0)
}

/// SIGINT, SIGTERM and SIGHUP as a descriptor, blocked for this process from here on.
private final class SignalDescriptor {
    let descriptor: Int32

    init() throws(CaptureError) {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in [SIGINT, SIGTERM, SIGHUP] { unsafe sigaddset(&set, signal) }
        let code = unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        guard code == 0 else { throw .system("block signals", errno: code) }
        descriptor = unsafe signalfd(-1, &set, Int32(SFD_CLOEXEC))
        guard descriptor >= 0 else { throw .system("wait for signals", errno: errno) }
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

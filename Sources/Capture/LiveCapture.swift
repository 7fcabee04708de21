// SPDX-License-Identifier: Apache-2.0

// A capture on the running kernel with BPF: plan, load, attach, drain, detach. A sink takes events in order on the
// caller's thread.

import CLibbpf
import CRecords
public import Events
import Glibc
public import Live
internal import System

/// BPF programs on their hooks, and the stream of events from them.
public final class LiveCapture: LiveSource {
    /// The run as it is known before the first event. Its clock is taken once, so that one run has one.
    public let run: RunInfo

    /// Set by `stop` when something stays attached for a while: one line with what and why.
    public private(set) var leftover: String?

    /// Why the run is of full depth although less was asked for; nil otherwise.
    public var depthNote: String? { attachment.plan.depthNote }

    /// Increases as long as the thread that drains the ring buffer makes progress.
    public var drainTurns: UInt64 { drain.turns }

    /// Set during a run when its probes see nothing any more: one line with the reason.
    public private(set) var blindness: String?

    /// The counters that a sink got last.
    public private(set) var totals = Totals()

    /// The capabilities that the run still has; all others are dropped for good.
    public let capabilities: [String]

    private let attachment: Attachment
    private let signals: SignalDescriptor
    private let drain: RingDrain
    private var decoder: RecordDecoder
    private let statistics: CostStatistics?
    private var isRunning = true
    private var lossLog = LossLog()

    /// Loads and attaches all probes of the plan, stepping down the ladder where the kernel refuses. Then drops the
    /// capabilities of the process; no other thread may be running.
    public init(options: CaptureOptions) throws(CaptureError) {
        // Before any thread exists, so that all inherit the blocked signals.
        signals = try SignalDescriptor()
        statistics = options.countsCost ? CostStatistics() : nil
        attachment = try Attachment(options: options)
        // Before any thread exists, so that no thread has more.
        let object = attachment.object
        // 5.10 requires CAP_BPF for questions about what is loaded, later kernels nothing.
        capabilities = try CapabilityDrop.keepLeast(
            keepsFileAccess: options.keepsFileAccess,
            needs: [CapabilityDrop.Need(.bpf) { object.isAnswered }]
        ).map(\.name)
        run = RunInfo(options: options, probes: attachment.plan.reports)
        decoder = RecordDecoder(
            names: attachment.names, kernelAddresses: options.kernelAddresses, resolver: NameResolver())
        // What reading BTF took, megabytes of it, is not needed any more.
        malloc_trim(0)
        drain = try RingDrain(
            map: attachment.object.map("events"), bytes: Int(options.ringBytes),
            spare: attachment.object.map("spare_events"))
    }

    deinit { stop() }

    /// Attaches as `init` would and detaches at once.
    public static func plan(options: CaptureOptions) throws(CaptureError) -> [ProbeReport] {
        try Attachment(options: options).plan.reports
    }

    public func run<Sink: EventSink>(
        until limits: RunLimits, into sink: inout Sink, continues: (inout Sink) throws -> Bool
    ) throws {
        try RunLoop.run(self, signals: signals, until: limits, into: &sink, continues: continues)
    }

    /// Takes the programs off and drains the ring. Harmless when done already.
    public func stop() {
        guard isRunning else { return }
        isRunning = false
        attachment.object.switchOff()
        if !attachment.object.detach(patienceMs: Self.patienceMs) {
            leftover =
                "the probes are switched off, and the kernel is still removing them from its functions; "
                + "a child process waits for that (a task that spins in the kernel delays it until the task ends)"
        }
        drain.stop()
    }

    /// How long the end of a trace may take. Twenty probes take a kernel about two seconds.
    private static let patienceMs: Int32 = 3000

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
}

// MARK: Running

extension LiveCapture: PolledSource {
    public var descriptors: [Int32] { [drain.descriptor] }
    public var heldMs: Int32? { nil }

    /// Passes on new losses, and all counters so far. Complete after `stop`, when losses in flight are known.
    public func reportCounts(at time: UInt64, durationNs: UInt64, isFinal: Bool, to sink: inout some EventSink) {
        let counters = KernelCounters(attachment.object.counters)
        let cost = attachment.object.cost()
        totals = counters.totals
        totals.cost = Totals.Cost(runTimeNs: cost.runTimeNs, runCount: cost.runs, mapBytes: cost.mapBytes)
        if attachment.plan.depth == .sentinel { totals.lookups = nil }
        (totals.time, totals.durationNs, totals.isFinal) = (time, durationNs, isFinal)
        for loss in lossLog.fresh(in: losses(of: counters, cost: cost), time: totals.time) { sink.take(loss) }
        sink.take(totals)
    }

    public func lookForBlindness() {
        guard attachment.plan.usesCallSites, blindness == nil,
            let substitute = FunctionCodeReader.substitute(for: "get_futex_key")
        else { return }
        blindness = "observations may be missing: since this trace began \(substitute); trace again"
    }

    public func deliver<Sink: EventSink>(
        to sink: inout Sink, continues: (inout Sink) throws -> Bool
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

// SPDX-License-Identifier: Apache-2.0

// A source of events that are happening now. Commands name this protocol and no implementation, so that a source
// without BPF can replace the one with BPF. `EventSource` is its counterpart for runs that are over.

internal import Glibc

/// A running capture. Everything is attached when it exists; `stop` or the end of `run` detaches it.
public protocol LiveSource: AnyObject {
    /// The run as it is known before the first event. Its clock is read once, so that one run has one.
    var run: RunInfo { get }
    /// Names of the capabilities that the process still has.
    var capabilities: [String] { get }
    /// Why more is attached than was asked for; nil otherwise.
    var depthNote: String? { get }
    /// Set during a run when its probes cannot see observations any more: one line with the reason.
    var blindness: String? { get }
    /// Set by `stop` when something stays attached for a while: one line that says what and why.
    var leftover: String? { get }
    /// The counters as a sink took them last.
    var totals: Totals { get }
    /// Grows while the thread that drains the kernel's buffers makes progress.
    var drainTurns: UInt64 { get }

    /// Passes on events in order until a limit is reached or `continues` returns false. `continues` is called after
    /// every few thousand events and at least twice a second, and once after the last event. Losses and counters follow
    /// every ten seconds, on request, and at the end. Detaches before it returns.
    func run<Sink: EventSink>(
        until limits: RunLimits, into sink: inout Sink, continues: (inout Sink) throws -> Bool
    ) throws

    /// Detaches everything. Harmless when done already.
    func stop()
}

/// What ends a run.
public struct RunLimits {
    /// SIGUSR1, with which a user may request something during a run.
    public static let request = SIGUSR1

    /// Nanoseconds after everything is attached.
    public var durationNs: UInt64?
    /// The run ends when this is readable.
    public var endDescriptor: Int32?
    /// While this is readable somebody requests the counters; whoever handles the request makes it unreadable.
    public var countersDescriptor: Int32?
    /// While this is readable `continues` is called at once; it has to read what is there.
    public var wakeDescriptor: Int32?
    /// Called with SIGINT, SIGTERM, SIGHUP or SIGUSR1, and whether the terminal sent it to the whole group of
    /// processes; false when the run continues in spite of it.
    public var endsOnSignal: ((_ number: Int32, _ isFromTerminal: Bool) -> Bool)?

    public init(
        durationNs: UInt64? = nil, endDescriptor: Int32? = nil, wakeDescriptor: Int32? = nil,
        countersDescriptor: Int32? = nil, endsOnSignal: ((Int32, Bool) -> Bool)? = nil
    ) {
        self.durationNs = durationNs
        self.endDescriptor = endDescriptor
        self.countersDescriptor = countersDescriptor
        self.wakeDescriptor = wakeDescriptor
        self.endsOnSignal = endsOnSignal
    }

    /// Whether this signal ends the run; every signal does unless `endsOnSignal` says otherwise.
    public func ends(onSignal number: Int32, isFromTerminal: Bool) -> Bool {
        endsOnSignal?(number, isFromTerminal) ?? true
    }
}

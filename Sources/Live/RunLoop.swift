// SPDX-License-Identifier: Apache-2.0

// The loop of a live run, the same for every source: wait for events, signals and requests, pass events on, report
// counters, and end in the ordinary way whatever ends the run, so that nothing stays attached and the summary is written.

public import Events
internal import System

/// What the loop needs of a live source.
public protocol PolledSource: AnyObject {
    /// Readable when events wait.
    var descriptors: [Int32] { get }
    /// Milliseconds after which `deliver` has work although no descriptor is readable; nil when it has none.
    var heldMs: Int32? { get }
    /// Passes waiting events to `sink`; false when `continues` returned false.
    func deliver<Sink: EventSink>(to sink: inout Sink, continues: (inout Sink) throws -> Bool) throws -> Bool
    /// Passes new losses and the counters to `sink`.
    func reportCounts(at time: UInt64, durationNs: UInt64, isFinal: Bool, to sink: inout some EventSink)
    /// Checks whether the probes still see something; called every ten seconds and at the end.
    func lookForBlindness()
    /// Detaches everything; harmless when done already. `deliver` afterwards passes on the events in flight.
    func stop()
}

/// Drives one run of a source.
public enum RunLoop {
    private static let pulseMs: Int32 = 500
    private static let lookPeriodNs: UInt64 = 10_000_000_000

    /// As `LiveSource.run` describes it.
    public static func run<Sink: EventSink>(
        _ source: some PolledSource, signals: SignalDescriptor, until limits: RunLimits, into sink: inout Sink,
        continues: (inout Sink) throws -> Bool
    ) throws {
        defer { source.stop() }
        let start = Clock.monotonicNs
        let end = limits.durationNs.map { start &+ $0 }
        var (countersRead, lookedForBlindness) = (start, start)
        var wantsMore = true
        while wantsMore {
            var timeout = min(pulseMs, source.heldMs ?? pulseMs)
            let isHeld = timeout < pulseMs
            if let end {
                let now = Clock.monotonicNs
                if now >= end { break }
                timeout = min(timeout, Int32(min((end - now) / 1_000_000 + 1, 1_000_000)))
            }
            let ready = waitFor(
                [
                    signals.descriptor, limits.endDescriptor ?? -1, limits.wakeDescriptor ?? -1,
                    limits.countersDescriptor ?? -1,
                ] + source.descriptors, timeoutMs: timeout)
            let hasEvents = ready.dropFirst(4).contains(true)
            wantsMore =
                hasEvents || isHeld ? try source.deliver(to: &sink, continues: continues) : try continues(&sink)
            let now = Clock.monotonicNs
            if now - lookedForBlindness > lookPeriodNs {
                lookedForBlindness = now
                source.lookForBlindness()
            }
            // Each reading of the counters is a dozen records of a recording.
            if wantsMore, ready[3] || hasEvents && now - countersRead > lookPeriodNs {
                countersRead = now
                source.reportCounts(at: now, durationNs: now - start, isFinal: false, to: &sink)
                wantsMore = try continues(&sink)
            }
            if ready[0], case let signal = signals.next(),
                limits.ends(onSignal: signal.number, isFromTerminal: signal.isFromTerminal)
            {
                break
            }
            if ready[1] { break }
        }
        // Detaching programs can last seconds, in which nothing is observed any more.
        let ended = Clock.monotonicNs
        let duration = ended - start
        source.lookForBlindness()
        source.stop()
        if wantsMore { _ = try source.deliver(to: &sink, continues: continues) }
        source.reportCounts(
            at: ended, durationNs: min(duration, limits.durationNs ?? duration), isFinal: true, to: &sink)
        _ = try continues(&sink)
    }
}

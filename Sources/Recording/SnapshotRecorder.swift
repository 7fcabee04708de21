// SPDX-License-Identifier: Apache-2.0

// Recordings of single moments of a run that is too long to be recorded whole. The events before the moment come from
// memory, the events after it are recorded as they arrive, and each moment is a recording of its own that any reader of
// recordings opens. The rate and the number of snapshots are limited.

public import Events
internal import System

/// The limits of snapshots.
public struct SnapshotLimits: Sendable, Equatable {
    /// Nanoseconds before the trigger.
    public var beforeNs: UInt64
    /// Nanoseconds after it.
    public var afterNs: UInt64
    /// Minimum interval between the triggers of two snapshots, in nanoseconds.
    public var everyNs: UInt64
    /// Snapshots of this run that are kept; then the oldest is removed.
    public var keep: Int
    /// Bytes of events in memory.
    public var maxBytes: UInt64

    public init(
        beforeNs: UInt64, afterNs: UInt64 = 5_000_000_000, everyNs: UInt64 = 600_000_000_000, keep: Int = 16,
        maxBytes: UInt64 = 64 << 20
    ) {
        (self.beforeNs, self.afterNs, self.everyNs, self.keep) = (beforeNs, afterNs, everyNs, keep)
        self.maxBytes = maxBytes
    }
}

/// A run of which snapshots are recorded.
public final class SnapshotRecorder {
    /// What became of a trigger.
    public enum Answer: Equatable {
        /// A snapshot started in this directory; `removed` is the snapshot that was removed for it, if any.
        case began(String, removed: String?)
        /// The snapshot in progress covers it.
        case included
        /// The snapshot before is too young; the number of triggers that were suppressed so far.
        case suppressed(UInt64)
    }

    /// A snapshot that is finished.
    public struct Finished: Equatable {
        public var directory: String
        public var records: UInt64
        public var bytes: UInt64
        /// Events that were dropped from memory before it started.
        public var eventsGone: UInt64
    }

    public let directory: String
    /// The directory was not made by this run.
    public let isInFoundDirectory: Bool
    public private(set) var suppressed: UInt64 = 0

    private let limits: SnapshotLimits
    private var run = RunInfo()
    private var hindsight: Hindsight
    private var current: (writer: RecordingWriter, endsNs: UInt64, eventsGone: UInt64)?
    private var lastTriggerNs: UInt64?
    private var made = 0
    private var kept: [String] = []

    /// Uses a directory that exists, or makes it.
    public init(directory: String, limits: SnapshotLimits) throws(RecordingError) {
        do throws(SystemError) {
            try Files.makeDirectory(directory)
            isInFoundDirectory = false
        } catch {
            guard error.isExisting, Files.isDirectory(directory) else {
                throw RecordingError(
                    message:
                        "cannot make the directory \(directory) for snapshots: \(error.text); expected one that can be written to, or a new one in such a one",
                    isUsage: true)
            }
            isInFoundDirectory = true
        }
        (self.directory, self.limits) = (directory, limits)
        hindsight = Hindsight(spanNs: limits.beforeNs, maxBytes: limits.maxBytes)
    }

    public func begin(_ run: RunInfo) { self.run = run }

    // MARK: Events

    /// Takes events in order. Totals are left out: they are about the whole run, and would make a snapshot appear to
    /// start when the run did.
    /// - Throws: why the snapshot in progress cannot continue; it ends, and the run continues without it.
    public func append(_ events: ArraySlice<Event>) throws(RecordingError) {
        for event in events where !event.isTotals { hindsight.append(event) }
        try write { writer throws(RecordingError) in try writer.append(events.filter { !$0.isTotals }) }
    }

    /// Whether a trigger at this time would start a snapshot.
    public func isOpen(at time: UInt64) -> Bool {
        current == nil && lastTriggerNs.map { time >= $0 &+ limits.everyNs } ?? true
    }

    /// A condition for a snapshot occurred. The events up to it have been appended.
    /// - Parameters:
    ///   - stamp: Names the directory, with a number; text that a path can have.
    ///   - isAsked: A person requested it, so the minimum interval does not apply.
    public func trigger(
        _ reason: String, at time: UInt64, stamp: String, isAsked: Bool = false
    ) throws(RecordingError) -> Answer {
        if current != nil { return .included }
        guard isOpen(at: time) || isAsked else {
            suppressed += 1
            return .suppressed(suppressed)
        }
        lastTriggerNs = time
        var removed: String?
        if kept.count >= limits.keep {
            removed = kept.removeFirst()
            removed.map(Files.removeRecording)
        }
        made += 1
        let writer = try RecordingWriter(directory: "\(directory)/\(stamp)-\(made)")
        kept.append(writer.directory)
        current = (writer, time &+ limits.afterNs, hindsight.eventsGone)
        var snapshot = run
        (snapshot.trigger, snapshot.id) = (reason, nil)
        try write { writer throws(RecordingError) in
            try writer.begin(snapshot)
            var batches: [[Event]] = []
            hindsight.forEachBatch { batches.append($0) }
            for batch in batches { try writer.append(batch) }
        }
        return .began(writer.directory, removed: removed)
    }

    /// Ends the snapshot in progress when its time is over, or with the run.
    public func finish(at time: UInt64, isEnd: Bool = false) throws(RecordingError) -> Finished? {
        guard let (writer, endsNs, eventsGone) = current, isEnd || time >= endsNs else { return nil }
        try write { writer throws(RecordingError) in try writer.finish() }
        current = nil
        return Finished(
            directory: writer.directory, records: writer.recordsWritten, bytes: writer.bytesWritten,
            eventsGone: eventsGone)
    }

    private func write(_ action: (RecordingWriter) throws(RecordingError) -> Void) throws(RecordingError) {
        guard let writer = current?.writer else { return }
        do throws(RecordingError) {
            try action(writer)
        } catch {
            current = nil
            throw error
        }
    }
}

extension Event {
    fileprivate var isTotals: Bool { if case .totals = self { true } else { false } }
}

// SPDX-License-Identifier: Apache-2.0

// Recordings of the moments that matter, out of a run that is too long to be kept: what happened before is
// taken from memory, what happens afterwards is recorded as it comes, and each moment is a recording of its
// own that any reader of recordings opens. Not every moment gets one: not too often, and not too many.

public import Events
internal import System

/// What snapshots may take.
public struct SnapshotLimits: Sendable, Equatable {
    /// Nanoseconds before the trigger.
    public var beforeNs: UInt64
    /// Nanoseconds after it.
    public var afterNs: UInt64
    /// Nanoseconds at least from one trigger that is followed to the next.
    public var everyNs: UInt64
    /// Snapshots of this run that are kept; then the oldest gives way.
    public var keep: Int
    /// Of events in memory.
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
        /// A snapshot began in this directory; the one that gave way for it, if one had to.
        case began(String, removed: String?)
        /// The snapshot in progress has it.
        case included
        /// The one before is too young; so many triggers were passed over so far.
        case suppressed(UInt64)
    }

    /// A snapshot that is finished.
    public struct Finished: Equatable {
        public var directory: String
        public var records: UInt64
        public var bytes: UInt64
        /// Events that had to go from memory before it began.
        public var eventsGone: UInt64
    }

    public let directory: String
    /// It was not made by this run.
    public let isInFoundDirectory: Bool
    public private(set) var suppressed: UInt64 = 0

    private let limits: SnapshotLimits
    private var run = RunInfo()
    private var hindsight: Hindsight
    private var current: (writer: RecordingWriter, endsNs: UInt64, eventsGone: UInt64)?
    private var lastTriggerNs: UInt64?
    private var made = 0
    private var kept: [String] = []

    /// Takes a directory that exists, or makes it.
    public init(directory: String, limits: SnapshotLimits) throws(RecordingFailure) {
        do throws(SystemError) {
            try Files.makeDirectory(directory)
            isInFoundDirectory = false
        } catch {
            guard error.isExisting, Files.isDirectory(directory) else {
                throw RecordingFailure(
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

    /// Takes events in order. What was counted is left out: it is about the whole run, and would say of a
    /// snapshot that it began when the run did.
    /// - Throws: why the snapshot in progress cannot go on; it ends, and the run goes on without it.
    public func append(_ events: ArraySlice<Event>) throws(RecordingFailure) {
        for event in events where !event.isTotals { hindsight.append(event) }
        try write { writer throws(RecordingFailure) in try writer.append(events.filter { !$0.isTotals }) }
    }

    /// Whether a trigger at this time would begin a snapshot.
    public func isOpen(at time: UInt64) -> Bool {
        current == nil && lastTriggerNs.map { time >= $0 &+ limits.everyNs } ?? true
    }

    /// Something happened that a snapshot is wanted for. The events up to it have been appended.
    /// - Parameters:
    ///   - stamp: Names the directory, with a number; text that a path can have.
    ///   - isAsked: A person wants it, however young the last one is.
    public func trigger(
        _ reason: String, at time: UInt64, stamp: String, isAsked: Bool = false
    ) throws(RecordingFailure) -> Answer {
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
        snapshot.trigger = reason
        try write { writer throws(RecordingFailure) in
            try writer.begin(snapshot)
            var batches: [[Event]] = []
            hindsight.forEachBatch { batches.append($0) }
            for batch in batches { try writer.append(batch) }
        }
        return .began(writer.directory, removed: removed)
    }

    /// Ends the snapshot in progress when its time has come, or with the run.
    public func finish(at time: UInt64, isEnd: Bool = false) throws(RecordingFailure) -> Finished? {
        guard let (writer, endsNs, eventsGone) = current, isEnd || time >= endsNs else { return nil }
        try write { writer throws(RecordingFailure) in try writer.finish() }
        current = nil
        return Finished(
            directory: writer.directory, records: writer.recordsWritten, bytes: writer.bytesWritten,
            eventsGone: eventsGone)
    }

    private func write(_ action: (RecordingWriter) throws(RecordingFailure) -> Void) throws(RecordingFailure) {
        guard let writer = current?.writer else { return }
        do throws(RecordingFailure) {
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

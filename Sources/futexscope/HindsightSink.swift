// SPDX-License-Identifier: Apache-2.0

// Snapshots out of a live run: events go into memory, findings are compared with what the user waits for, and
// a match writes a recording. What is written, passed over or could not be written is told in a line each.

internal import Correlation
internal import Events
internal import Pipeline
internal import Presentation
internal import Recording

/// Keeps the last while of a run until something happens.
final class HindsightSink: RunRecorder {
    private let recorder: SnapshotRecorder
    private let triggers: [Trigger]
    private let loops: LoopThresholds
    private var pipeline: FindingPipeline
    private var isAsked = false
    /// Since the last end of a batch.
    private var events: [Event] = []
    private var written = 0
    private var lost: UInt64 = 0
    private var suppressedTold: UInt64 = 0
    private(set) var hasFailed = false

    init(directory: String, limits: SnapshotLimits, triggers: [Trigger], loops: LoopThresholds) throws {
        do throws(RecordingFailure) {
            recorder = try SnapshotRecorder(directory: directory, limits: limits)
        } catch {
            throw CommandFailure(message: error.message, exitCode: error.isUsage ? 64 : 1)
        }
        self.triggers = triggers
        self.loops = loops
        pipeline = FindingPipeline(correlator: Correlator(thresholds: loops), run: RunInfo())
    }

    /// The directory is empty, or was there before: it stays.
    func abandon() {}

    func begin(_ run: RunInfo) {
        pipeline = FindingPipeline(correlator: Correlator(thresholds: loops), run: run)
        recorder.begin(run)
    }

    /// The directory was there before, and may be another user's.
    var isInFoundDirectory: Bool { recorder.isInFoundDirectory }

    /// The user wants to see what there is.
    func ask() { isAsked = true }

    func take(_ lookup: Lookup, isProgress: Bool) { events.take(lookup, isProgress: isProgress) }
    func take(_ detach: Detach) { events.take(detach) }
    func take(_ activity: Activity) { events.take(activity) }
    func take(_ name: Name) { events.take(name) }
    func take(_ loss: Loss) { events.take(loss) }
    func take(_ totals: Totals) { events.take(totals) }

    /// Always true: a snapshot that cannot be written is no reason to wait for no other.
    func endBatch() -> Bool {
        defer { events.removeAll(keepingCapacity: true) }
        end(at: Descriptor.monotonicNs)
        var rest = events[...]
        for (index, event) in events.enumerated() {
            if case .lost(let loss) = event { lost += loss.count }
            var found: Finding?
            pipeline.take(event) { finding, _ in found = finding }
            guard let finding = found, let trigger = triggers.first(where: { $0.holds(for: finding) }) else { continue }
            // The events up to here belong before the trigger, where it begins a snapshot.
            if recorder.isOpen(at: finding.lookup.time) {
                append(rest[...index])
                rest = events[(index + 1)...]
            }
            let victim = finding.lookup.victim
            begin(
                "\(trigger.text): \(victim.comm.text)/\(victim.pid), \(finding.explainedCause?.rawValue ?? "no cause")",
                at: finding.lookup.time)
        }
        append(rest)
        if isAsked {
            isAsked = false
            begin("asked for by SIGUSR1", at: Descriptor.monotonicNs, isAsked: true)
        }
        return true
    }

    func finish() {
        end(at: Descriptor.monotonicNs, isEnd: true)
        tellSuppressed()
        if written == 0 { Descriptor.tell("nothing was written: nothing happened that was waited for") }
    }

    var amount: String {
        "\(written) snapshots" + (recorder.suppressed > 0 ? ", \(recorder.suppressed) triggers passed over" : "")
            + (lost > 0 ? ", \(lost) events lost" : "")
    }

    // MARK: Snapshots

    private func append(_ events: ArraySlice<Event>) {
        attempt { () throws(RecordingFailure) in try recorder.append(events) }
    }

    private func begin(_ reason: String, at time: UInt64, isAsked: Bool = false) {
        attempt { () throws(RecordingFailure) in
            guard
                case .began(let directory, let removed) = try recorder.trigger(
                    reason, at: time, stamp: pipeline.legend.clock.stamp(time), isAsked: isAsked)
            else { return }
            tellSuppressed()
            Descriptor.tell("snapshot in \(directory): \(reason)" + (removed.map { "; \($0) gave way" } ?? ""))
        }
    }

    private func end(at time: UInt64, isEnd: Bool = false) {
        attempt { () throws(RecordingFailure) in
            guard let finished = try recorder.finish(at: time, isEnd: isEnd) else { return }
            written += 1
            let gone =
                finished.eventsGone > 0
                ? "; \(finished.eventsGone) events before that had no room in memory: try a larger --max-memory" : ""
            Descriptor.tell(
                "recorded \(finished.records) events, \(ShortNumber.bytes(finished.bytes)) in \(finished.directory)"
                    + gone)
        }
    }

    private func tellSuppressed() {
        let fresh = recorder.suppressed - suppressedTold
        suppressedTold = recorder.suppressed
        if fresh > 0 {
            Descriptor.tell("\(fresh) triggers were passed over: the snapshot before was younger than --every")
        }
    }

    private func attempt(_ action: () throws(RecordingFailure) -> Void) {
        do throws(RecordingFailure) {
            try action()
        } catch {
            hasFailed = true
            Descriptor.tell(error.message)
        }
    }
}

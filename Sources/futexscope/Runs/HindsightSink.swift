// SPDX-License-Identifier: Apache-2.0

// `record --hindsight`: events stay in memory, findings are compared with the --on conditions, and a match writes a
// snapshot, which is a recording. Each snapshot, each suppressed condition and each failed write gets a line.

internal import Correlation
internal import Events
internal import Pipeline
internal import Presentation
internal import Recording
internal import System

/// Keeps the last events of a run until a condition occurs.
final class HindsightSink: RunRecorder {
    private let recorder: SnapshotRecorder
    private let triggers: [Trigger]
    private let loops: LoopThresholds
    private var pipeline: FindingPipeline
    private var isRequested = false
    /// Of the finding that triggered last.
    private var meaning: Conclusion?
    /// Events since the last end of a batch.
    private var events: [Event] = []
    private var written = 0
    private var lost: UInt64 = 0
    private var suppressedReported: UInt64 = 0
    private(set) var hasFailed = false

    init(directory: String, limits: SnapshotLimits, triggers: [Trigger], loops: LoopThresholds) throws {
        do throws(RecordingError) {
            recorder = try SnapshotRecorder(directory: directory, limits: limits)
        } catch {
            throw CommandError(message: error.message, exitCode: error.isUsage ? 64 : 1)
        }
        self.triggers = triggers
        self.loops = loops
        pipeline = FindingPipeline(correlator: Correlator(thresholds: loops), run: RunInfo())
    }

    /// The directory is empty, or existed before: it stays.
    func abandon() {}

    func begin(_ run: RunInfo) {
        pipeline = FindingPipeline(
            correlator: Correlator(thresholds: loops, pageBytes: run.pageBytes), run: run)
        recorder.begin(run)
    }

    /// The directory existed before, and may belong to another user.
    var isInFoundDirectory: Bool { recorder.isInFoundDirectory }

    /// The user requests a snapshot now.
    func request() { isRequested = true }

    func take(_ lookup: Lookup, isProgress: Bool) { events.take(lookup, isProgress: isProgress) }
    func take(_ detach: Detach) { events.take(detach) }
    func take(_ activity: Activity) { events.take(activity) }
    func take(_ name: Name) { events.take(name) }
    func take(_ loss: Loss) { events.take(loss) }
    func take(_ totals: Totals) { events.take(totals) }

    /// Always true: after a snapshot that cannot be written, the run continues, because the next one may succeed.
    func endBatch() -> Bool {
        defer { events.removeAll(keepingCapacity: true) }
        end(at: Clock.monotonicNs)
        var rest = events[...]
        for (index, event) in events.enumerated() {
            if case .lost(let loss) = event { lost += loss.count }
            var found: Finding?
            pipeline.take(event) { finding, _ in found = finding }
            guard let finding = found, let trigger = triggers.first(where: { $0.holds(for: finding) }) else { continue }
            // When this finding starts a snapshot, the events up to here are those before it.
            if recorder.isOpen(at: finding.lookup.time) {
                append(rest[...index])
                rest = events[(index + 1)...]
            }
            let victim = finding.lookup.victim
            meaning = Conclusions.conclusion(of: finding, names: pipeline.legend.names)
            begin(
                "\(trigger.text): \(victim.comm.text)/\(victim.pid), \(finding.explainedCause?.rawValue ?? "no cause")",
                at: finding.lookup.time)
        }
        append(rest)
        if isRequested {
            isRequested = false
            begin("requested by SIGUSR1", at: Clock.monotonicNs, isRequested: true)
        }
        return true
    }

    func finish() {
        end(at: Clock.monotonicNs, isEnd: true)
        reportSuppressed()
        if written == 0 { Messages.emit("no snapshot written: no --on condition occurred") }
    }

    var amount: String {
        counted(written, "snapshot")
            + (recorder.suppressed > 0 ? ", \(counted(recorder.suppressed, "condition")) suppressed" : "")
            + (lost > 0 ? ", \(counted(lost, "event")) lost" : "")
    }

    // MARK: Snapshots

    private func append(_ events: ArraySlice<Event>) {
        attempt { () throws(RecordingError) in try recorder.append(events) }
    }

    private func begin(_ reason: String, at time: UInt64, isRequested: Bool = false) {
        attempt { () throws(RecordingError) in
            guard
                case .began(let directory, let removed) = try recorder.trigger(
                    reason, at: time, stamp: pipeline.legend.clock.stamp(time), isAsked: isRequested)
            else { return }
            reportSuppressed()
            Messages.emit(
                "snapshot in \(directory): \(reason)" + (removed.map { "; the oldest, \($0), was removed" } ?? ""))
            if let meaning, !isRequested { Messages.emit(meaning.lineSoFar) }
        }
    }

    private func end(at time: UInt64, isEnd: Bool = false) {
        attempt { () throws(RecordingError) in
            guard let finished = try recorder.finish(at: time, isEnd: isEnd) else { return }
            written += 1
            let gone =
                finished.eventsGone > 0
                ? "; \(counted(finished.eventsGone, "event")) before it \(noun(finished.eventsGone, "was", "were")) dropped, because memory was full; try a larger --max-memory"
                : ""
            Messages.emit(
                "recorded \(counted(finished.records, "event")), \(ShortNumber.bytes(finished.bytes)) in \(finished.directory)"
                    + gone)
        }
    }

    private func reportSuppressed() {
        let fresh = recorder.suppressed - suppressedReported
        suppressedReported = recorder.suppressed
        if fresh > 0 {
            Messages.emit(
                "\(counted(fresh, "condition")) \(noun(fresh, "was", "were")) suppressed within --every of the last snapshot"
            )
        }
    }

    private func attempt(_ action: () throws(RecordingError) -> Void) {
        do throws(RecordingError) {
            try action()
        } catch {
            hasFailed = true
            Messages.emit(error.message)
        }
    }
}

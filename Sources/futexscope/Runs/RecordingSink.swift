// SPDX-License-Identifier: Apache-2.0

// A recording of a live run. A full disk ends the recording with one message; the run continues, and the recording stays
// readable.

internal import Events
internal import Presentation
internal import Recording

/// A sink that records the events of a live run.
protocol RunRecorder: EventSink, AnyObject {
    /// A write failed, and a message was emitted.
    var hasFailed: Bool { get }
    /// How much was recorded and lost, as text.
    var amount: String { get }
    /// Removes what was created, if it is still empty.
    func abandon()
    func begin(_ run: RunInfo) throws
    /// Call it after each batch and after the last event. False when the recording has ended.
    func endBatch() -> Bool
    /// Writes the rest and emits how much was recorded.
    func finish()
}

/// Writes events to a recording until it ends.
final class RecordingSink: RunRecorder {
    private let writer: RecordingWriter
    private(set) var hasFailed = false
    private var hasReportedLimit = false
    private var lost: UInt64 = 0

    init(directory: String, limits: RecordingLimits = RecordingLimits()) throws {
        do throws(RecordingError) {
            writer = try RecordingWriter(directory: directory, limits: limits)
        } catch {
            throw CommandError(message: error.message, exitCode: error.isUsage ? 64 : 1)
        }
    }

    /// Removes the directory, if it is still empty.
    func abandon() { writer.abandon() }

    func begin(_ run: RunInfo) throws {
        do throws(RecordingError) { try writer.begin(run) } catch { throw CommandError.running(error.message) }
    }

    func take(_ lookup: Lookup, isProgress: Bool) { writer.take(lookup, isProgress: isProgress) }
    func take(_ detach: Detach) { writer.take(detach) }
    func take(_ activity: Activity) { writer.take(activity) }
    func take(_ name: Name) { writer.take(name) }
    func take(_ totals: Totals) { writer.take(totals) }
    func take(_ loss: Loss) {
        lost += loss.count
        writer.take(loss)
    }

    /// False when the recording has ended: at its limit, or after a failed write.
    func endBatch() -> Bool {
        attempt { () throws(RecordingError) in try writer.endBatch() }
        if writer.hasReachedLimit, !hasReportedLimit {
            hasReportedLimit = true
            Messages.emit("the recording \(writer.directory) ends at its size limit: \(amount)")
        }
        return !hasFailed && !hasReportedLimit
    }

    /// Writes the rest and emits how much was recorded.
    func finish() {
        attempt { () throws(RecordingError) in try writer.finish() }
        if !hasFailed { Messages.emit("recorded \(amount) in \(writer.directory)") }
    }

    /// How much was recorded and lost, as text.
    var amount: String {
        counted(writer.recordsWritten, "event") + ", \(ShortNumber.bytes(writer.bytesWritten))"
            + (lost > 0 ? ", \(lost) lost" : "")
    }

    private func attempt(_ action: () throws(RecordingError) -> Void) {
        if hasFailed { return }
        do throws(RecordingError) {
            try action()
        } catch {
            hasFailed = true
            Messages.emit(error.message)
        }
    }
}

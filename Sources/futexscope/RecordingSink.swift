// SPDX-License-Identifier: Apache-2.0

// A recording beside whatever else becomes of a live run. A disk that is full ends the recording with one
// line and nothing else: the run goes on, and what is written stays good.

internal import Events
internal import Presentation
internal import Recording

/// Where the events of a live run go that is recorded.
protocol RunRecorder: EventSink, AnyObject {
    /// Something could not be written, and somebody was told.
    var hasFailed: Bool { get }
    /// How much was recorded and lost, for a reader.
    var amount: String { get }
    /// Takes back what was made, as long as nothing is in it.
    func abandon()
    func begin(_ run: RunInfo) throws
    /// To be called now and then, and after the last event; false when no more is wanted.
    func endBatch() -> Bool
    /// Writes what is left and says what there is.
    func finish()
}

/// Takes events into a recording until that ends.
final class RecordingSink: RunRecorder {
    private let writer: RecordingWriter
    private(set) var hasFailed = false
    private var hasToldLimit = false
    private var lost: UInt64 = 0

    init(directory: String, limits: RecordingLimits = RecordingLimits()) throws {
        do throws(RecordingFailure) {
            writer = try RecordingWriter(directory: directory, limits: limits)
        } catch {
            throw CommandFailure(message: error.message, exitCode: error.isUsage ? 64 : 1)
        }
    }

    /// Takes back the directory, as long as nothing is in it.
    func abandon() { writer.abandon() }

    func begin(_ run: RunInfo) throws {
        do throws(RecordingFailure) { try writer.begin(run) } catch { throw CommandFailure.running(error.message) }
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

    /// False when the recording has ended, in one way or the other.
    func endBatch() -> Bool {
        attempt { () throws(RecordingFailure) in try writer.endBatch() }
        if writer.hasReachedLimit, !hasToldLimit {
            hasToldLimit = true
            Descriptor.tell("the recording \(writer.directory) ends at its size limit: \(amount)")
        }
        return !hasFailed && !hasToldLimit
    }

    /// Writes what is left and says what there is.
    func finish() {
        attempt { () throws(RecordingFailure) in try writer.finish() }
        if !hasFailed { Descriptor.tell("recorded \(amount) in \(writer.directory)") }
    }

    /// How much was recorded and lost, for a reader.
    var amount: String {
        "\(writer.recordsWritten) events, \(ShortNumber.bytes(writer.bytesWritten))"
            + (lost > 0 ? ", \(lost) lost" : "")
    }

    private func attempt(_ action: () throws(RecordingFailure) -> Void) {
        if hasFailed { return }
        do throws(RecordingFailure) {
            try action()
        } catch {
            hasFailed = true
            Descriptor.tell(error.message)
        }
    }
}

/// One line on a terminal that is written over; nothing elsewhere.
final class StatusLine {
    private let isShown: Bool
    private let clock = ContinuousClock()
    private let began: ContinuousClock.Instant
    private var last: ContinuousClock.Instant?

    init(isShown: Bool = true) {
        self.isShown = isShown && Descriptor.standardError.isTerminal
        began = clock.now
    }

    /// Shows `text`, at most four times a second and not within the first second.
    func show(_ text: @autoclosure () -> String) {
        guard isShown else { return }
        let now = clock.now
        guard now - began > .seconds(1), last.map({ now - $0 > .milliseconds(250) }) ?? true else { return }
        last = now
        try? Descriptor.standardError.write("\r\u{1b}[K" + text())
    }

    func clear() {
        if last != nil { try? Descriptor.standardError.write("\r\u{1b}[K") }
    }
}

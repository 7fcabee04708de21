// SPDX-License-Identifier: Apache-2.0

// From events to bytes: the pipeline of a run with one format behind it. Findings, detaches, activities and losses are
// written as the format has them, here or by another thread that takes the rows. Pure, so that a live trace and a
// recording that is replayed give the same bytes.

public import Correlation
public import Events
public import Presentation

/// One run of a format over a stream of events.
public struct FindingStream: Sendable {
    private var pipeline: FindingPipeline
    private var writer: Writer
    private let limit: UInt64?

    /// Ends after `limit` findings, if one is given; the progress of a loop is not counted. With `leavesRows` the
    /// rows are written by whoever takes them, if the format allows it.
    public init(
        format: any FindingFormat, correlator: Correlator, run: RunInfo, analysis: Analysis? = nil,
        grouping: WorkloadGrouping = .workload, filters: String = "", limit: UInt64? = nil,
        leavesRows: Bool = false
    ) {
        pipeline = FindingPipeline(
            correlator: correlator, run: run, analysis: analysis, grouping: grouping, filters: filters)
        writer = Writer(format: format, legend: pipeline.legend, leavesRows: leavesRows)
        self.limit = limit
    }

    /// No more lookups are wanted.
    public var isAtLimit: Bool { writer.findings == limit }

    /// Names as learnt so far, and the run's clock.
    public var legend: Legend { pipeline.legend }

    /// Whether the source has said that it ended in the ordinary way.
    public var hasFinalCounters: Bool { pipeline.hasFinalCounters }

    /// Time of the last event that has one: CLOCK_MONOTONIC nanoseconds.
    public var latestTime: UInt64 { pipeline.latestTime }

    // MARK: Bytes

    /// The bytes of what came since the last call.
    public mutating func takeBytes() -> [UInt8] {
        writer.batch.writeRows()
        return writer.batch.takeBytes()
    }

    /// What came since the last call.
    public mutating func takeBatch() -> RowBatch { writer.takeBatch(legend: pipeline.legend) }

    /// Takes back the memory of a batch whose bytes nobody needs any more.
    public mutating func giveBack(_ batch: consuming RowBatch) {
        batch.empty()
        writer.spare.append(batch)
    }

    /// Whether there is enough to take: any bytes that are written, and of rows that are not, a full batch.
    public var hasBatch: Bool { writer.leavesRows ? writer.batch.isFull : !writer.batch.bytes.isEmpty }

    /// No event came for a while: what the format held back is written.
    public mutating func idle() { writer.format.idle(into: &writer.batch.bytes) }

    /// The terminal has another width.
    public mutating func resize(to width: Int) {
        writer.format.resize(to: width, into: &writer.batch.bytes)
    }

    // MARK: The run

    /// Takes events in order; false when no more lookups are wanted. Losses and totals are taken even then.
    /// `found` gets each finding.
    @discardableResult
    public mutating func take(_ events: [Event], found: (Finding) -> Void = { _ in }) -> Bool {
        for event in events {
            switch event {
            case .lookup(let lookup): take(lookup, isProgress: false, found: found)
            case .progress(let lookup): take(lookup, isProgress: true, found: found)
            default: take(event)
            }
        }
        return !isAtLimit
    }

    /// What is known so far of a run that continues; `canLoop` says whether a task can still be in a lookup.
    public mutating func state(canLoop: (TaskIdentity) -> Bool) -> RunState { pipeline.state(canLoop: canLoop) }

    /// Ends the run and writes the summary where the format has one.
    public mutating func end(omissions: [Omission] = []) -> RunReport {
        let report = pipeline.end(omissions: omissions)
        writer.batch.writeRows()
        writer.format.end(report, legend: pipeline.legend, into: &writer.batch.bytes)
        return report
    }

    /// The summary for a reader, where it has no place in the format.
    public func summaryText(_ report: RunReport, width: Int, colour: Bool) -> String? {
        if writer.format.holdsLossesAndSummary { return nil }
        return SummaryText(report: report, legend: pipeline.legend, width: width, colour: colour).text
    }

    /// What the output of a run that is over lacks, in one line; nil where nothing is missing.
    public func shortfall(in report: RunReport) -> String? {
        writer.format.shortfall(in: report, rows: writer.findings, legend: pipeline.legend)
    }

    /// Losses among `events` for a reader, where they have no place in the format.
    public func textOfLosses(in events: [Event]) -> [String] {
        if writer.format.holdsLossesAndSummary { return [] }
        return events.compactMap { event in
            guard case .lost(let loss) = event else { return nil }
            return "\(loss.count) lost at \(loss.stage.rawValue): \(loss.stage.meaning)"
        }
    }
}

extension FindingStream: EventSink {
    public mutating func take(_ lookup: Lookup, isProgress: Bool) {
        take(lookup, isProgress: isProgress) { _ in }
    }

    /// `found` gets the finding, if there is one.
    public mutating func take(_ lookup: Lookup, isProgress: Bool, found: (Finding) -> Void) {
        guard !isAtLimit else { return }
        Self.take(lookup, isProgress: isProgress, through: &pipeline, into: &writer, found: found)
    }

    private static func take(
        _ lookup: Lookup, isProgress: Bool, through pipeline: inout FindingPipeline, into writer: inout Writer,
        found: (Finding) -> Void
    ) {
        pipeline.take(lookup, isProgress: isProgress) { finding, legend in
            writer.take(finding, legend: legend)
            found(finding)
        }
    }

    public mutating func take(_ detach: Detach) {
        guard !isAtLimit else { return }
        writer.take(detach, legend: pipeline.legend)
        pipeline.take(detach)
    }

    public mutating func take(_ activity: Activity) {
        guard !isAtLimit else { return }
        writer.take(activity, legend: pipeline.legend)
        pipeline.take(activity)
    }

    public mutating func take(_ name: Name) {
        let forgotten = pipeline.take(name)
        writer.change(name.subject, forgotten: forgotten)
    }

    public mutating func take(_ loss: Loss) {
        writer.take(loss, legend: pipeline.legend)
        pipeline.take(loss)
    }

    public mutating func take(_ totals: Totals) { pipeline.take(totals) }
}

/// The format and the rows that nobody has taken yet.
private struct Writer: Sendable {
    var format: any FindingFormat
    /// Asked once: there are millions of rows.
    private let holds: (findings: Bool, detaches: Bool, activities: Bool, losses: Bool)
    /// Rows are not written here.
    let leavesRows: Bool
    var batch: RowBatch
    var findings: UInt64 = 0
    /// Batches that were given back.
    var spare: [RowBatch] = []
    private var detaches = SeenDetaches()

    /// Writes the head of the format.
    init(format: any FindingFormat, legend: Legend, leavesRows: Bool) {
        self.format = format
        self.leavesRows = leavesRows && format.rowsStandAlone
        holds = (format.holds(.findings), format.holds(.detaches), format.holds(.activities), format.holds(.losses))
        batch = RowBatch(format: format, legend: legend)
        self.format.begin(into: &batch.bytes)
    }

    mutating func take(_ finding: Finding, legend: Legend) {
        if holds.findings {
            if leavesRows {
                batch.take(finding, names: legend.names)
            } else {
                format.write(finding, legend: legend, into: &batch.bytes)
            }
        }
        if !finding.isProgress { findings += 1 }
    }

    mutating func take(_ detach: Detach, legend: Legend) {
        guard holds.detaches, detaches.isNew(detach) else { return }
        if leavesRows {
            batch.take(detach, names: legend.names)
        } else {
            format.write(detach, legend: legend, into: &batch.bytes)
        }
    }

    mutating func take(_ activity: Activity, legend: Legend) {
        guard holds.activities else { return }
        if leavesRows {
            batch.take(activity, names: legend.names)
        } else {
            format.write(activity, legend: legend, into: &batch.bytes)
        }
    }

    mutating func take(_ loss: Loss, legend: Legend) {
        guard holds.losses else { return }
        if leavesRows { batch.take(loss) } else { format.write(loss, legend: legend, into: &batch.bytes) }
    }

    /// The name of `subject` is another now, and that of `forgotten` is not known any more.
    mutating func change(_ subject: Name.Subject, forgotten: Name.Subject?) {
        guard leavesRows else { return }
        batch.change(subject)
        if let forgotten { batch.change(forgotten) }
    }

    mutating func takeBatch(legend: Legend) -> RowBatch {
        var next = spare.popLast() ?? RowBatch(format: format, legend: legend)
        swap(&batch, &next)
        return next
    }
}

// SPDX-License-Identifier: Apache-2.0

// From events to bytes: names are learnt, the correlator is fed, what it makes known is written in the
// chosen format, here or by whoever takes the rows. Pure, so that a live trace and a recording that is read again
// give the same bytes.

public import Correlation
public import Events

/// One run of a format over a stream of events.
public struct FindingStream: Sendable {
    private var correlator: Correlator
    private var told: Told
    private let run: RunInfo
    private let limit: UInt64?
    private var totals = Totals()

    /// What takes the findings while the correlator holds them.
    private struct Told: Sendable {
        var analysis: Analysis?
        var legend: Legend
        var format: any FindingFormat
        /// Asked once: there are millions of rows.
        private let holds: (findings: Bool, detaches: Bool, activities: Bool, losses: Bool)
        /// Rows are not written here.
        let leavesRows: Bool
        var batch: RowBatch
        var findings: UInt64 = 0
        /// Batches that were given back.
        var spare: [RowBatch] = []
        private var detaches = ToldDetaches()

        init(analysis: Analysis?, legend: Legend, format: any FindingFormat, leavesRows: Bool) {
            (self.analysis, self.legend, self.format) = (analysis, legend, format)
            self.leavesRows = leavesRows && format.rowsStandAlone
            holds = (
                format.holds(.findings), format.holds(.detaches), format.holds(.activities), format.holds(.losses)
            )
            batch = RowBatch(format: format, legend: legend)
        }

        mutating func add(_ finding: Finding) {
            if holds.findings {
                if leavesRows {
                    batch.add(finding, names: legend.names)
                } else {
                    format.write(finding, legend: legend, into: &batch.bytes)
                }
            }
            if finding.isProgress { return }
            analysis?.consume(finding)
            findings += 1
        }

        mutating func add(_ detach: Detach) {
            guard holds.detaches, detaches.isNew(detach) else { return }
            if leavesRows {
                batch.add(detach, names: legend.names)
            } else {
                format.write(detach, legend: legend, into: &batch.bytes)
            }
        }

        mutating func add(_ activity: Activity) {
            guard holds.activities else { return }
            if leavesRows {
                batch.add(activity, names: legend.names)
            } else {
                format.write(activity, legend: legend, into: &batch.bytes)
            }
        }

        mutating func add(_ loss: Loss) {
            guard holds.losses else { return }
            if leavesRows { batch.add(loss) } else { format.write(loss, into: &batch.bytes) }
        }

        mutating func learn(_ name: Name) {
            let forgotten = legend.names.learn(name)
            guard leavesRows else { return }
            batch.change(name.subject)
            if let forgotten { batch.change(forgotten) }
        }

        mutating func takeBatch() -> RowBatch {
            var next = spare.popLast() ?? RowBatch(format: format, legend: legend)
            swap(&batch, &next)
            return next
        }
    }

    /// Ends after `limit` findings, if one is given; the progress of a loop is not counted. With `leavesRows` the
    /// rows are written by whoever takes them, if the format allows it.
    public init(
        format: any FindingFormat, correlator: Correlator, run: RunInfo, analysis: Analysis? = nil,
        limit: UInt64? = nil, leavesRows: Bool = false
    ) {
        self.correlator = correlator
        self.run = run
        self.limit = limit
        let legend = Legend(
            clock: WallClock(offsetNs: run.wallClockOffsetNs), showsKernelAddresses: run.showsKernelAddresses)
        told = Told(analysis: analysis, legend: legend, format: format, leavesRows: leavesRows)
        told.format.begin(into: &told.batch.bytes)
    }

    /// The bytes of what came since the last call.
    public mutating func takeBytes() -> [UInt8] {
        told.batch.writeRows()
        return told.batch.takeBytes()
    }

    /// What came since the last call.
    public mutating func takeBatch() -> RowBatch { told.takeBatch() }

    /// Takes back the memory of a batch whose bytes nobody needs any more.
    public mutating func giveBack(_ batch: consuming RowBatch) {
        batch.empty()
        told.spare.append(batch)
    }

    /// Whether what came is worth to be taken: anything that is written, and of what is not, a full batch.
    public var hasBatch: Bool { told.leavesRows ? told.batch.isFull : !told.batch.bytes.isEmpty }

    /// The terminal has another width.
    public mutating func resize(to width: Int) {
        told.format.resize(to: width, into: &told.batch.bytes)
    }

    /// No more lookups are wanted.
    public var isAtLimit: Bool { told.findings == limit }

    /// Takes events in order; false when no more lookups are wanted. Losses and totals are taken even then.
    /// `found` gets each finding that is told.
    public mutating func consume(_ events: [Event], found: (Finding) -> Void = { _ in }) -> Bool {
        for event in events {
            switch event {
            case .lookup(let lookup): tell(lookup, isProgress: false, found: found)
            case .progress(let lookup): tell(lookup, isProgress: true, found: found)
            default: take(event)
            }
        }
        return !isAtLimit
    }

    /// What is known so far of a run that goes on; `canLoop` says whether a task can still be in a lookup.
    public mutating func state(canLoop: (TaskIdentity) -> Bool) -> RunState {
        correlator.giveUpLoops(at: totals.time, unless: canLoop)
        return RunState(report: report(omissions: []), loops: correlator.loops.all, legend: told.legend)
    }

    /// Ends the run and writes the summary where the format has one.
    public mutating func end(omissions: [Omission] = []) -> RunReport {
        let unfinished = correlator.finish()
        told.analysis?.finish(unfinished: unfinished)
        let report = report(omissions: omissions)
        told.batch.writeRows()
        told.format.end(report, legend: told.legend, into: &told.batch.bytes)
        return report
    }

    private func report(omissions: [Omission]) -> RunReport {
        RunReport(
            summary: correlator.summary, totals: totals, losses: correlator.losses, run: run, analysis: told.analysis,
            omissions: omissions)
    }

    /// The summary for a reader, where it has no place in the format.
    public func summaryText(_ report: RunReport, width: Int, colour: Bool) -> String? {
        if told.format.holdsLossesAndSummary { return nil }
        return SummaryText(report: report, legend: told.legend, width: width, colour: colour).text
    }

    /// Losses among `events` for a reader, where they have no place in the format.
    public func textOfLosses(in events: [Event]) -> [String] {
        if told.format.holdsLossesAndSummary { return [] }
        return events.compactMap { event in
            guard case .lost(let loss) = event else { return nil }
            return "\(loss.count) lost at \(loss.stage.rawValue): \(loss.stage.meaning)"
        }
    }
}

extension FindingStream: EventSink {
    public mutating func take(_ lookup: Lookup, isProgress: Bool) {
        tell(lookup, isProgress: isProgress) { _ in }
    }

    /// `found` gets the finding, if there is one.
    private mutating func tell(_ lookup: Lookup, isProgress: Bool, found: (Finding) -> Void) {
        guard !isAtLimit else { return }
        told.analysis?.consume(lookup)
        Self.correlate(lookup, isProgress: isProgress, by: &correlator, into: &told, found: found)
    }

    private static func correlate(
        _ lookup: Lookup, isProgress: Bool, by correlator: inout Correlator, into told: inout Told,
        found: (Finding) -> Void
    ) {
        correlator.consume(lookup, isProgress: isProgress) { finding in
            told.add(finding)
            found(finding)
        }
    }

    public mutating func take(_ detach: Detach) {
        guard !isAtLimit else { return }
        told.add(detach)
        correlator.consume(detach)
        told.analysis?.consume(detach)
    }

    public mutating func take(_ activity: Activity) {
        guard !isAtLimit else { return }
        told.add(activity)
        told.analysis?.consume(activity)
    }

    public mutating func take(_ name: Name) {
        told.learn(name)
        correlator.consume(name)
    }

    public mutating func take(_ loss: Loss) {
        told.add(loss)
        correlator.consume(loss)
        told.analysis?.consume(loss)
    }

    public mutating func take(_ totals: Totals) {
        self.totals = totals
        told.analysis?.consume(totals)
    }
}

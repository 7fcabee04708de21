// From events to bytes: names are learnt, the correlator is fed, what it makes known is written in the
// chosen format. Pure, so that a live trace and a recording that is read again give the same bytes.

public import Correlation
public import Events

/// One run of a format over a stream of events.
public struct FindingStream: Sendable {
    private var correlator: Correlator
    private var legend: Legend
    private var format: any FindingFormat
    private let limit: UInt64?
    private var findings: UInt64 = 0
    private var bytes: [UInt8] = []

    /// Ends after `limit` findings, if one is given; the progress of a loop is not counted.
    public init(format: any FindingFormat, correlator: Correlator, legend: Legend, limit: UInt64? = nil) {
        self.format = format
        self.correlator = correlator
        self.legend = legend
        self.limit = limit
        self.format.begin(into: &bytes)
    }

    /// What was written since the last call.
    public mutating func takeBytes() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }

    /// The terminal has another width.
    public mutating func resize(to width: Int) {
        format.resize(to: width, into: &bytes)
    }

    /// Takes events in order; false when no more are wanted.
    public mutating func consume(_ events: [Event]) -> Bool {
        for event in events {
            if case .name(let name) = event { legend.names.learn(name) }
            if case .lost(let loss) = event { format.write(loss, into: &bytes) }
            guard let finding = correlator.consume(event) else { continue }
            format.write(finding, legend: legend, into: &bytes)
            if finding.isProgress { continue }
            findings += 1
            if findings == limit { return false }
        }
        return true
    }

    /// Takes losses that a source has counted so far; writes and returns those that are new.
    public mutating func tellLosses(_ counted: [Loss.Stage: UInt64], time: UInt64 = 0) -> [Loss] {
        let fresh = Loss.Stage.allCases.compactMap { stage -> Loss? in
            let (now, before) = (counted[stage] ?? 0, correlator.losses[stage] ?? 0)
            return now > before ? Loss(time: time, stage: stage, count: now - before) : nil
        }
        for loss in fresh {
            _ = correlator.consume(.lost(loss))
            format.write(loss, into: &bytes)
        }
        return fresh
    }

    /// Ends the run and writes the summary where the format has one.
    public mutating func end(totals: Totals, probes: [ProbeReport], durationNs: UInt64) -> RunReport {
        correlator.finish()
        let report = RunReport(
            summary: correlator.summary, totals: totals, losses: correlator.losses, probes: probes,
            durationNs: durationNs)
        format.end(report, legend: legend, into: &bytes)
        return report
    }

    /// The summary for a reader, where it has no place in the format.
    public func summaryText(_ report: RunReport, width: Int, colour: Bool) -> String? {
        if format.holdsLossesAndSummary { return nil }
        return SummaryText(report: report, legend: legend, width: width, colour: colour).text
    }

    /// Losses for a reader, where they have no place in the format.
    public func text(of losses: [Loss]) -> [String] {
        if format.holdsLossesAndSummary { return [] }
        return losses.map { "\($0.count) lost at \($0.stage.rawValue): \($0.stage.meaning)" }
    }
}

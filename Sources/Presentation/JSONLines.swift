// JSON Lines: a `lookup` or `progress` for each finding, a `lost` for each loss, one `summary` at the
// end, and one `report` after it where the run was analysed as a whole. Keys and their order are a
// contract; further keys may follow those that are there.

public import Correlation
public import Events

/// One object a line.
public struct JSONLines: FindingFormat {
    private let origin: ReportOrigin?

    /// `origin` is what the report says of itself, if there is one.
    public init(origin: ReportOrigin? = nil) { self.origin = origin }

    public var holdsLossesAndSummary: Bool { true }

    public func begin(into bytes: inout [UInt8]) {}

    public func write(_ finding: Finding, legend: Legend, into bytes: inout [UInt8]) {
        bytes += JSONWriter.line { $0.write(finding, legend: legend) }
    }

    public func write(_ loss: Loss, into bytes: inout [UInt8]) {
        bytes += JSONWriter.line {
            $0.text("type", "lost")
            $0.text("stage", loss.stage.rawValue)
            $0.number("count", loss.count)
        }
    }

    public func end(_ report: RunReport, legend: Legend, into bytes: inout [UInt8]) {
        bytes += JSONWriter.line { $0.write(report, legend: legend) }
        guard let analysis = report.analysis else { return }
        bytes += JSONWriter.line { $0.write(analysis, of: report, legend: legend, origin: origin) }
    }
}

extension JSONWriter {
    fileprivate mutating func write(_ finding: Finding, legend: Legend) {
        let lookup = finding.lookup
        text("type", finding.isProgress ? "progress" : "lookup")
        text("time", legend.clock.timestamp(lookup.time))
        text("time_ns", String(legend.clock.epochNs(lookup.time)))
        number("pid", UInt64(lookup.victim.pid))
        number("tid", UInt64(lookup.victim.tid))
        text("comm", lookup.victim.comm.text)
        text("cgroup", legend.names.cgroup(lookup.victim.cgroup))
        text("uaddr", "0x" + String(lookup.address, radix: 16))
        text("access", lookup.access)
        number("passes", lookup.isTimed ? lookup.passes : nil)
        number("duration_ns", lookup.durationNs)
        text("result", lookup.result.map(ErrorNumber.name(ofResult:)))
        text("outcome", finding.outcome.rawValue)
        list("retries", RetryReason.allCases.filter { lookup.retries[$0] > 0 }) { writer, reason in
            writer.text("reason", reason.rawValue)
            writer.number("count", lookup.retries[reason])
        }
        writePage(finding, legend: legend)
        flag("unmapped", lookup.observations > 0)
        text("cause", finding.explainedCause?.rawValue)
        text("confidence", finding.confidence.rawValue)
        if finding.explainedCause != nil, let reason = finding.unknownReason {
            text("unknown_reason", reason.rawValue)
        }
        writeDetach(finding)
        flag("spurious", finding.spurious)
        if let verdicts = finding.verdicts {
            object("verdicts") {
                $0.text("retry", verdicts.retry.rawValue)
                $0.text("efault", verdicts.efault.rawValue)
                $0.text("swizzle", verdicts.swizzle.rawValue)
            }
        } else {
            null("verdicts")
        }
        number("observations", lookup.observations)
        number("lock_waits", UInt64(lookup.lockWaits))
        if let failure = finding.failure { text("failure", failure.rawValue) }
        if finding.isIncomplete { flag("incomplete", true) }
    }

    private mutating func writePage(_ finding: Finding, legend: Legend) {
        guard let page = finding.lookup.page else { return null("page") }
        let file = finding.file
        object("page") {
            $0.text("id", legend.id(of: page.page))
            $0.text("kind", finding.kind.rawValue)
            $0.text("dev", file.map(Legend.device(of:)))
            $0.number("inode", file?.inode)
            $0.number("index", file == nil ? nil : page.index)
            $0.text("path", file.flatMap(legend.names.path(of:)))
            $0.text("fstype", file.flatMap(legend.names.fileSystem(of:)))
        }
    }

    private mutating func writeDetach(_ finding: Finding) {
        guard let detach = finding.detach else { return null("detach") }
        object("detach") {
            $0.number("age_ns", finding.detachAgeNs)
            $0.number("pid", UInt64(detach.culprit.pid))
            $0.number("tid", UInt64(detach.culprit.tid))
            $0.text("comm", detach.culprit.comm.text)
            $0.flag("neighbour", finding.neighbour)
            $0.number("references", UInt64(max(0, detach.references)))
        }
    }
}

extension Lookup {
    /// What the lookup was for.
    var access: String { flags.contains(.write) ? "write" : "read" }
}

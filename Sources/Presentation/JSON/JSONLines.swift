// SPDX-License-Identifier: Apache-2.0

// JSON Lines: a `lookup` or `progress` for each finding, a `lost` for each loss, one `summary` at the end, and one
// `report` after it where the run was analysed as a whole; or only certain rows, where these are requested. Keys and
// their order are a contract; further keys may be added at the end.

public import Correlation
public import Events

/// One object on each line.
public struct JSONLines: FindingFormat {
    private let rows: Set<RowType>
    /// What a live trace writes: findings, losses, the summary.
    private let isTrace: Bool
    private let origin: ReportOrigin?
    private var timestamps = TimestampWriter()

    /// Findings, losses and the summary; `origin` has the source and the filters of a report, if there is one.
    public init(origin: ReportOrigin? = nil) {
        (rows, isTrace, self.origin) = ([.findings, .losses], true, origin)
    }

    /// Rows of these kinds alone.
    public init(rows: Set<RowType>) {
        (self.rows, isTrace, origin) = (rows, false, nil)
    }

    public var holdsLossesAndSummary: Bool { isTrace }
    public var showsEveryLookup: Bool { holds(.findings) }
    public var rowsStandAlone: Bool { true }
    public func holds(_ type: RowType) -> Bool { rows.contains(type) }

    public func begin(into bytes: inout [UInt8]) {}

    public mutating func write(_ finding: Finding, legend: Legend, into bytes: inout [UInt8]) {
        bytes.appendLine {
            $0.write(finding, legend: legend, timestamps: &timestamps)
            $0.append(members: legend.membersOfRun)
        }
    }

    public mutating func write(_ detach: Detach, legend: Legend, into bytes: inout [UInt8]) {
        bytes.appendLine {
            $0.write(detach, legend: legend, timestamps: &timestamps)
            $0.append(members: legend.membersOfRun)
        }
    }

    public mutating func write(_ activity: Activity, legend: Legend, into bytes: inout [UInt8]) {
        bytes.appendLine {
            $0.write(activity, legend: legend, timestamps: &timestamps)
            $0.append(members: legend.membersOfRun)
        }
    }

    public mutating func write(_ loss: Loss, legend: Legend, into bytes: inout [UInt8]) {
        bytes.appendLine {
            $0.word("type", "lost")
            if !isTrace {
                $0.write(time: loss.time == 0 ? nil : loss.time, clock: legend.clock, timestamps: &timestamps)
            }
            $0.word("stage", loss.stage.rawValue)
            $0.number("count", loss.count)
            if !isTrace { $0.flag("touches_evidence", loss.stage.touchesEvidence) }
            $0.append(members: legend.membersOfRun)
        }
    }

    public func end(_ report: RunReport, legend: Legend, into bytes: inout [UInt8]) {
        guard isTrace else { return }
        bytes.appendLine {
            $0.write(report, legend: legend)
            $0.append(members: legend.membersOfRun)
        }
        guard let analysis = report.analysis else { return }
        bytes.appendLine {
            $0.write(analysis, of: report, legend: legend, origin: origin)
            $0.append(members: legend.membersOfRun)
        }
    }
}

extension JSONWriter {
    fileprivate mutating func write(_ finding: Finding, legend: Legend, timestamps: inout TimestampWriter) {
        let lookup = finding.lookup
        word("type", finding.isProgress ? "progress" : "lookup")
        write(time: lookup.time, clock: legend.clock, timestamps: &timestamps)
        write(lookup.victim, legend: legend)
        if lookup.isAddressKnown {
            quoted("uaddr") {
                $0.append("0x")
                $0.append(hex: lookup.address)
            }
        } else {
            null("uaddr")
        }
        word("access", lookup.access)
        number("passes", lookup.isTimed ? lookup.passes : nil)
        number("duration_ns", lookup.durationNs)
        word("result", lookup.result.map(ErrorNumber.name(ofResult:)))
        word("outcome", finding.outcome.rawValue)
        list("retries", RetryReason.allCases.filter { lookup.retries[$0] > 0 }) { writer, reason in
            writer.word("reason", reason.rawValue)
            writer.number("count", lookup.retries[reason])
        }
        writePage(finding, legend: legend)
        flag("unmapped", lookup.observations > 0)
        word("cause", finding.explainedCause?.rawValue)
        word("confidence", finding.confidence.rawValue)
        if finding.explainedCause != nil, let reason = finding.unknownReason {
            word("unknown_reason", reason.rawValue)
        }
        writeDetach(finding, legend: legend)
        flag("spurious", finding.spurious)
        if let verdicts = finding.verdicts {
            object("verdicts") {
                for rule in Rule.inFieldOrder { $0.word(JSONKey(rule.rawValue), verdicts[rule].rawValue) }
            }
        } else {
            null("verdicts")
        }
        number("observations", lookup.observations)
        number("lock_waits", lookup.isTimed ? UInt64(lookup.lockWaits) : nil)
        if let failure = finding.failure { word("failure", failure.rawValue) }
        if finding.isIncomplete { flag("incomplete", true) }
        write(legend.names.workload(lookup.victim.cgroup))
        word("operation", lookup.operation?.name)
    }

    private mutating func writePage(_ finding: Finding, legend: Legend) {
        guard let page = finding.lookup.page else { return null("page") }
        let file = finding.file
        object("page") {
            $0.write(page.page, legend: legend)
            $0.word("kind", finding.kind.rawValue)
            $0.write(deviceOf: file)
            $0.number("inode", file?.inode)
            $0.number("index", file == nil ? nil : page.index)
            let name = legend.names.file(file)
            $0.text("path", name?.path)
            $0.text("fstype", name?.fileSystem)
            $0.text("file_state", name?.fileState?.rawValue)
            guard page.facts.contains(.failureDescribed) else { return }
            $0.number("file_size_bytes", file == nil ? nil : page.fileSize)
            $0.word("area", page.areaWord)
        }
    }

    private mutating func writeDetach(_ finding: Finding, legend: Legend) {
        guard let detach = finding.detach else { return null("detach") }
        object("detach") {
            $0.number("age_ns", legend.detachAgeNs(of: finding))
            $0.number("pid", UInt64(detach.culprit.pid))
            $0.number("tid", UInt64(detach.culprit.tid))
            $0.text("comm", detach.culprit.comm)
            $0.flag("neighbour", finding.neighbour)
            $0.number("references", UInt64(max(0, detach.references)))
            $0.text("cgroup", legend.names.cgroup(detach.culprit.cgroup))
            $0.write(legend.names.workload(detach.culprit.cgroup))
            $0.write(detach.callPath, legend: legend)
        }
    }
}

extension PageFacts {
    /// What the memory area at the address of a failure permits; nil where it was not read.
    var areaWord: String? {
        guard facts.contains(.failureDescribed) else { return nil }
        if facts.contains(.noArea) { return "none" }
        guard facts.contains(.areaKnown) else { return nil }
        return switch (facts.contains(.areaIsReadable), facts.contains(.areaIsWritable)) {
        case (true, true): "read-write"
        case (true, false): "read"
        case (false, true): "write"
        case (false, false): "no-access"
        }
    }
}

extension Lookup {
    /// The kind of access; nil when the address, and so the access, is not known.
    var access: String? { isAddressKnown ? flags.contains(.write) ? "write" : "read" : nil }
}

// SPDX-License-Identifier: Apache-2.0

// CSV by RFC 4180: a header row, CRLF line ends, units in the column names, rows of one kind. The columns
// are the keys of the JSON lines, flattened, and their order is fixed: new ones are added at the end.
// An empty field means not known or not applicable.

public import Correlation
public import Events

/// One row for each finding, detach, activity or loss.
///
/// Text in a row (names of tasks, control groups, paths) comes from other tasks. Where it begins with `=`,
/// `+`, `-` or `@` a spreadsheet would take it for a formula, so an apostrophe is put before it. Control
/// characters and invisible formatting are written as `\x1b` or `\u{202e}`, so that a record is one line
/// and harmless on a terminal. JSON Lines keep the text exactly.
public struct CSV: FindingFormat {
    private let rows: RowType
    private var timestamps = TimestampWriter()

    /// Findings.
    public init() { self.init(rows: .findings) }

    /// Rows of one kind.
    public init(rows: RowType) { self.rows = rows }

    public var holdsLossesAndSummary: Bool { false }
    public var showsEveryLookup: Bool { rows == .findings }
    public var rowsStandAlone: Bool { true }
    public func holds(_ type: RowType) -> Bool { type == rows }

    public func begin(into bytes: inout [UInt8]) {
        bytes += (Self.columns(of: rows).joined(separator: ",") + "\r\n").utf8
    }

    static func columns(of rows: RowType) -> [String] {
        switch rows {
        case .findings: columns
        case .detaches:
            [
                "time", "time_ns", "page_id", "dev", "inode", "page_index", "path", "fstype", "file_size_bytes",
                "pages",
                "page_references", "via", "scope", "hole_start_bytes", "hole_end_bytes", "cause", "confidence", "pid",
                "tid", "comm", "cgroup", "landmarks", "file_state", "unit", "container", "pod", "call_path",
                "host", "kernel", "run_id",
            ]
        case .activities:
            [
                "time", "time_ns", "begin_time_ns", "kind", "phase", "duration_ns", "pages", "pid", "tid", "comm",
                "cgroup", "unit", "container", "pod", "host", "kernel", "run_id",
            ]
        case .losses: ["time", "time_ns", "stage", "count", "touches_evidence", "host", "kernel", "run_id"]
        }
    }

    static let columns = [
        "type", "time", "time_ns", "pid", "tid", "comm", "cgroup", "uaddr", "access", "passes",
        "duration_ns", "result", "outcome", "retries_swizzled", "retries_mapping_changed",
        "retries_no_host", "retries_no_mapping", "page_id", "page_kind", "page_dev", "page_inode",
        "page_index", "page_path", "page_fstype", "unmapped", "cause", "confidence", "unknown_reason",
        "detach_age_ns", "detach_pid", "detach_tid", "detach_comm", "detach_neighbour",
        "detach_references", "spurious", "verdicts_retry", "verdicts_efault", "verdicts_swizzle",
        "observations", "lock_waits", "failure", "incomplete", "unit", "container", "pod", "page_file_state",
        "detach_cgroup", "detach_unit", "detach_container", "detach_pod", "verdicts_vma", "verdicts_retry_zero",
        "verdicts_fallback", "operation", "page_file_size_bytes", "page_area",
        "detach_call_path", "host", "kernel", "run_id",
    ]

    // MARK: Rows

    public mutating func write(_ finding: Finding, legend: Legend, into bytes: inout [UInt8]) {
        bytes.appendRow { write(finding, legend: legend, to: &$0) }
    }

    private mutating func write(_ finding: Finding, legend: Legend, to row: inout CSVRow) {
        let lookup = finding.lookup
        let detach = finding.detach
        let file = finding.file
        let name = legend.names.file(file)
        row.word(finding.isProgress ? "progress" : "lookup")
        row.time(lookup.time, clock: legend.clock, writer: &timestamps)
        row.number(lookup.victim.pid)
        row.number(lookup.victim.tid)
        row.foreign(lookup.victim.comm)
        row.foreign(legend.names.cgroup(lookup.victim.cgroup))
        row.address(lookup.isAddressKnown ? lookup.address : nil)
        row.word(lookup.access)
        row.number(lookup.isTimed ? lookup.passes : nil)
        row.number(lookup.durationNs)
        row.word(lookup.result.map(ErrorNumber.name(ofResult:)))
        row.word(finding.outcome.rawValue)
        row.number(lookup.retries.swizzled)
        row.number(lookup.isTimed ? lookup.retries.mappingChanged : nil)
        row.number(lookup.isTimed ? lookup.retries.noHost : nil)
        row.number(lookup.isTimed ? lookup.retries.noMapping : nil)
        Self.writePage(of: finding, file: file, name: name, legend: legend, to: &row)
        row.flag(lookup.observations > 0)
        let cause = finding.explainedCause
        row.word(cause?.rawValue)
        row.word(finding.confidence.rawValue)
        row.word(cause == nil ? nil : finding.unknownReason?.rawValue)
        Self.write(detach, of: finding, legend: legend, to: &row)
        row.flag(finding.spurious)
        for rule in Rule.inFieldOrder.prefix(3) { row.word(finding.verdicts?[rule].rawValue) }
        row.number(lookup.observations)
        row.number(lookup.isTimed ? lookup.lockWaits : nil)
        row.word(finding.failure?.rawValue)
        row.flag(finding.isIncomplete)
        row.workload(of: lookup.victim, legend: legend)
        row.word(lookup.page == nil ? nil : name?.fileState?.rawValue)
        if let culprit = detach?.culprit {
            row.foreign(legend.names.cgroup(culprit.cgroup))
            row.workload(of: culprit, legend: legend)
        } else {
            row.empty(4)
        }
        // Rules that were added later.
        for rule in Rule.inFieldOrder.dropFirst(3) { row.word(finding.verdicts?[rule].rawValue) }
        row.word(lookup.operation?.name)
        let isFailure = lookup.page?.facts.contains(.failureDescribed) == true && file != nil
        row.number(isFailure ? lookup.page?.fileSize : nil)
        row.word(lookup.page?.areaWord)
        row.foreign(legend.names.callPath(detach?.callPath ?? .none)?.text)
        row.append(fields: legend.fieldsOfRun)
    }

    private static func writePage(
        of finding: Finding, file: FileID?, name: Name?, legend: Legend, to row: inout CSVRow
    ) {
        guard let page = finding.lookup.page else { return row.empty(7) }
        row.page(page.page.rawValue == 0 ? nil : page.page, legend: legend)
        row.word(finding.kind.rawValue)
        guard let file else { return row.empty(5) }
        row.device(file)
        row.number(file.inode)
        row.number(page.index)
        row.foreign(name?.path)
        row.foreign(name?.fileSystem)
    }

    private static func write(_ detach: Detach?, of finding: Finding, legend: Legend, to row: inout CSVRow) {
        guard let detach else {
            row.empty(4)
            row.flag(finding.neighbour)
            return row.empty()
        }
        row.number(legend.detachAgeNs(of: finding))
        row.number(detach.culprit.pid)
        row.number(detach.culprit.tid)
        row.foreign(detach.culprit.comm)
        row.flag(finding.neighbour)
        row.signed(detach.references)
    }

    public mutating func write(_ detach: Detach, legend: Legend, into bytes: inout [UInt8]) {
        bytes.appendRow { write(detach, legend: legend, to: &$0) }
    }

    private mutating func write(_ detach: Detach, legend: Legend, to row: inout CSVRow) {
        let file = detach.file.isNone ? nil : detach.file
        let name = legend.names.file(file)
        let (cause, confidence) = detach.explanation
        row.time(detach.time, clock: legend.clock, writer: &timestamps)
        row.page(detach.page, legend: legend)
        row.device(file)
        row.number(file?.inode)
        row.number(detach.index)
        row.foreign(name?.path)
        row.foreign(name?.fileSystem)
        row.number(detach.fileSize)
        row.number(detach.pages)
        row.signed(detach.references)
        row.word(detach.via.name)
        row.word(detach.scope?.name)
        row.number(detach.hole?.lowerBound)
        row.number(detach.hole?.upperBound)
        row.word(cause.rawValue)
        row.word(confidence.rawValue)
        Self.write(detach.culprit, legend: legend, to: &row)
        row.words(detach.landmarks.names)
        row.word(name?.fileState?.rawValue)
        row.workload(of: detach.culprit, legend: legend)
        row.foreign(legend.names.callPath(detach.callPath)?.text)
        row.append(fields: legend.fieldsOfRun)
    }

    public mutating func write(_ activity: Activity, legend: Legend, into bytes: inout [UInt8]) {
        bytes.appendRow { write(activity, legend: legend, to: &$0) }
    }

    private mutating func write(_ activity: Activity, legend: Legend, to row: inout CSVRow) {
        row.time(activity.time, clock: legend.clock, writer: &timestamps)
        if legend.clock.showsCounts { row.empty() } else { row.signed(legend.clock.epochNs(activity.begin)) }
        row.word(activity.kind.name)
        row.word(activity.phase)
        row.number(activity.durationNs)
        row.number(activity.pages)
        Self.write(activity.task, legend: legend, to: &row)
        row.workload(of: activity.task, legend: legend)
        row.append(fields: legend.fieldsOfRun)
    }

    public mutating func write(_ loss: Loss, legend: Legend, into bytes: inout [UInt8]) {
        bytes.appendRow { write(loss, legend: legend, to: &$0) }
    }

    private mutating func write(_ loss: Loss, legend: Legend, to row: inout CSVRow) {
        if loss.time == 0 { row.empty(2) } else { row.time(loss.time, clock: legend.clock, writer: &timestamps) }
        row.word(loss.stage.rawValue)
        row.number(loss.count)
        row.flag(loss.stage.touchesEvidence)
        row.append(fields: legend.fieldsOfRun)
    }

    private static func write(_ task: TaskIdentity, legend: Legend, to row: inout CSVRow) {
        row.number(task.pid)
        row.number(task.tid)
        row.foreign(task.comm)
        row.foreign(legend.names.cgroup(task.cgroup))
    }

    public func end(_ report: RunReport, legend: Legend, into bytes: inout [UInt8]) {}
}

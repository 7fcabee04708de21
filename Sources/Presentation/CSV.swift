// CSV by RFC 4180: a header row, CRLF line ends, units in the column names. Findings only; the columns
// are the keys of the JSON lines, flattened, and their order is fixed: new ones are added at the end.
// An empty field means not known or not applicable.

public import Correlation
public import Events

/// One row a finding.
///
/// Text in a row (`comm`, `cgroup`, `page_path`, `page_fstype`, `detach_comm`) comes from other tasks.
/// Where it begins with `=`, `+`, `-` or `@` a spreadsheet would take it for a formula, so an apostrophe
/// is put before it. Control characters and invisible formatting are written as `\x1b` or `\u{202e}`,
/// so that a record is one line and harmless on a terminal. JSON Lines keep the text exactly.
public struct CSV: FindingFormat {
    public init() {}

    public var holdsLossesAndSummary: Bool { false }

    public func begin(into bytes: inout [UInt8]) {
        Self.append(row: Self.columns, into: &bytes)
    }

    public func write(_ finding: Finding, legend: Legend, into bytes: inout [UInt8]) {
        Self.append(row: Self.fields(finding, legend: legend), into: &bytes)
    }

    public func write(_ loss: Loss, into bytes: inout [UInt8]) {}

    public func end(_ report: RunReport, legend: Legend, into bytes: inout [UInt8]) {}

    static let columns = [
        "type", "time", "time_ns", "pid", "tid", "comm", "cgroup", "uaddr", "access", "passes",
        "duration_ns", "result", "outcome", "retries_swizzled", "retries_mapping_changed",
        "retries_no_host", "retries_no_mapping", "page_id", "page_kind", "page_dev", "page_inode",
        "page_index", "page_path", "page_fstype", "unmapped", "cause", "confidence", "unknown_reason",
        "detach_age_ns", "detach_pid", "detach_tid", "detach_comm", "detach_neighbour",
        "detach_references", "spurious", "verdicts_retry", "verdicts_efault", "verdicts_swizzle",
        "observations", "lock_waits", "failure", "incomplete",
    ]

    private static func fields(_ finding: Finding, legend: Legend) -> [String] {
        let (lookup, file, detach) = (finding.lookup, finding.file, finding.detach)
        let page = lookup.page
        var fields: [String] = [
            finding.isProgress ? "progress" : "lookup", legend.clock.timestamp(lookup.time),
            String(legend.clock.epochNs(lookup.time)), String(lookup.victim.pid), String(lookup.victim.tid),
            foreign(lookup.victim.comm.text), foreign(legend.names.cgroup(lookup.victim.cgroup)),
            "0x" + String(lookup.address, radix: 16), lookup.access,
            text(lookup.isTimed ? lookup.passes : nil), text(lookup.durationNs),
            lookup.result.map(ErrorNumber.name(ofResult:)) ?? "", finding.outcome.rawValue,
        ]
        fields += RetryReason.allCases.map { String(lookup.retries[$0]) }
        fields += [
            page.flatMap { legend.id(of: $0.page) } ?? "", page == nil ? "" : finding.kind.rawValue,
            file.map(Legend.device(of:)) ?? "", text(file?.inode), text(file == nil ? nil : page?.index),
            foreign(file.flatMap(legend.names.path(of:))), foreign(file.flatMap(legend.names.fileSystem(of:))),
            text(lookup.observations > 0), finding.explainedCause?.rawValue ?? "", finding.confidence.rawValue,
            finding.explainedCause == nil ? "" : finding.unknownReason?.rawValue ?? "",
            text(finding.detachAgeNs), text(detach?.culprit.pid), text(detach?.culprit.tid),
            foreign(detach?.culprit.comm.text), text(finding.neighbour), text(detach?.references),
            text(finding.spurious), finding.verdicts?.retry.rawValue ?? "",
            finding.verdicts?.efault.rawValue ?? "", finding.verdicts?.swizzle.rawValue ?? "",
            String(lookup.observations), String(lookup.lockWaits), finding.failure?.rawValue ?? "",
            text(finding.isIncomplete),
        ]
        return fields
    }

    private static func text(_ number: (some BinaryInteger)?) -> String {
        number.map { String($0) } ?? ""
    }

    private static func text(_ flag: Bool?) -> String {
        flag.map { $0 ? "true" : "false" } ?? ""
    }

    /// Text that another task chose.
    private static func foreign(_ text: String?) -> String {
        guard let text else { return "" }
        let formulaStarts: [Unicode.Scalar] = ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n"]
        let startsFormula = text.unicodeScalars.first.map(formulaStarts.contains) ?? false
        return (startsFormula ? "'" : "") + TerminalText.escaped(text)
    }

    private static func append(row: [String], into bytes: inout [UInt8]) {
        for (position, field) in row.enumerated() {
            if position > 0 { bytes.append(UInt8(ascii: ",")) }
            if field.utf8.contains(where: { [UInt8(ascii: ","), UInt8(ascii: "\"")].contains($0) }) {
                bytes.append(UInt8(ascii: "\""))
                for byte in field.utf8 {
                    if byte == UInt8(ascii: "\"") { bytes.append(byte) }
                    bytes.append(byte)
                }
                bytes.append(UInt8(ascii: "\""))
            } else {
                bytes += field.utf8
            }
        }
        bytes += "\r\n".utf8
    }
}

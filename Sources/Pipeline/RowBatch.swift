// SPDX-License-Identifier: Apache-2.0

// Rows that are not written yet, together with the names that they need. So another thread can write them, before or
// after other batches, and the bytes are the same as if they had been written at once. A batch is like a packet of a
// recording: a name precedes the row that needs it.

import Correlation
import Events
import Presentation

/// Bytes, and the rows that follow them and are not written yet.
public struct RowBatch: Sendable {
    /// The number of rows for which it is worth waking a thread.
    static let fullCount = 1024

    /// The bytes before the rows.
    public internal(set) var bytes: [UInt8] = []
    private let format: any FindingFormat
    private var legend: Legend
    private var findings: [Finding] = []
    /// Names and other items among the findings, each with the number of findings before it.
    private var others: [(place: Int, content: Content)] = []
    private var named: Set<Name.Subject> = []
    /// The last control group that was named: most rows have the one of the row before.
    private var lastCgroup: UInt64?
    private var isWritten = false

    private enum Content: Sendable {
        case name(Name)
        /// The name is not known, or not any more.
        case nameless(Name.Subject)
        case detach(Detach)
        case activity(Activity)
        case loss(Loss)
    }

    /// An empty batch. It takes rows only where the format can write each row by itself. It takes no names from
    /// `legend`.
    init(format: any FindingFormat, legend: Legend) {
        self.format = format
        self.legend = legend.withoutNames
    }

    // MARK: Collecting

    var isFull: Bool { findings.count + others.count >= Self.fullCount }

    mutating func take(_ finding: Finding, names: Names) {
        addName(cgroup: finding.lookup.victim.cgroup, of: names)
        if let file = finding.file { addName(.file(file), of: names) }
        if let detach = finding.detach {
            addName(cgroup: detach.culprit.cgroup, of: names)
            addName(of: detach.callPath, of: names)
        }
        findings.append(finding)
    }

    mutating func take(_ detach: Detach, names: Names) {
        addName(cgroup: detach.culprit.cgroup, of: names)
        if !detach.file.isNone { addName(.file(detach.file), of: names) }
        addName(of: detach.callPath, of: names)
        append(.detach(detach))
    }

    mutating func take(_ activity: Activity, names: Names) {
        addName(cgroup: activity.task.cgroup, of: names)
        append(.activity(activity))
    }

    mutating func take(_ loss: Loss) { append(.loss(loss)) }

    /// The name of this subject has changed or was dropped; the next row that needs it adds the current name.
    mutating func change(_ subject: Name.Subject) {
        lastCgroup = nil
        named.remove(subject)
    }

    private mutating func append(_ content: Content) { others.append((findings.count, content)) }

    private mutating func addName(cgroup: UInt64, of names: Names) {
        if cgroup == lastCgroup { return }
        lastCgroup = cgroup
        addName(.cgroup(cgroup), of: names)
    }

    private mutating func addName(of callPath: CallPathID, of names: Names) {
        if !callPath.isNone { addName(.callPath(callPath), of: names) }
    }

    /// Adds a name once, as long as it does not change.
    private mutating func addName(_ subject: Name.Subject, of names: Names) {
        guard named.insert(subject).inserted else { return }
        append(names.name(of: subject).map { .name($0.apart) } ?? .nameless(subject))
    }

    // MARK: Writing

    /// Adds the bytes of the rows, in the order in which they arrived, if that was not done before.
    public mutating func writeRows() {
        if isWritten { return }
        isWritten = true
        var format = format
        var next = 0
        let findings = findings
        for place in findings.indices {
            while next < others.count, others[next].place == place {
                write(others[next].content, as: &format)
                next += 1
            }
            format.write(findings.span[place], legend: legend, into: &bytes)
        }
        for other in others[next...] { write(other.content, as: &format) }
    }

    /// Returns the bytes; the batch then has neither rows nor bytes.
    mutating func takeBytes() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &bytes)
        // The next batch will need about as much memory, and a row reserves more than it uses.
        if !taken.isEmpty { bytes.reserveCapacity(taken.count + taken.count / 8 + 4096) }
        empty()
        return taken
    }

    /// Makes room for other rows in the same memory. The memory of the old rows is freed by the thread that allocated
    /// it, which is the one that collects rows.
    mutating func empty() {
        bytes.removeAll(keepingCapacity: true)
        findings.removeAll(keepingCapacity: true)
        others.removeAll(keepingCapacity: true)
        named.removeAll(keepingCapacity: true)
        (lastCgroup, isWritten, legend) = (nil, false, legend.withoutNames)
    }

    private mutating func write(_ content: Content, as format: inout any FindingFormat) {
        switch content {
        case .name(let name): legend.names.learn(name)
        case .nameless(let subject): legend.names.forget(subject)
        case .detach(let detach): format.write(detach, legend: legend, into: &bytes)
        case .activity(let activity): format.write(activity, legend: legend, into: &bytes)
        case .loss(let loss): format.write(loss, legend: legend, into: &bytes)
        }
    }
}

extension Name {
    /// A copy in memory of its own, because threads that count references to one text slow each other down.
    fileprivate var apart: Name {
        func apart(_ text: String) -> String { String(decoding: Array(text.utf8), as: UTF8.self) }
        return Name(subject: subject, text: apart(text), detail: apart(detail), fileState: fileState)
    }
}

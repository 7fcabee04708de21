// SPDX-License-Identifier: Apache-2.0

// Who hit whom, because of what, on which file: the findings of a run counted by those four. It is the base of the
// tables by workload and of the conclusions. Memory is bounded; findings beyond the limit are counted together.

public import Events

/// Findings by culprit, victim, cause and file.
public struct Encounters: Sendable {
    /// Rows kept.
    public static let rowLimit = 512

    /// A culprit or a victim. Processes of one name in one control group are one party unless processes are
    /// distinguished.
    public struct Party: Sendable, Hashable {
        public var comm: Comm
        public var cgroup: UInt64
        /// 0 where processes are not distinguished.
        public var pid: UInt32

        public init(comm: Comm, cgroup: UInt64 = 0, pid: UInt32 = 0) {
            (self.comm, self.cgroup, self.pid) = (comm, cgroup, pid)
        }

        public init(_ task: TaskIdentity) { self.init(comm: task.comm, cgroup: task.cgroup, pid: task.pid) }
    }

    public struct Key: Sendable, Hashable {
        /// Nil for lookups that only retried.
        public var cause: Cause?
        /// Set exactly when the cause is `unknown`.
        public var unknownReason: UnknownReason?
        /// Nil for a page that never has a mapping, and where the detach is not known.
        public var culprit: Party?
        public var victim: Party
        /// Nil for a page of no file.
        public var file: FileKey?
        /// The hole was in another page of the same folio.
        public var isNeighbour: Bool

        /// By the numbers of the cases: their words would take longer than all the rest.
        public func hash(into hasher: inout Hasher) {
            hasher.combine(cause.map { CaseTable<Cause, Row>.number(of: $0) } ?? -1)
            hasher.combine(culprit)
            hasher.combine(victim)
            hasher.combine(file)
        }
    }

    public struct Row: Sendable, Equatable {
        public var outcomes = Summary.OutcomeCounts()
        /// Lookups that failed because of the missing mapping: the file still backed the address, it did not, or
        /// that is not known.
        public var spurious: UInt64 = 0
        public var notBacked: UInt64 = 0
        public var undecided: UInt64 = 0
        /// Of those that retried inside the kernel: how often that was seen without the lookup's end, as at the default
        /// depth.
        public var unended: UInt64 = 0
        /// Lookups whose cause is inferred, and those whose evidence may be among the events lost.
        public var inferred: UInt64 = 0
        public var incomplete: UInt64 = 0
        /// Of lookups that have not returned: the longest, and the one with most passes.
        public var longestLoopNs: UInt64 = 0
        public var mostLoopPasses: UInt64 = 0

        public init() {}

        public static func += (sum: inout Row, one: Row) {
            sum.outcomes += one.outcomes
            sum.spurious += one.spurious
            sum.notBacked += one.notBacked
            sum.undecided += one.undecided
            sum.unended += one.unended
            sum.inferred += one.inferred
            sum.incomplete += one.incomplete
            sum.longestLoopNs = max(sum.longestLoopNs, one.longestLoopNs)
            sum.mostLoopPasses = max(sum.mostLoopPasses, one.mostLoopPasses)
        }

        fileprivate mutating func add(_ finding: Finding) {
            outcomes.add(finding.outcome)
            if finding.outcome == .failed {
                switch (finding.failure, finding.spurious) {
                case (.unmapped?, true?): spurious += 1
                case (.unmapped?, false?): notBacked += 1
                case (.unmapped?, nil): undecided += 1
                default: break
                }
            }
            if finding.outcome == .retried, finding.lookup.result == nil { unended += 1 }
            if finding.confidence == .inferred { inferred += 1 }
            if finding.isIncomplete { incomplete += 1 }
            guard finding.outcome == .looping else { return }
            longestLoopNs = max(longestLoopNs, finding.lookup.durationNs ?? 0)
            mostLoopPasses = max(
                mostLoopPasses, finding.lookup.isTimed ? finding.lookup.passes : finding.lookup.retries.total)
        }
    }

    public private(set) var rows: [Key: Row] = [:]
    /// Findings that had no row any more.
    public private(set) var beyondLimit: UInt64 = 0
    private let keepsProcesses: Bool
    /// Where the last finding was counted: many findings in a row are of one kind.
    private var last: (key: Key, place: Dictionary<Key, Row>.Index)?

    public init(keepsProcesses: Bool = false) { self.keepsProcesses = keepsProcesses }

    /// Counts one lookup that met something, each once.
    mutating func add(_ finding: Finding, file: FileKey?) {
        let cause = finding.explainedCause
        let key = Key(
            cause: cause, unknownReason: cause == nil ? nil : finding.unknownReason,
            culprit: finding.detach.map { party($0.culprit) }, victim: party(finding.lookup.victim), file: file,
            isNeighbour: finding.neighbour == true)
        if let last, last.key == key {
            rows.values[last.place].add(finding)
        } else if let place = rows.index(forKey: key) {
            rows.values[place].add(finding)
            last = (key, place)
        } else if rows.count < Self.rowLimit {
            // Other places may be invalid after this.
            last = nil
            rows[key, default: Row()].add(finding)
        } else {
            beyondLimit += 1
        }
    }

    private func party(_ task: TaskIdentity) -> Party {
        Party(comm: task.comm, cgroup: task.cgroup, pid: keepsProcesses ? task.pid : 0)
    }
}

extension Encounters: Equatable {
    public static func == (left: Encounters, right: Encounters) -> Bool {
        left.rows == right.rows && left.beyondLimit == right.beyondLimit
    }
}

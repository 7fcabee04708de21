// SPDX-License-Identifier: Apache-2.0

// Totals over the findings of a run, for the end of a trace and for a report. Memory is bounded: processes, files and
// control groups beyond the limit share one last row, which says how many it stands for.

public import Events

/// What the findings add up to.
public struct Summary: Sendable, Equatable {
    /// Rows kept for processes, for files and for control groups, each.
    public static let rowLimit = 512

    public struct CauseRow: Sendable, Equatable {
        /// Finished lookups with this cause, and the observations in them.
        public var outcomes = OutcomeCounts()
        public var observations: UInt64 = 0
        public var spurious: UInt64 = 0
        /// For each rule; empty while no finding had an observation to decide on.
        public var rules = CaseTable<Rule, RuleCounts>()
        public init() {}

        public var lookups: UInt64 { outcomes.total }
        public var failed: UInt64 { outcomes.failed }

        fileprivate mutating func add(_ finding: Finding) {
            outcomes.add(finding.outcome)
            observations &+= finding.lookup.observations
            if finding.spurious == true { spurious += 1 }
            guard let verdicts = finding.verdicts else { return }
            for rule in Rule.inFieldOrder {
                rules[rule, default: RuleCounts()].add(verdicts[rule], isSpurious: verdicts.isSpurious(under: rule))
            }
        }

        /// What one rule would have returned, over all observed lookups of this row.
        public func counts(of rule: Rule) -> RuleCounts { rules[rule] ?? RuleCounts() }
    }

    /// Lookups by what became of them.
    public struct OutcomeCounts: Sendable, Equatable {
        public var ok: UInt64 = 0
        public var retried: UInt64 = 0
        public var failed: UInt64 = 0
        public var looping: UInt64 = 0
        public init() {}

        public var total: UInt64 { ok + retried + failed + looping }

        public subscript(outcome: Outcome) -> UInt64 {
            switch outcome {
            case .ok: ok
            case .retried: retried
            case .failed: failed
            case .looping: looping
            }
        }

        mutating func add(_ outcome: Outcome) {
            switch outcome {
            case .ok: ok += 1
            case .retried: retried += 1
            case .failed: failed += 1
            case .looping: looping += 1
            }
        }

        static func += (left: inout OutcomeCounts, right: OutcomeCounts) {
            left.ok += right.ok
            left.retried += right.retried
            left.failed += right.failed
            left.looping += right.looping
        }
    }

    /// How often one rule would have had each result.
    public struct RuleCounts: Sendable, Equatable {
        public var succeeds: UInt64 = 0
        public var fails: UInt64 = 0
        public var loops: UInt64 = 0
        public var unknown: UInt64 = 0
        /// Of those that fail: how many would have found the page by trying again.
        public var spurious: UInt64 = 0
        public init() {}

        public subscript(result: RuleResult) -> UInt64 {
            switch result {
            case .succeeds: succeeds
            case .fails: fails
            case .loops: loops
            case .unknown: unknown
            }
        }

        public mutating func add(_ result: RuleResult, isSpurious: Bool) {
            if isSpurious { spurious += 1 }
            switch result {
            case .succeeds: succeeds += 1
            case .fails: fails += 1
            case .loops: loops += 1
            case .unknown: unknown += 1
            }
        }

        public static func += (left: inout RuleCounts, right: RuleCounts) {
            left.succeeds += right.succeeds
            left.fails += right.fails
            left.loops += right.loops
            left.unknown += right.unknown
            left.spurious += right.spurious
        }
    }

    /// Why a lookup failed, and what asked for it; nil when that is not known.
    public struct FailureKey: Sendable, Hashable {
        public var failure: Failure
        public var operation: FutexOperation?

        public init(failure: Failure, operation: FutexOperation?) {
            (self.failure, self.operation) = (failure, operation)
        }
    }

    public struct ProcessKey: Sendable, Hashable {
        public var pid: UInt32
        public var comm: Comm

        public init(pid: UInt32, comm: Comm) {
            self.pid = pid
            self.comm = comm
        }

        fileprivate init(_ task: TaskIdentity) { self.init(pid: task.pid, comm: task.comm) }
    }

    /// One process or control group as victim and as culprit, or one file.
    public struct Row: Sendable, Equatable {
        public var asVictim: UInt64 = 0
        public var asCulprit: UInt64 = 0
        public var failed: UInt64 = 0
        public init() {}

        public static func += (left: inout Row, right: Row) {
            left.asVictim += right.asVictim
            left.asCulprit += right.asCulprit
            left.failed += right.failed
        }
    }

    public var incomplete: UInt64 = 0
    public var causes = CaseTable<Cause, CauseRow>()
    /// Lookups that only retried, which need no cause.
    public var withoutCause = OutcomeCounts()
    /// Lookups that failed for what is at their address, without an observation at the end; they are no part of
    /// `findings` unless they met something before.
    public private(set) var failures: [FailureKey: UInt64] = [:]
    /// Lookups with the cause `unknown`, by the reason.
    public var unknown = CaseTable<UnknownReason, UInt64>()
    /// Of lookups whose entry was seen.
    public var passes = BoundedHistogram(bounds: Self.passBounds)
    public var durationsNs = BoundedHistogram(bounds: Self.durationBoundsNs)
    public var processes: [ProcessKey: Row] = [:]
    /// A number that had several paths has a row for each of them.
    public var files: [FileKey: Row] = [:]
    /// By the number of the control group; 0 where it is not known.
    public var cgroups: [UInt64: Row] = [:]
    /// Findings whose process, file or control group has no row of its own.
    public var processesBeyondLimit: UInt64 = 0
    public var filesBeyondLimit: UInt64 = 0
    public var cgroupsBeyondLimit: UInt64 = 0

    /// Findings with an observation: these have verdicts. The others only retried.
    public private(set) var judged: UInt64 = 0
    /// Passes of the findings that met a page without a mapping.
    public private(set) var observations: UInt64 = 0
    /// Who hit whom, because of what, on which file.
    public private(set) var encounters: Encounters
    private var identities = FileIdentities()

    /// With `keepsProcesses` processes of one name count apart in `encounters`.
    public init(keepsProcesses: Bool = false) { encounters = Encounters(keepsProcesses: keepsProcesses) }

    public var findings: UInt64 { withoutCause.total + causes.values.reduce(0) { $0 + $1.lookups } }
    public var looping: UInt64 { withoutCause.looping + causes.values.reduce(0) { $0 + $1.outcomes.looping } }

    private static let passBounds: [UInt64] = [1, 2, 4, 8, 16, 64, 256, 1024, 65_536, 1_048_576]
    /// From a microsecond to a minute; ten milliseconds are the default threshold of a loop.
    private static let durationBoundsNs: [UInt64] = [
        1000, 5000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 10_000_000, 50_000_000, 100_000_000,
        500_000_000, 1_000_000_000, 10_000_000_000, 60_000_000_000,
    ]

    /// Counts one lookup. The correlator adds each lookup once: when it ends, or with its latest progress when it has
    /// not ended by the end of the run.
    mutating func add(_ finding: Finding) {
        if finding.isIncomplete { incomplete += 1 }
        if finding.lookup.observations > 0 { judged += 1 }
        observations &+= finding.lookup.observations
        let failed: UInt64 = finding.outcome == .failed ? 1 : 0

        if let cause = finding.explainedCause {
            causes[cause, default: CauseRow()].add(finding)
            if let reason = finding.unknownReason { unknown[reason, default: 0] += 1 }
        } else {
            withoutCause.add(finding.outcome)
        }
        if let durationNs = finding.lookup.durationNs {
            passes.add(finding.lookup.passes)
            durationsNs.add(durationNs)
        }

        let victim = finding.lookup.victim
        func asVictim(_ row: inout Row) {
            row.asVictim += 1
            row.failed += failed
        }
        if !processes.change(ProcessKey(victim), by: asVictim) { processesBeyondLimit += 1 }
        if !cgroups.change(victim.cgroup, by: asVictim) { cgroupsBeyondLimit += 1 }
        let file = finding.file.map(identities.key)
        encounters.add(finding, file: file)
        if let file, !files.change(file, by: asVictim) { filesBeyondLimit += 1 }
        guard let culprit = finding.detach?.culprit else { return }
        if !processes.change(ProcessKey(culprit), by: { $0.asCulprit += 1 }) { processesBeyondLimit += 1 }
        if !cgroups.change(culprit.cgroup, by: { $0.asCulprit += 1 }) { cgroupsBeyondLimit += 1 }
    }

    /// Counts a lookup that ended by what failed, if it failed for what is at its address.
    mutating func addFailure(of finding: Finding) {
        guard finding.lookup.faulted, let failure = finding.failure else { return }
        failures[FailureKey(failure: failure, operation: finding.lookup.operation), default: 0] += 1
    }

    /// Failures without an observation for which this holds.
    public func failures(where isCounted: (FailureKey) -> Bool) -> UInt64 {
        failures.reduce(0) { isCounted($1.key) ? $0 + $1.value : $0 }
    }

    /// Counts a lookup in the encounters alone.
    mutating func addEncounter(_ finding: Finding) { encounters.add(finding, file: finding.file.map(identities.key)) }

    /// Learns which file a number means from now on.
    mutating func learn(_ name: Name) { identities.learn(name) }

    /// The path that a file had in this run; nil when it is not known.
    public func path(of key: FileKey, names: Names) -> String? {
        identities.path(of: key) ?? (identities.isCurrent(key) ? names.path(of: key.file) : nil)
    }

    /// Whether the number of the file still means this file.
    public func isCurrent(_ key: FileKey) -> Bool { identities.isCurrent(key) }

    /// The path, else `major:minor:inode`.
    public func title(of key: FileKey, names: Names) -> String {
        path(of: key, names: names) ?? "\(key.file.major):\(key.file.minor):\(key.file.inode)"
    }

    /// Causes of the findings, those of most lookups first; equal ones in the order of `Cause`.
    public var causesBySize: [Cause] {
        Cause.allCases.enumerated().filter { causes[$0.element] != nil }.sorted { left, right in
            let (more, less) = (causes[left.element]?.lookups ?? 0, causes[right.element]?.lookups ?? 0)
            return more != less ? more > less : left.offset < right.offset
        }.map(\.element)
    }

    /// The verdicts over all causes.
    public var allCauses: CauseRow {
        causes.values.reduce(into: CauseRow()) { sum, row in
            sum.outcomes += row.outcomes
            sum.observations &+= row.observations
            sum.spurious += row.spurious
            for rule in row.rules.keys { sum.rules[rule, default: RuleCounts()] += row.counts(of: rule) }
        }
    }
}

extension Dictionary where Value == Summary.Row {
    /// Changes the row of `key`, which is made while there are fewer than the limit; false when there is none.
    fileprivate mutating func change(_ key: Key, by change: (inout Value) -> Void) -> Bool {
        if let place = index(forKey: key) {
            change(&values[place])
            return true
        }
        guard count < Summary.rowLimit else { return false }
        change(&self[key, default: Summary.Row()])
        return true
    }
}

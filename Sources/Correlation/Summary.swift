// Totals over the findings of a run, for the end of a trace and for a report. Memory is bounded:
// processes and files beyond the limit share one last row, which says how many it stands for.

public import Events

/// What the findings add up to.
public struct Summary: Sendable, Equatable {
    /// Rows kept for processes and for files, each.
    public static let rowLimit = 512

    public struct CauseRow: Sendable, Equatable {
        /// Finished lookups with this cause, and the observations in them.
        public var lookups: UInt64 = 0
        public var observations: UInt64 = 0
        public var failed: UInt64 = 0
        public var spurious: UInt64 = 0
        public var retry = RuleCounts()
        public var efault = RuleCounts()
        public var swizzle = RuleCounts()
        public init() {}

        fileprivate mutating func add(_ finding: Finding, failed: UInt64) {
            lookups += 1
            observations &+= finding.lookup.observations
            self.failed += failed
            if finding.spurious == true { spurious += 1 }
            if let verdicts = finding.verdicts {
                retry.add(verdicts.retry)
                efault.add(verdicts.efault)
                swizzle.add(verdicts.swizzle)
            }
        }
    }

    /// How often one rule would have had each result.
    public struct RuleCounts: Sendable, Equatable {
        public var succeeds: UInt64 = 0
        public var fails: UInt64 = 0
        public var loops: UInt64 = 0
        public var unknown: UInt64 = 0
        public init() {}

        public mutating func add(_ result: RuleResult) {
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
        }
    }

    public struct ProcessKey: Sendable, Hashable {
        public var pid: UInt32
        public var comm: Comm

        public init(pid: UInt32, comm: Comm) {
            self.pid = pid
            self.comm = comm
        }
    }

    /// One process as victim and as culprit, or one file.
    public struct Row: Sendable, Equatable {
        public var asVictim: UInt64 = 0
        public var asCulprit: UInt64 = 0
        public var failed: UInt64 = 0
        public init() {}
    }

    public var findings: UInt64 = 0
    public var looping: UInt64 = 0
    public var incomplete: UInt64 = 0
    public var causes = CaseTable<Cause, CauseRow>()
    public var processes: [ProcessKey: Row] = [:]
    public var files: [FileID: Row] = [:]
    /// Findings whose process or file had no row of its own any more.
    public var processesBeyondLimit: UInt64 = 0
    public var filesBeyondLimit: UInt64 = 0

    public init() {}

    /// Counts one lookup. The correlator gives each lookup once: when it ended, or with its last
    /// progress when it had not by the end of the run.
    mutating func add(_ finding: Finding) {
        findings += 1
        if finding.outcome == .looping { looping += 1 }
        if finding.isIncomplete { incomplete += 1 }
        let failed: UInt64 = finding.outcome == .failed ? 1 : 0

        if let cause = finding.explainedCause { causes[cause, default: CauseRow()].add(finding, failed: failed) }

        let victim = finding.lookup.victim
        let hasRow = processes.change(ProcessKey(pid: victim.pid, comm: victim.comm)) {
            $0.asVictim += 1
            $0.failed += failed
        }
        if !hasRow { processesBeyondLimit += 1 }
        if let culprit = finding.detach?.culprit,
            !processes.change(ProcessKey(pid: culprit.pid, comm: culprit.comm), by: { $0.asCulprit += 1 })
        {
            processesBeyondLimit += 1
        }
        guard let file = finding.file else { return }
        let hasFile = files.change(file) {
            $0.asVictim += 1
            $0.failed += failed
        }
        if !hasFile { filesBeyondLimit += 1 }
    }

    /// The verdicts over all causes.
    public var allCauses: CauseRow {
        causes.values.reduce(into: CauseRow()) { sum, row in
            sum.lookups += row.lookups
            sum.observations &+= row.observations
            sum.failed += row.failed
            sum.spurious += row.spurious
            sum.retry += row.retry
            sum.efault += row.efault
            sum.swizzle += row.swizzle
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

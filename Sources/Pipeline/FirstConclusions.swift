// SPDX-License-Identifier: Apache-2.0

// The meaning of the first finding of each kind, while a run continues: whoever watches need not wait for its end.
// Pure.

public import Correlation
public import Events

/// Kinds of findings that a run has had, and which of them were explained.
public struct FirstConclusions: Sendable {
    /// Kinds of findings: as far as is seen without making a sentence.
    private struct Kind: Hashable {
        var cause: Cause
        var reason: UnknownReason?
        var outcome: Outcome
        var spurious: Bool?
        var victim: Party
        var culprit: Party?
    }

    private struct Party: Hashable {
        var comm: Comm
        var cgroup: UInt64
        /// 0 where tables do not distinguish processes.
        var pid: UInt32
    }

    /// More kinds than this are not looked at.
    private static let mostKinds = 1024

    private let grouping: WorkloadGrouping
    private var kinds: Set<Kind> = []
    private var explained: [Conclusion] = []

    public init(by grouping: WorkloadGrouping) { self.grouping = grouping }

    /// The conclusion of `finding` if it is the first failure or loop of its kind and of the workloads that it is about;
    /// at most `Conclusions.limit` in a run. Nil for a failure without an observation, which no conclusion is about.
    public mutating func take(_ finding: Finding, names: Names) -> Conclusion? {
        guard explained.count < Conclusions.limit, kinds.count < Self.mostKinds, !finding.isFailureOnly,
            finding.outcome == .failed || finding.outcome == .looping
        else { return nil }
        let kind = Kind(
            cause: finding.cause, reason: finding.unknownReason, outcome: finding.outcome, spurious: finding.spurious,
            victim: party(finding.lookup.victim), culprit: finding.detach.map { party($0.culprit) })
        guard kinds.insert(kind).inserted else { return nil }
        let conclusion = Conclusions.conclusion(of: finding, names: names, by: grouping)
        let isKnown = explained.contains { known in
            (known.result, known.cause, known.culprit, known.victim)
                == (conclusion.result, conclusion.cause, conclusion.culprit, conclusion.victim)
        }
        if conclusion.result == nil || isKnown { return nil }
        explained.append(conclusion)
        return conclusion
    }

    private func party(_ task: TaskIdentity) -> Party {
        Party(comm: task.comm, cgroup: task.cgroup, pid: grouping == .pid ? task.pid : 0)
    }
}

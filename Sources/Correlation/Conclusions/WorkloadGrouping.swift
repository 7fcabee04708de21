// SPDX-License-Identifier: Apache-2.0

// What a culprit or a victim is called in tables and sentences: by the systemd unit, the pod or the container that its
// control group names, by the name of the task, or by the process. Jobs that fork again and again are one row.

public import Events

/// How tasks are grouped. The raw value is what a user types.
public enum WorkloadGrouping: String, Sendable, CaseIterable {
    /// By container, unit or pod, whichever the control group names; by the task's name where it names none.
    case workload
    case unit
    case pod
    case container
    case comm
    case pid

    /// The name of a party. It holds untrusted text.
    public func title(of party: Encounters.Party, names: Names) -> String {
        let workload = names.workload(party.cgroup)
        let name = party.comm.text.isEmpty ? "a task without a name" : party.comm.text
        return switch self {
        case .workload: workload.map(Self.title) ?? name
        case .unit: workload?.unit ?? name
        case .pod: workload?.pod.map { "pod " + $0 } ?? name
        case .container: workload?.container.map { "container " + $0.prefix(12) } ?? name
        case .comm: name
        case .pid: "\(name)/\(party.pid)"
        }
    }

    /// The name of the party that a task is a part of. It holds untrusted text.
    public func title(of task: TaskIdentity, names: Names) -> String {
        title(of: Encounters.Party(task), names: names)
    }

    /// The names of the two parties of an encounter. Where a group holds both, each has its task's name in front.
    /// They hold untrusted text.
    public func titles(
        culprit: Encounters.Party?, victim: Encounters.Party, names: Names
    ) -> (culprit: String?, victim: String) {
        let title = title(of: victim, names: names)
        guard let culprit else { return (nil, title) }
        let other = self.title(of: culprit, names: names)
        let tasks = (
            Self.comm.title(of: culprit, names: names), Self.comm.title(of: victim, names: names)
        )
        guard other == title, tasks.0 != tasks.1 else { return (other, title) }
        return ("\(tasks.0) in \(title)", "\(tasks.1) in \(title)")
    }

    /// The container's id as runtimes shorten it, else the unit, else the pod.
    private static func title(_ workload: Workload) -> String {
        if let container = workload.container { return "container " + container.prefix(12) }
        return workload.unit ?? workload.pod.map { "pod " + $0 } ?? "pod"
    }
}

/// Findings of one pair of workloads with one cause.
public struct WorkloadPair: Sendable, Equatable {
    /// Nil for a page that never has a mapping, and where the detach is not known. Untrusted text.
    public var culprit: String?
    public var victim: String
    public var cause: Cause
    public var lookups: UInt64
    public var failed: UInt64
    public var spurious: UInt64
}

extension Summary {
    /// Pairs with an explained cause, those with most lookups first; equal ones in a fixed order.
    public func pairs(by grouping: WorkloadGrouping, names: Names) -> [WorkloadPair] {
        struct Key: Hashable {
            var culprit: String?
            var victim: String
            var cause: Cause
        }
        var rows: [Key: Encounters.Row] = [:]
        for (key, row) in encounters.rows {
            guard let cause = key.cause else { continue }
            let titles = grouping.titles(culprit: key.culprit, victim: key.victim, names: names)
            let pair = Key(culprit: titles.culprit, victim: titles.victim, cause: cause)
            rows[pair, default: Encounters.Row()] += row
        }
        func order(_ pair: WorkloadPair) -> [String] { [pair.culprit ?? "", pair.victim, pair.cause.rawValue] }
        return rows.map { key, row in
            WorkloadPair(
                culprit: key.culprit, victim: key.victim, cause: key.cause, lookups: row.outcomes.total,
                failed: row.outcomes.failed, spurious: row.spurious)
        }.sorted { left, right in
            if left.lookups != right.lookups { return left.lookups > right.lookups }
            return order(left).lexicographicallyPrecedes(order(right))
        }
    }
}

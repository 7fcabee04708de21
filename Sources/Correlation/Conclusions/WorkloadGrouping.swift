// SPDX-License-Identifier: Apache-2.0

// What a culprit or a victim is called in tables and sentences: by the systemd unit, the pod or the container that its
// control group names, by the name of the task, or by the process. Jobs that fork again and again are one row.

public import Events

/// How tasks are put together. The raw value is what a user types.
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
            let pair = Key(
                culprit: key.culprit.map { grouping.title(of: $0, names: names) },
                victim: grouping.title(of: key.victim, names: names), cause: cause)
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

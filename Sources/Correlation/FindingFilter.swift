// SPDX-License-Identifier: Apache-2.0

// The filter of a run that is over: the same conditions that a capture can apply in the kernel, and a few that can only
// be applied afterwards. It selects findings; the detaches that explain them always count.

public import Events

/// Which findings are reported and counted. A condition that is nil or 0 accepts everything.
public struct FindingFilter: Sendable, Equatable {
    public var wanted = LookupFilter()
    /// What explains it; a lookup that only retried has no cause.
    public var causes: Set<Cause>?
    /// CLOCK_MONOTONIC nanoseconds of the lookup's end, or of its progress.
    public var window: ClosedRange<UInt64> = 0...UInt64.max

    /// Control groups below `cgroup`, as learnt so far; as many as names are kept.
    private var cgroups: Set<UInt64> = []

    public init() {}

    /// Events have the number of a control group, the filter its path.
    mutating func learn(_ name: Name) {
        guard let cgroup = wanted.cgroup, case .cgroup(let id) = name.subject else { return }
        if Self.parts(of: name.text).starts(with: Self.parts(of: cgroup)) {
            if cgroups.count < Names.limit { cgroups.insert(id) }
        } else {
            cgroups.remove(id)
        }
    }

    private static func parts(of path: String) -> [Substring] { path.split(separator: "/") }

    /// Whether a lookup passes all conditions but that on its cause.
    func admits(_ lookup: Lookup) -> Bool {
        window.contains(lookup.time)
            && wanted.admitsApartFromCgroup(lookup)
            && (wanted.cgroup == nil || cgroups.contains(lookup.victim.cgroup))
    }

    /// Whether a finding passes the condition on its cause.
    func admits(_ finding: Finding) -> Bool {
        guard let causes else { return true }
        return finding.explainedCause.map(causes.contains) ?? false
    }
}

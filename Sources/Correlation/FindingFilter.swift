// SPDX-License-Identifier: Apache-2.0

// Which findings of a run that is over are wanted: the same questions that a capture can ask in the
// kernel, asked afterwards, and a few that can only be asked then. It decides about findings; the
// detaches that explain them always count.

public import Events

/// Which findings are told and counted. What is nil or 0 lets everything through.
public struct FindingFilter: Sendable, Equatable {
    public var wanted = LookupFilter()
    /// What explains it; a lookup that only went back has no cause.
    public var causes: Set<Cause>?
    /// CLOCK_MONOTONIC nanoseconds of the lookup's end, or of its progress.
    public var window: ClosedRange<UInt64> = 0...UInt64.max

    /// Control groups that are wanted, as learnt so far; as many as names are kept.
    private var cgroups: Set<UInt64> = []

    public init() {}

    /// Control groups go by number in events, and by path in the question.
    mutating func learn(_ name: Name) {
        guard let cgroup = wanted.cgroup, case .cgroup(let id) = name.subject else { return }
        if Self.parts(of: name.text).starts(with: Self.parts(of: cgroup)) {
            if cgroups.count < Names.limit { cgroups.insert(id) }
        } else {
            cgroups.remove(id)
        }
    }

    private static func parts(of path: String) -> [Substring] { path.split(separator: "/") }

    /// Whether a lookup is wanted as far as its cause does not matter.
    func admits(_ lookup: Lookup) -> Bool {
        window.contains(lookup.time)
            && wanted.admitsApartFromCgroup(lookup)
            && (wanted.cgroup == nil || cgroups.contains(lookup.victim.cgroup))
    }

    /// Whether a finding of a wanted lookup is wanted for its cause.
    func admits(_ finding: Finding) -> Bool {
        guard let causes else { return true }
        return finding.explainedCause.map(causes.contains) ?? false
    }
}

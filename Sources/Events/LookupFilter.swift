// SPDX-License-Identifier: Apache-2.0

// Which lookups are wanted: one type for the filters that a capture applies in the kernel and for those that an
// analysis applies afterwards, so that both mean the same. It knows nothing of causes: those are known only
// after the correlation.

/// Conditions on a lookup and its victim, all of which must hold. A condition that is nil or 0 accepts everything.
public struct LookupFilter: Sendable, Equatable {
    public var pid: UInt32?
    public var tid: UInt32?
    public var uid: UInt32?
    /// The whole name as the kernel has it: fifteen bytes at most.
    public var comm: Comm?
    /// Path of a control group (cgroup v2) below the root of the hierarchy, with or without its slashes; groups
    /// below it are included. A capture also takes the path of its directory.
    public var cgroup: String?
    public var minPasses: UInt64 = 0
    public var minDurationNs: UInt64 = 0
    /// 0 or a negative errno; a lookup that has not returned is excluded.
    public var result: Int32?

    public init() {}

    /// Whether what is known of a victim before its lookup ends holds, apart from its user and control group.
    public func admits(victim: TaskIdentity) -> Bool {
        (pid == nil || pid == victim.pid) && (tid == nil || tid == victim.tid) && (comm == nil || comm == victim.comm)
    }

    /// There are no conditions on the lookup itself.
    public var isOfVictimsAlone: Bool { minPasses == 0 && minDurationNs == 0 && result == nil && uid == nil }

    /// Whether everything but the control group holds, which an event has only by number.
    public func admitsApartFromCgroup(_ lookup: Lookup) -> Bool {
        admits(victim: lookup.victim)
            && (uid == nil || uid == lookup.uid)
            // Of a lookup whose entry was not seen, one pass is known.
            && (lookup.isTimed ? lookup.passes : 1) >= minPasses
            && (lookup.durationNs ?? 0) >= minDurationNs
            && (result == nil || result == lookup.result)
    }
}

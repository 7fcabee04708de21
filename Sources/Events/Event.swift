// SPDX-License-Identifier: Apache-2.0

// The events that every source yields and every sink takes: a lookup, the progress of an unfinished lookup, a detach,
// an activity, a name, a loss, and the totals. All but names and totals are plain values of fixed size without
// strings, so that a hundred million of them cost no allocation. Text (paths, control groups) arrives once, as a
// `Name`, before the first event that needs it.

/// One thing that happened in the kernel, or in the pipeline behind it.
public enum Event: Sendable, Equatable {
    case lookup(Lookup)
    case progress(Lookup)
    case detach(Detach)
    case activity(Activity)
    case name(Name)
    case lost(Loss)
    /// What the source has counted since it started; each replaces the one before.
    case totals(Totals)

    /// When it happened, CLOCK_MONOTONIC nanoseconds; nil for a name, which has no time.
    public var time: UInt64? {
        switch self {
        case .lookup(let lookup), .progress(let lookup): lookup.time
        case .detach(let detach): detach.time
        case .activity(let activity): activity.time
        case .lost(let loss): loss.time
        case .totals(let totals): totals.time
        case .name: nil
        }
    }
}

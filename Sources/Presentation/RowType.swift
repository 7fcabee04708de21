// SPDX-License-Identifier: Apache-2.0

// What the rows of an export are about, and the words in them that are not the correlator's: kinds of
// detach, landmarks, and which detaches were told before.

import Correlation
import Events

/// What a row is about; the raw value is what a user types.
public enum RowType: String, Sendable, CaseIterable {
    case findings
    case detaches
    case activities
    case losses
}

/// Which detaches were told lately. Every lookup that met a detach tells of it, so that one detach may
/// come several times; it is one row all the same.
struct ToldDetaches: Sendable {
    /// As many as the correlator remembers; one that comes again after so many others is told again.
    static let limit = 8192

    private struct Key: Hashable {
        var page: PageID
        var time: UInt64
    }

    private var keys: Set<Key> = []
    /// The oldest at `cursor` once there are `limit`.
    private var order: [Key] = []
    private var cursor = 0

    /// False when it was told before.
    mutating func isNew(_ detach: Detach) -> Bool {
        let key = Key(page: detach.page, time: detach.time)
        guard keys.insert(key).inserted else { return false }
        if order.count < Self.limit {
            order.append(key)
        } else {
            keys.remove(order[cursor])
            order[cursor] = key
            cursor = (cursor + 1) % Self.limit
        }
        return true
    }
}

extension Activity {
    var phase: String { durationNs == nil ? "begin" : "end" }
    /// CLOCK_MONOTONIC nanoseconds; wraps rather than fails on a duration that cannot be.
    var begin: UInt64 { time &- (durationNs ?? 0) }
}

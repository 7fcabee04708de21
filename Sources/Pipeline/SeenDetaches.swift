// SPDX-License-Identifier: Apache-2.0

// Which detaches a stream has already had, in bounded memory.

import Events

/// The latest detaches. Every lookup that met a detach reports it, so one detach may arrive several times; it is still
/// one row.
struct SeenDetaches: Sendable {
    /// As many as the correlator remembers; a detach that arrives again after this number of others counts as new.
    static let limit = 8192

    private struct Key: Hashable {
        var page: PageID
        var time: UInt64
    }

    private var keys: Set<Key> = []
    /// The oldest at `cursor` once there are `limit`.
    private var order: [Key] = []
    private var cursor = 0

    /// False when it arrived before.
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

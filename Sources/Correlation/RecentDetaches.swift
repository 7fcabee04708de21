// SPDX-License-Identifier: Apache-2.0

// The latest detaches, each found by its page and its time, for lookups that are still to come. It is used for every
// detach and for every lookup that met one, so it has a hash of its own: a product with random factors for each table,
// which the author of a forged recording cannot know.

import Events

/// The latest detaches, a fixed number of them.
struct RecentDetaches: Sendable {
    /// A loop through many files has a few.
    static let limit = 8192
    private static let bucketBits: UInt64 = 14
    private static let none: Int32 = -1

    private struct Key {
        var page: PageID
        var time: UInt64
    }

    private var detaches: [Detach] = []
    /// The key at each place. These tables are small enough to stay in the processor's cache, unlike the detaches.
    private var keys: [Key] = []
    /// The oldest, once the limit is reached.
    private var oldest = 0
    /// By hash the place of the first detach with this hash, and by place that of the next one.
    private var buckets = [Int32](repeating: none, count: 1 << bucketBits)
    private var next: [Int32] = []
    private let factors = (page: UInt64.random(in: 0 ... .max) | 1, time: UInt64.random(in: 0 ... .max) | 1)

    /// A detach was dropped, so a missing detach may be missing because of that.
    private(set) var hasForgotten = false

    private func bucket(_ page: PageID, _ time: UInt64) -> Int {
        Int((page.rawValue &* factors.page &+ time &* factors.time) >> (64 - Self.bucketBits))
    }

    private func place(of page: PageID, at time: UInt64) -> Int? {
        var place = buckets[bucket(page, time)]
        while place != Self.none {
            let index = Int(place)
            if keys[index].page == page, keys[index].time == time { return index }
            place = next[index]
        }
        return nil
    }

    /// The detach of this page at this time, if it is still kept.
    func detach(of page: PageID, at time: UInt64) -> Detach? {
        place(of: page, at: time).map { detaches[$0] }
    }

    /// Keeps a detach. It replaces the one with the same page and time, or else the oldest when the table is full.
    mutating func remember(_ detach: Detach) {
        if let known = place(of: detach.page, at: detach.time) {
            detaches[known] = detach
            return
        }
        let key = Key(page: detach.page, time: detach.time)
        let place: Int
        if detaches.count < Self.limit {
            place = detaches.count
            detaches.append(detach)
            keys.append(key)
            next.append(Self.none)
        } else {
            place = oldest
            oldest = (oldest + 1) % Self.limit
            unlink(place)
            hasForgotten = true
            detaches[place] = detach
            keys[place] = key
        }
        let bucket = bucket(key.page, key.time)
        next[place] = buckets[bucket]
        buckets[bucket] = Int32(place)
    }

    private mutating func unlink(_ place: Int) {
        let bucket = bucket(keys[place].page, keys[place].time)
        if Int(buckets[bucket]) == place {
            buckets[bucket] = next[place]
            return
        }
        var before = Int(buckets[bucket])
        while Int(next[before]) != place { before = Int(next[before]) }
        next[before] = next[place]
    }
}

// SPDX-License-Identifier: Apache-2.0

// The same events a second time: a text that was put together of a file and a copy of it, a console and the kernel's log
// of the same dump, the two sides of a diff, a log that was delivered twice. Where time steps back to an event that was
// read before, the events are compared with those after that one, and as long as they go on in the same time, none of
// them is counted again.

import Events

/// The events that were read, as far as there is room, and whether these are read again.
struct Copies {
    /// Events that are kept, eight bytes each.
    private static let limit = 1 << 18
    /// Parts in which time goes forward and that are searched.
    private static let partLimit = 64

    /// Events between two whose times are kept.
    private static let stride = 64

    private var prints: [UInt64] = []
    /// Of each one in `stride` events.
    private var times: [UInt64] = []
    /// Places at which time has stepped back, the first being 0.
    private var parts: [Int] = []
    /// Of the newest event that is no copy.
    private var time: UInt64 = 0
    /// The largest time of the events that are kept, and of all.
    private var end: UInt64 = 0
    /// The event that comes next in a copy.
    private var next: Int?
    /// What a trace or a dump begins with was read.
    private var hasBegun = true

    /// Lines of events that were there before, with the first of them.
    private(set) var places = Places("line", "events that were there before: a second copy of them is not counted")
    /// Lines of a copy that the first one does not have.
    private(set) var others: UInt64 = 0

    /// The events that come now were read before.
    var isInCopy: Bool { next != nil }

    enum Answer { case new, copy, other }

    /// A trace or a dump begins.
    mutating func begin() { (hasBegun, next) = (true, nil) }

    /// What an event is. `values` are the places of those of its arguments.
    @inline(__always)
    mutating func take(
        _ name: EventName, _ head: EventHead, keys: UInt32, _ all: [UInt64], _ values: Range<Int>, line: UInt64
    ) -> Answer {
        let code =
            if case .leave(let id) = name { EventName.placeCount + Int(id.number) } else { name.place ?? -1 }
        var hash = head.time ^ UInt64(head.tid) << 40 ^ UInt64(keys) ^ UInt64(truncatingIfNeeded: code) << 20
        hash = hash &* 0x9e37_79b9_7f4a_7c15
        if values.lowerBound < values.upperBound {
            hash ^= hash >> 29 ^ all[values.lowerBound] &+ all[values.upperBound - 1] &* 0xbf58_476d_1ce4_e5b9
        }
        if next == nil, head.time >= time, !hasBegun {
            add(head.time, hash)
            return .new
        }
        return takeAgain(head.time, hash, line: line)
    }

    @inline(__always)
    private mutating func add(_ time: UInt64, _ hash: UInt64) {
        if prints.count < Self.limit {
            if prints.count % Self.stride == 0 { times.append(time) }
            prints.append(hash)
        }
        self.time = time
        if time > end { end = time }
    }

    /// An event behind a step back in time, behind a begin, or in a copy.
    @inline(never)
    private mutating func takeAgain(_ time: UInt64, _ hash: UInt64, line: UInt64) -> Answer {
        if let next {
            // Nothing is known of what comes then.
            if next >= Self.limit, time <= end, !hasBegun {
                places.add(line)
                return .copy
            }
            if next < prints.count, prints[next] == hash {
                self.next = next + 1
                places.add(line)
                return .copy
            }
            // The copy has less than the first one, or more.
            if let place = place(of: time, hash) {
                self.next = place + 1
                places.add(line)
                return .copy
            }
            if time <= end, !hasBegun, next < prints.count || time < self.time {
                others += 1
                return .other
            }
            self.next = nil
        } else if let place = place(of: time, hash) {
            (self.next, hasBegun) = (place + 1, false)
            places.add(line)
            return .copy
        }
        if hasBegun || time < self.time, parts.count < Self.partLimit { parts.append(prints.count) }
        hasBegun = false
        add(time, hash)
        return .new
    }

    private func place(of time: UInt64, _ hash: UInt64) -> Int? {
        for (number, begin) in parts.enumerated() {
            let isLast = number + 1 == parts.count
            // Parts behind the last one that is known are not in order.
            let partEnd = isLast ? prints.count : parts[number + 1]
            if isLast, parts.count == Self.partLimit { return nil }
            // Of the times that are kept of this part the last one before the event's.
            var (low, high) = ((begin + Self.stride - 1) / Self.stride, (partEnd + Self.stride - 1) / Self.stride)
            let first = low
            while low < high {
                let middle = (low + high) / 2
                if times[middle] < time { low = middle + 1 } else { high = middle }
            }
            var place = low > first ? (low - 1) * Self.stride : begin
            while place < partEnd, place % Self.stride != 0 || times[place / Self.stride] <= time {
                if prints[place] == hash { return place }
                place += 1
            }
        }
        return nil
    }
}

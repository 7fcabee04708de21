// SPDX-License-Identifier: Apache-2.0

// A second copy of the same events. A text has one if it consists of a file and its copy, of a console and the kernel's
// log of the same dump, of the two sides of a diff, or of a log that was delivered twice. A copy begins where time
// steps back to an event that was read before. From there on each event is compared with the stored ones, and none is
// counted again until time goes beyond them.

import Events

/// A hash of an event: its name, its arguments, its task and its time.
struct EventHash: Equatable, Sendable {
    private var value: UInt64 = 0

    init() {}

    /// The part that all events with this name and these arguments have in common; `keys` as `Arguments` packs them.
    init(_ name: EventName, keys: UInt32) {
        let code =
            if case .leave(let id) = name { EventName.placeCount + Int(id.number) } else { name.place ?? -1 }
        value = UInt64(truncatingIfNeeded: code) << 32 | UInt64(keys)
    }

    /// Adds the value of an argument.
    @inline(__always)
    mutating func add(_ value: UInt64) { self.value = (self.value ^ value) &* 0x9e37_79b9_7f4a_7c15 }

    /// Adds the time and the task.
    @inline(__always)
    mutating func add(_ head: EventHead) {
        add(head.time)
        // So that the lower bits depend on all values too.
        value ^= value >> 32
        add(UInt64(head.tid))
    }
}

/// A hash of each event that was read, and whether the events that are read now are a copy of them.
struct Copies {
    /// The largest number of stored events, of eight bytes each. Later ones are not stored.
    private static let limit = 1 << 18
    /// The largest number of parts that are searched. In a part, time goes forward.
    private static let partLimit = 64

    /// The largest number of events that are searched behind a step back, while none of them is a copy.
    private static let searchLimit = 4096
    /// The largest number of stored events, of about one time, with which an event is compared.
    private static let reach = 4096

    /// The time of one event in this number is stored.
    private static let stride = 64

    /// The hashes of the stored events.
    private var hashes: [EventHash] = []
    /// The times of events 0, `stride`, 2 * `stride`, …
    private var times: [UInt64] = []
    /// The first event of each part, as its index in `hashes`.
    private var parts: [Int] = []
    /// Time of the newest event that is no copy.
    private var time: UInt64 = 0
    /// The largest time of all events that are no copies, stored or not.
    private var end: UInt64 = 0
    /// An event of this time or later is no copy, unless one has begun. Behind a step back this is `end`, for
    /// `searchLimit` events: the first copy may lack the events with which the second one begins. Else it is `time`.
    private var bound: UInt64 = 0
    private var searches = 0
    /// In a copy, the index of the stored event that is expected next; nil outside.
    private var next: Int?
    /// The first line of a trace or of a dump was read, and no event since.
    private var hasBegun = true

    /// Lines of events that are copies.
    private(set) var places = Places("line", "events that were there before: a second copy of them is not counted")
    /// Number of events within a copy that the first copy lacks.
    private(set) var others: UInt64 = 0

    /// The newest event was one of a copy.
    var isInCopy: Bool { next != nil }

    /// A new event, the copy of an earlier one, or an event within a copy that the first copy lacks.
    enum Answer { case new, copy, other }

    /// The first line of a trace or of a dump.
    mutating func begin() { (hasBegun, next) = (true, nil) }

    /// Takes the next event.
    @inline(__always)
    mutating func take(_ hash: EventHash, at time: UInt64, line: UInt64) -> Answer {
        if next == nil, time >= bound, !hasBegun {
            add(time, hash)
            return .new
        }
        return takeAgain(time, hash, line: line)
    }

    @inline(__always)
    private mutating func add(_ time: UInt64, _ hash: EventHash) {
        if hashes.count < Self.limit { store(time, hash) }
        self.time = time
        if time > end { end = time }
        bound = searches > 0 ? end : time
    }

    @inline(__always)
    private mutating func store(_ time: UInt64, _ hash: EventHash) {
        if hashes.count % Self.stride == 0 {
            // All of the room at once, because memory that is not used costs nothing.
            if hashes.isEmpty { hashes.reserveCapacity(Self.limit) }
            times.append(time)
        }
        hashes.append(hash)
    }

    /// An event after a step back in time, after the begin of a trace, or in a copy.
    @inline(never)
    private mutating func takeAgain(_ time: UInt64, _ hash: EventHash, line: UInt64) -> Answer {
        if let next {
            // The first copy goes on beyond the stored events.
            if next >= Self.limit, time <= end, !hasBegun {
                places.add(line)
                return .copy
            }
            if next < hashes.count, hashes[next] == hash {
                self.next = next + 1
                places.add(line)
                return .copy
            }
            // The copy lacks events of the first one, or has further ones.
            if let place = place(of: time, hash) {
                self.next = place + 1
                places.add(line)
                return .copy
            }
            if time <= end, !hasBegun, next < hashes.count || time < self.time {
                others += 1
                return .other
            }
            self.next = nil
        } else if let place = place(of: time, hash, inLastPart: hasBegun || time < self.time) {
            (self.next, hasBegun) = (place + 1, false)
            places.add(line)
            return .copy
        }
        if hasBegun || time < self.time {
            if parts.count < Self.partLimit { parts.append(hashes.count) }
            searches = Self.searchLimit
        } else if searches > 0 {
            searches -= 1
        }
        hasBegun = false
        add(time, hash)
        return .new
    }

    /// The index of the stored event with this time and this hash. Without `inLastPart`, the part to which the event
    /// itself would be added is not searched: a copy begins with a step back, and within one part events can be alike.
    private func place(of time: UInt64, _ hash: EventHash, inLastPart: Bool = true) -> Int? {
        for (number, begin) in parts.enumerated() {
            let isLast = number + 1 == parts.count
            if isLast, !inLastPart { return nil }
            // Beyond the largest number of parts, the last one has steps back in time, so it cannot be searched.
            let partEnd = isLast ? hashes.count : parts[number + 1]
            if isLast, parts.count == Self.partLimit { return nil }
            // Finds the last stored time of this part that is before the event's.
            var (low, high) = ((begin + Self.stride - 1) / Self.stride, (partEnd + Self.stride - 1) / Self.stride)
            let first = low
            while low < high {
                let middle = (low + high) / 2
                if times[middle] < time { low = middle + 1 } else { high = middle }
            }
            var place = low > first ? (low - 1) * Self.stride : begin
            let reach = min(partEnd, place + Self.reach)
            while place < reach, place % Self.stride != 0 || times[place / Self.stride] <= time {
                if hashes[place] == hash { return place }
                place += 1
            }
        }
        return nil
    }
}

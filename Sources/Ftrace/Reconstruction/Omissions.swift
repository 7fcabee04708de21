// SPDX-License-Identifier: Apache-2.0

// What a trace does not have, in words: places where something could not be read, and sorts of events without which
// nothing can be told. Whether it came as a text or as trace-cmd's file makes no difference to most of it.

internal import Events

/// Where something was left out: the first places and a count.
struct Places {
    /// Places that are kept, for each sort.
    static let limit = 8

    /// "line" of a text, "event" of a file.
    let unit: String
    let what: String
    private(set) var count: UInt64 = 0
    private var first: [UInt64] = []

    init(_ unit: String, _ what: String) { (self.unit, self.what) = (unit, what) }

    mutating func add(_ place: UInt64) {
        count += 1
        if first.count < Self.limit { first.append(place) }
    }

    func omissions(of name: String) -> [Omission] {
        guard let place = first.first else { return [] }
        let others = first.count > 1 ? ", first in \(unit)s \(first.map(String.init).joined(separator: ", "))" : ""
        return [Omission(place: "\(name), \(unit) \(place)", what: "\(count) \(what)\(others)")]
    }
}

extension Reconstruction {
    /// Sorts of events that were missing, once the trace is over. `processes` says how it lacks them, if it does.
    func omissions(of name: String, processes: String) -> [Omission] {
        var all: [String] = []
        if seen.lookups == 0 {
            all.append("there is no entry of get_futex_key() (fs_lookup), so nothing is told of lookups")
        }
        if seen.lookups > 0, seen.pins == 0 {
            all.append("there is no pin of a page (fs_pin), without which no observation can be told")
        }
        if seen.doubtfulUnlocks > 0 {
            all.append(
                "\(seen.doubtfulUnlocks) unlocks within lookups name neither their caller nor the pinned page, so they count for nothing"
            )
        }
        if seen.isAny, !seen.hasProcesses { all.append("\(processes): threads stand for them") }
        return all.map { Omission(place: name, what: $0) }
    }
}

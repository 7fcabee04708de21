// SPDX-License-Identifier: Apache-2.0

// The parts that a trace does not have, as text: places that could not be read, and kinds of events without which
// nothing can be concluded. Most of it is the same for a text and for a file of trace-cmd.

internal import Events

/// Where something was left out: the first places and a count.
struct Places {
    /// Places that are kept, for each kind.
    static let limit = 8

    /// "line" of a text, "event" of a file.
    let unit: String
    let what: String
    private(set) var count: UInt64 = 0
    private var first: [UInt64] = []

    init(_ unit: String, _ what: String) { (self.unit, self.what) = (unit, what) }

    /// Rare, so it is not inlined into code that runs for each line.
    @inline(never)
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
    /// Kinds of events that were missing, at the end of the trace. `processes` is the reason why processes are not
    /// known, if they are not; `isWhole` says that all events of the recipe were recorded, according to its mark.
    func omissions(of name: String, processes: String, isWhole: Bool) -> [Omission] {
        var all = steps.omissions(of: name) + restarts.omissions(of: name)
        func add(_ what: String, hides: Bool = false) {
            all.append(Omission(place: name, what: what, hidesObservations: hides))
        }
        if counts {
            add(
                "the clock of the trace counts something else than nanoseconds (x86-tsc, counter or the like): times are counts, and there are no durations"
            )
        }
        if seen.lookups == 0, !isWhole {
            add("there is no entry of get_futex_key() (fs_lookup), without which no lookup is seen", hides: true)
        }
        if seen.lookups > 0, seen.pins == 0 {
            add("there is no pin of a page (fs_pin), without which no observation is seen", hides: true)
        }
        if seen.lookups > 0, seen.pins > 0, seen.pinReturns == 0 {
            add("there is no end of a pin (fs_pin_return), without which no observation is seen", hides: true)
        }
        if seen.lookups > 0, seen.returns == 0 {
            add("there is no end of a lookup (fs_lookup_return), without which no result is seen", hides: true)
        }
        if seen.doubtfulLookups > 0 {
            add(
                "\(counted(seen.doubtfulLookups, "lookup")) \(noun(seen.doubtfulLookups, "has", "have")) pinned twice: "
                    + "a retry, or the return of one lookup and the entry of the next are missing; no retry is counted",
                hides: true)
        }
        if seen.doubtfulUnlocks > 0 {
            add(
                "\(seen.doubtfulUnlocks) unlocks within lookups name neither their caller nor the pinned page, so they are ignored",
                hides: true)
        }
        if seen.isAny, !seen.hasProcesses { add("\(processes): threads stand for them") }
        return all
    }
}

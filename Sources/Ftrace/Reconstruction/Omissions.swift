// SPDX-License-Identifier: Apache-2.0

// What is missing in a trace, as text for the user: lines that could not be read, and kinds of events without which
// nothing can be concluded. Most of it is the same for a text and for a file of trace-cmd.

internal import Events

/// Lines of a text, or events of a file, that have one thing in common: the first numbers and a count.
struct Places {
    /// The largest number of line numbers that are kept.
    static let limit = 8

    /// "line" for a text, "event" for a file.
    let unit: String
    /// What they have in common, as the end of a clause that begins with their count.
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

    /// One omission of the input `name` with the first numbers; none when the count is 0.
    func omissions(of name: String) -> [Omission] {
        guard let place = first.first else { return [] }
        let others = first.count > 1 ? ", first in \(unit)s \(first.map(String.init).joined(separator: ", "))" : ""
        return [Omission(place: "\(name), \(unit) \(place)", what: "\(count) \(what)\(others)")]
    }
}

extension Reconstruction {
    /// The kinds of events that the whole trace lacks.
    /// - Parameters:
    ///   - processes: Why processes are not known, if they are not, such as "there is no column for processes".
    ///   - isWhole: The mark of the recipe says that all its events were recorded.
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

// SPDX-License-Identifier: Apache-2.0

// The arguments of `record --hindsight`: how far back, for which conditions, how long afterwards, how often, how many.
// This file also parses the conditions.

internal import ArgumentParser
internal import Correlation
internal import Presentation
internal import Recording

/// The arguments of snapshots.
struct HindsightArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Keep the last TIME of events in memory, such as 60s; write them when an --on condition occurs, or at SIGUSR1.",
            valueName: "time"), transform: Span.init)
    var hindsight: Span?

    @Option(
        help: ArgumentHelp(
            "Condition for a snapshot: spurious, failed, loop, cause=NAME, result=NAME, passes>=N, duration>=TIME. "
                + "Conditions in one --on, with commas between them, must all hold; of several --on, one is enough.",
            valueName: "condition"),
        transform: Trigger.init(parsing:))
    var on: [Trigger] = []

    @Option(
        help: ArgumentHelp("Continue a snapshot for TIME after the condition (default: 5s).", valueName: "time"),
        transform: Span.init)
    var after: Span?

    @Option(
        help: ArgumentHelp("Minimum interval between snapshots (default: 10m).", valueName: "time"),
        transform: Span.init)
    var every: Span?

    @Option(
        help: ArgumentHelp("Keep at most N snapshots; then the oldest is removed (default: 16).", valueName: "n"),
        transform: wholeNumber)
    var keep: UInt32?

    @Option(
        help: ArgumentHelp(
            "Memory for events (default: 64M). When it is full, the oldest events are dropped.", valueName: "bytes"),
        transform: MemorySize.init)
    var maxMemory: MemorySize?

    func validate() throws {
        if let hindsight {
            if hindsight.ns == 0 {
                throw ValidationError("cannot keep 0 seconds; expected more than 0 after --hindsight")
            }
            if keep == 0 { throw ValidationError("cannot keep 0 snapshots; expected 1 or more after --keep") }
            return
        }
        let given: [(String, Bool)] = [
            ("--on", !on.isEmpty), ("--after", after != nil), ("--every", every != nil), ("--keep", keep != nil),
            ("--max-memory", maxMemory != nil),
        ]
        if let (word, _) = given.first(where: \.1) {
            throw ValidationError("cannot use \(word) without --hindsight; expected both")
        }
    }

    /// Nil without --hindsight: everything is recorded.
    var limits: SnapshotLimits? {
        guard let hindsight else { return nil }
        var limits = SnapshotLimits(beforeNs: hindsight.ns)
        if let after { limits.afterNs = after.ns }
        if let every { limits.everyNs = every.ns }
        if let keep { limits.keep = Int(keep) }
        if let maxMemory { limits.maxBytes = maxMemory.bytes }
        return limits
    }
}

/// Memory for events.
struct MemorySize: Equatable {
    var bytes: UInt64

    init(_ text: String) throws {
        guard let size = ByteSize(text)?.bytes, size >= Hindsight.smallest else {
            throw ValidationError("expected a size of \(Hindsight.smallest >> 20)M or more, such as 64M or 1G")
        }
        bytes = size
    }
}

extension Trigger {
    private static let grammar =
        "expected spurious, failed, loop, cause=NAME, result=NAME, passes>=N or duration>=TIME, or several with commas"

    /// `spurious`, `cause=truncate,duration>=10ms` and the like.
    init(parsing text: String) throws {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        self.init(text: text, conditions: try parts.map { try Self.condition(String($0)) })
    }

    private static func condition(_ text: String) throws -> Condition {
        switch text {
        case "spurious": return .spurious
        case "failed": return .failed
        case "loop": return .loop
        default: break
        }
        if let value = text.value(after: "cause=") {
            guard let cause = Cause(rawValue: value) else {
                let names = Cause.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("'\(value)' is no cause; expected one of \(names)")
            }
            return .cause(cause)
        }
        if let value = text.value(after: "result=") { return .result(try LookupResult(value).number) }
        if let value = text.value(after: "passes>=") { return .passes(try wholeNumber(value)) }
        if let value = text.value(after: "duration>=") { return .duration(try Span(value).ns) }
        throw ValidationError(text.isEmpty ? grammar : "'\(text)' is no condition; \(grammar)")
    }
}

extension String {
    fileprivate func value(after word: String) -> String? {
        hasPrefix(word) ? String(dropFirst(word.count)) : nil
    }
}

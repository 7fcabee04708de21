// SPDX-License-Identifier: Apache-2.0

// What `record --hindsight` is asked for: how far back, for what, for how long afterwards, how often, how
// many. The conditions are a small language of their own, parsed here.

internal import ArgumentParser
internal import Correlation
internal import Presentation
internal import Recording

/// The arguments of snapshots.
struct HindsightArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Keep so long in memory, and write it only when something happens that --on names: 60s. "
                + "SIGUSR1 writes it too.",
            valueName: "time"), transform: Span.init)
    var hindsight: Span?

    @Option(
        help: ArgumentHelp(
            "What it is written for: spurious, failed, loop, cause=NAME, result=NAME, passes>=N, duration>=TIME; "
                + "several with commas must all hold; of several --on any will do.", valueName: "condition"),
        transform: Trigger.init(parsing:))
    var on: [Trigger] = []

    @Option(
        help: ArgumentHelp("Go on for so long afterwards (default: 5s).", valueName: "time"), transform: Span.init)
    var after: Span?

    @Option(
        help: ArgumentHelp("Not more often than that (default: 10m).", valueName: "time"), transform: Span.init)
    var every: Span?

    @Option(
        help: ArgumentHelp("Snapshots that are kept; then the oldest gives way (default: 16).", valueName: "n"),
        transform: wholeNumber)
    var keep: UInt32?

    @Option(
        help: ArgumentHelp("Room in memory: 64M (the default), 1G. The oldest give way.", valueName: "bytes"),
        transform: MemorySize.init)
    var maxMemory: MemorySize?

    func validate() throws {
        if let hindsight {
            if hindsight.ns == 0 { throw ValidationError("cannot keep no time: --hindsight expects more than 0") }
            if keep == 0 { throw ValidationError("cannot keep no snapshot: --keep expects 1 or more") }
            return
        }
        let given: [(String, Bool)] = [
            ("--on", !on.isEmpty), ("--after", after != nil), ("--every", every != nil), ("--keep", keep != nil),
            ("--max-memory", maxMemory != nil),
        ]
        if let (word, _) = given.first(where: \.1) {
            throw ValidationError("cannot use \(word) without --hindsight, which says how long to keep")
        }
    }

    /// Nil when everything is to be recorded.
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

/// Room for events in memory.
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
                throw ValidationError("there is no cause '\(value)'; expected one of \(names)")
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

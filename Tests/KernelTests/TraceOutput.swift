// SPDX-License-Identifier: Apache-2.0

// The lines of `trace -f json` and `provoke -f json` as the tests look at them. Read with Foundation's
// parser, which shares nothing with the writer.

import Foundation

/// One JSON object.
struct JSONObject: @unchecked Sendable {
    // Only values that JSONSerialization makes, which are immutable.
    private let values: [String: Any]

    init(line: some StringProtocol) throws {
        guard let values = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
            throw GuestFailure(message: "no JSON object: \(line)")
        }
        self.values = values
    }

    private init(values: [String: Any]) { self.values = values }

    func text(_ key: String) -> String? { values[key] as? String }
    func flag(_ key: String) -> Bool? { values[key] as? Bool }
    func decimal(_ key: String) -> Double? { (values[key] as? NSNumber)?.doubleValue }
    /// Numbers above 2^53 are written as strings.
    func number(_ key: String) -> Int? { (values[key] as? NSNumber)?.intValue ?? text(key).flatMap(Int.init) }
    func object(_ key: String) -> JSONObject? { (values[key] as? [String: Any]).map(JSONObject.init(values:)) }
    func list(_ key: String) -> [JSONObject] {
        (values[key] as? [[String: Any]] ?? []).map(JSONObject.init(values:))
    }
    func texts(_ key: String) -> [String] { values[key] as? [String] ?? [] }
    var keys: [String] { values.keys.sorted() }
}

/// A whole trace: findings in order, and the summary at the end.
struct TraceOutput: Sendable {
    var lookups: [JSONObject]
    var progress: [JSONObject]
    var lost: [JSONObject]
    var summary: JSONObject

    init(_ objects: [JSONObject]) throws {
        lookups = objects.filter { $0.text("type") == "lookup" }
        progress = objects.filter { $0.text("type") == "progress" }
        lost = objects.filter { $0.text("type") == "lost" }
        guard let last = objects.last, last.text("type") == "summary" else {
            throw GuestFailure(message: "the trace has no summary")
        }
        summary = last
    }

    /// Finished lookups of the victim of a provocation.
    func lookups(of provocation: JSONObject) -> [JSONObject] {
        let victim = provocation.object("victim")?.number("pid")
        return lookups.filter { $0.number("pid") == victim }
    }

    func activity(_ kind: String) -> JSONObject? { summary.object("activity")?.object(kind) }
    /// Programs that the kernel skipped, and what is known to have been missed by that. Kernels that
    /// preempt their own code skip a few now and then; a figure may be short by what is counted here, and
    /// by nothing else.
    var skips: Int {
        ["program-missed", "lookup-missed", "return-missed", "observation-missed"].map(lost).reduce(0, +)
    }

    /// Whether `count` is `expected`, or short of it by no more than was counted as skipped.
    func accounts(for expected: Int, by count: Int) -> Bool {
        count <= expected && count + skips >= expected
    }

    /// The hook that each role got.
    var hooks: [String: String] {
        let pairs = summary.list("probes").compactMap { probe in
            probe.text("hook").map { (probe.text("role") ?? "", $0) }
        }
        return Dictionary(uniqueKeysWithValues: pairs)
    }

    func lost(_ stage: String) -> Int { summary.object("lost")?.number(stage) ?? 0 }
}

extension [JSONObject] {
    var observations: Int { reduce(0) { $0 + ($1.number("observations") ?? 0) } }
    func with(_ key: String, _ value: String) -> [JSONObject] { filter { $0.text(key) == value } }
}

extension Array {
    /// Those that satisfy `test`, and the others, each in order.
    func partitioned(_ test: (Element) -> Bool) -> ([Element], [Element]) {
        (filter(test), filter { !test($0) })
    }
}

// SPDX-License-Identifier: Apache-2.0

// The table that the thread of 2011 lacked, made from what the tool reported of the matrix and written into
// README.md between two marks. `make answer` runs this; an ordinary run only looks whether the table that
// is there has all its rows.

import Foundation
import Testing

/// One provocation on all kernels of the matrix.
private struct AnswerRow {
    var name: String
    /// A cell for each kernel.
    var operations: [String] = []
    var observations: [String] = []
    var spurious: [String] = []
    var verdicts: [String: [String]] = Dictionary(uniqueKeysWithValues: AnswerRow.rules.map { ($0, []) })
    /// EFAULT results of the same provocation with the livepatch that has the rule `fallback`.
    var withFallback: [String] = []

    /// In the order of docs/rules.md.
    static let rules = ["vma", "retry", "retry-zero", "efault", "fallback", "swizzle"]

    var markdown: String {
        let cells = [operations, observations, spurious] + Self.rules.map { verdicts[$0] ?? [] } + [withFallback]
        return "| \(name) | " + cells.map(Self.joined).joined(separator: " | ") + " |"
    }

    /// One value where all kernels agree.
    private static func joined(_ values: [String]) -> String {
        Set(values).count == 1 ? values[0] : values.joined(separator: " / ")
    }

    /// Adds what a trace reported of the victim of one provocation.
    mutating func add(operations count: Int?, lookups: [JSONObject]) {
        let observed = lookups.filter { $0.flag("unmapped") == true }
        operations.append(count.map(String.init) ?? "–")
        observations.append(String(observed.observations))
        spurious.append(String(observed.count { $0.flag("spurious") == true }))
        for rule in Self.rules {
            let results = Dictionary(grouping: observed) { $0.object("verdicts")?.text(rule) ?? "unknown" }
            let text = results.sorted { $0.key < $1.key }
                .map { results.count == 1 ? $0.key : "\($0.key) \($0.value.count)" }
            verdicts[rule]?.append(text.isEmpty ? "–" : text.joined(separator: ", "))
        }
    }

    mutating func addNothing() {
        operations.append("n/a")
        observations.append("n/a")
        spurious.append("n/a")
        for rule in verdicts.keys { verdicts[rule]?.append("–") }
    }
}

@Suite struct AnswerTests {
    static let readme = GuestRuns.root.appending(path: "../../README.md").standardizedFileURL
    static let marks = (begin: "<!-- made by `make answer`: begin -->", end: "<!-- made by `make answer`: end -->")
    static let withstood = WithstoodTests.causes.map(\.0)
    static let isRecording = ProcessInfo.processInfo.environment["FUTEXSCOPE_RECORD"] != nil

    @Test("the README's table has a row for each provocation", .enabled(if: !isRecording))
    func tableIsWhole() throws {
        let text = try String(contentsOf: Self.readme, encoding: .utf8)
        let table = text.split(separator: Self.marks.begin).last?.split(separator: Self.marks.end).first ?? ""
        for name in ProvokedCause.all.map(\.name) + Self.withstood {
            #expect(table.contains("\n| \(name) |"), "\(name)")
        }
    }

    @Test("the table is written anew", .enabled(if: Guests.areWanted && isRecording))
    func writeTable() async throws {
        var rows = (ProvokedCause.all.map(\.name) + Self.withstood).map { AnswerRow(name: $0) }
        for kernel in Kernels.matrix {
            let patched = FallbackTests.guests.first { $0.kernel == kernel }
            for position in rows.indices {
                guard let patched else {
                    rows[position].withFallback.append("–")
                    continue
                }
                let provocation = try? await GuestRuns.shared.run(patched).provocation(
                    "fallback-\(rows[position].name)")
                rows[position].withFallback.append(provocation?.number("efault").map(String.init) ?? "–")
            }
            let causes = try await GuestRuns.shared.run(Guest(kernel: kernel, mode: .auto, scenario: "causes"))
            let calm = try await GuestRuns.shared.run(Guest(kernel: kernel, mode: .auto, scenario: "withstood"))
            let (provoked, withstood) = (try causes.trace("causes"), try calm.trace("withstood"))
            for position in rows.indices {
                let name = rows[position].name
                if Self.withstood.contains(name) {
                    let lookups = withstood.lookups(of: try calm.provocation(name))
                    rows[position].add(operations: withstood.activity(name)?.number("operations"), lookups: lookups)
                } else if let provocation = try? causes.provocation(name) {
                    let lookups = provoked.lookups(of: provocation)
                    let operations = provocation.number("operations")
                    rows[position].add(operations: operations == 0 ? nil : operations, lookups: lookups)
                } else {
                    rows[position].addNothing()
                }
            }
        }
        let releases = Kernels.matrix.compactMap { Kernels.available[$0] }.joined(separator: " / ")
        let ruleColumns = AnswerRow.rules.map { "`\($0)`" }.joined(separator: " | ")
        let table = """
            Kernels, in this order where a cell has several figures: \(releases). One CPU in emulation, 1.5 to
            5 s for each row; "n/a": the kernel was built without it. The columns of the rules are verdicts on what was
            seen; the last column is what was measured: EFAULT results of the same provocation with a livepatch that has
            the rule `fallback`, on the kernels that it is written for.

            | provocation | operations | observations | spurious | \(ruleColumns) | `EFAULT` with `fallback` |
            |---|---|---|---|---|---|---|---|---|---|---|
            \(rows.map(\.markdown).joined(separator: "\n"))
            """
        let text = try String(contentsOf: Self.readme, encoding: .utf8)
        let begin = try #require(text.range(of: Self.marks.begin))
        let end = try #require(text.range(of: Self.marks.end))
        let new = text[..<begin.upperBound] + "\n" + table + "\n" + text[end.lowerBound...]
        try String(new).write(to: Self.readme, atomically: true, encoding: .utf8)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Correlation

/// The table of rules, and what README and docs say of it.
@Suite("Rules") struct RuleTableTests {
    @Test("every rule has its field, and the first three fields stay where they were")
    func fields() {
        #expect(Rule.inFieldOrder.prefix(3) == [.retry, .efault, .swizzle])
        #expect(Set(Rule.inFieldOrder) == Set(Rule.allCases))
        #expect(Rule.inFieldOrder.count == Rule.allCases.count)
        #expect(Set(Rule.allCases.map(\.letter)).count == Rule.allCases.count)
    }

    @Test("each rule reads its own verdict", arguments: Rule.allCases)
    func ownVerdict(rule: Rule) {
        let position = Rule.allCases.firstIndex(of: rule) ?? 0
        let letters = (0..<Rule.allCases.count).map { $0 == position ? "l" : "s" }.joined()
        let verdicts = VerdictTests.rules(letters)
        #expect(Rule.allCases.filter { verdicts[$0] == .loops } == [rule])
    }

    @Test("a failure is spurious only where trying again would have found the page")
    func spurious() {
        #expect(VerdictTests.happyToFail.isSpurious(under: .swizzle))
        #expect(!VerdictTests.happyToFail.isSpurious(under: .fallback))
        #expect(!VerdictTests.fails.isSpurious(under: .swizzle))
        #expect(!VerdictTests.rules("?ssf?f").isSpurious(under: .vma), "an unknown result is no failure")
    }

    @Test("docs/rules.md, README.md and the dashboards name each rule with its kernels", arguments: Rule.allCases)
    func documents(rule: Rule) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL
        for name in ["docs/rules.md", "README.md"] {
            let text = try String(contentsOf: root.appending(path: name), encoding: .utf8)
            #expect(text.contains("| `\(rule.rawValue)` | \(rule.kernels) |"), "\(name)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Capture

/// The rule of the running kernel, with and without a livepatch.
@Suite("Running rule") struct RunningRuleTests {
    @Test("without a livepatch the rule is that of every kernel with BTF")
    func ordinary() {
        let rule = RunningRule.read(livepatch: nil) { _ in "retry" }
        #expect(rule == RunningRule(name: "swizzle", livepatch: nil))
        #expect(rule.text == "swizzle")
    }

    @Test("a livepatch declares its own")
    func declared() {
        let rule = RunningRule.read(livepatch: "futexscope_fallback") { module in
            module == "futexscope_fallback" ? "fallback" : nil
        }
        #expect(rule.name == "fallback")
        #expect(rule.text == "fallback, declared by the livepatch futexscope_fallback")
    }

    @Test(
        "a livepatch that declares nothing, or no word, has an unknown rule",
        arguments: [nil, "", "(null)", "Retry", "retry\u{1b}[31m", String(repeating: "a", count: 33)] as [String?])
    func undeclared(text: String?) {
        let rule = RunningRule.read(livepatch: "klp_other") { _ in text }
        #expect(rule == RunningRule(name: nil, livepatch: "klp_other"))
        #expect(rule.text == "unknown: the livepatch klp_other declares none")
    }
}

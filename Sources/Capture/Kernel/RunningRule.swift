// SPDX-License-Identifier: Apache-2.0

// Which rule the running kernel applies to a page without a mapping. Every kernel that has BTF (5.2) has the rule of
// e6780f7243ed (3.2). A livepatch that replaces get_futex_key() may have another one. Its instructions do not show
// which, so it declares the rule in a parameter of its module. docs/rules.md has the rules.

internal import System

/// The rule of the running kernel, and who declares it.
public struct RunningRule: Sendable, Equatable {
    /// A word of docs/rules.md; nil where a livepatch replaces the function and declares none.
    public var name: String?
    /// The livepatch that replaces get_futex_key(), if there is one.
    public var livepatch: String?

    /// Looks at the running kernel; needs no privilege.
    public static func read() -> RunningRule {
        read(livepatch: FunctionCodeReader.livepatch(of: "get_futex_key")) { module in
            readText("/sys/module/\(module)/parameters/futex_rule")
        }
    }

    /// `declaration` gives what a module declares.
    static func read(livepatch: String?, declaration: (String) -> String?) -> RunningRule {
        guard let livepatch else { return RunningRule(name: "swizzle", livepatch: nil) }
        let text = declaration(livepatch)
        // A module may declare anything, so only a known word is accepted.
        let isWord = text.map { text in
            (1...32).contains(text.utf8.count) && text.utf8.allSatisfy { (97...122).contains($0) || $0 == 45 }
        }
        return RunningRule(name: isWord == true ? text : nil, livepatch: livepatch)
    }

    /// For a reader: "swizzle", "fallback, declared by the livepatch NAME".
    public var text: String {
        guard let livepatch else { return name ?? "unknown" }
        guard let name else { return "unknown: the livepatch \(livepatch) declares none" }
        return "\(name), declared by the livepatch \(livepatch)"
    }
}

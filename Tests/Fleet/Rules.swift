// SPDX-License-Identifier: Apache-2.0

// The rules as their files have them. promtool says whether they are rules at all; here is what a test needs to walk
// through them, and to put another expression in the place of one.

public import Foundation

/// One recording or alerting rule.
public struct Rule: Sendable, CustomStringConvertible {
    public var name: String
    public var isAlert: Bool
    public var expression: String
    public var runbook: String?
    public var file: URL
    /// Lines of the expression in the file, its key included.
    fileprivate var lines: Range<Int>

    public var description: String { name }

    /// All rules of a file.
    public static func read(_ file: URL) throws -> [Rule] {
        let lines = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
        var rules: [Rule] = []
        for (number, line) in lines.enumerated() {
            if let (key, value) = keyed(line), ["- record", "- alert"].contains(key) {
                rules.append(
                    Rule(name: value, isAlert: key == "- alert", expression: "", file: file, lines: 0..<0))
            } else if let (key, value) = keyed(line), !rules.isEmpty {
                if key == "runbook" { rules[rules.count - 1].runbook = value }
                guard key == "expr" else { continue }
                // A block goes on as long as it is indented deeper than its key.
                let depth = line.prefix { $0 == " " }.count
                let more = lines[(number + 1)...].prefix { $0.prefix { $0 == " " }.count > depth }
                let text = value == "|" ? more.joined(separator: " ") : value
                rules[rules.count - 1].expression = text.trimmingCharacters(in: .whitespaces)
                rules[rules.count - 1].lines = number..<(value == "|" ? more.endIndex : number + 1)
            }
        }
        return rules
    }

    /// The file's text with another expression in this one's place.
    public func fileText(with expression: String) throws -> String {
        var all = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
        all.replaceSubrange(lines, with: ["        expr: \(expression)"])
        return all.joined(separator: "\n")
    }

    private static func keyed(_ line: String) -> (key: String, value: String)? {
        guard let colon = line.firstRange(of: ": ") else { return nil }
        let key = line[..<colon.lowerBound].trimmingCharacters(in: .whitespaces)
        return (key, line[colon.upperBound...].trimmingCharacters(in: .whitespaces))
    }
}

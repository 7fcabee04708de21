// SPDX-License-Identifier: Apache-2.0

import Correlation
import Foundation
import Testing

/// docs/architecture.md, docs/output.md and docs/security.md compared with the repository.
@Suite("Documents") struct DocumentTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// What stands in backticks.
    private static func words(_ text: Substring) -> [String] {
        text.split(separator: "`", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }

    @Test("the table of modules has the targets of Package.swift, each with its dependencies") func modules() throws {
        let package = Self.targets(in: try Self.text("Package.swift"))
        try #require(package.count > 10)
        var table: [String: Set<String>] = [:]
        let rows = try Self.text("docs/architecture.md").split(separator: "\n")
            .drop { $0 != "| module | depends on | what it owns |" }.dropFirst(2).prefix { $0.hasPrefix("|") }
        for row in rows {
            let cells = row.split(separator: "|")
            if let name = Self.words(cells[0]).first { table[name] = Set(Self.words(cells[1])) }
        }
        #expect(Set(table.keys) == Set(package.keys))
        for (name, dependencies) in package {
            #expect(table[name] == dependencies, "\(name) in docs/architecture.md")
        }
    }

    @Test("every file that docs/architecture.md names exists") func files() throws {
        let paths = Self.words(Substring(try Self.text("docs/architecture.md"))).filter { word in
            ["Sources/", "Tests/", "bpf/", "docs/", "packaging/"].contains { word.hasPrefix($0) }
                && !word.contains(" ")
        }
        try #require(paths.count > 50)
        for path in paths {
            #expect(FileManager.default.fileExists(atPath: Self.root.appending(path: path).path), "\(path)")
        }
    }

    @Test("docs/output.md has each cause with its meaning") func causes() throws {
        let lines = Set(try Self.text("docs/output.md").split(separator: "\n").map(String.init))
        for cause in Correlation.Cause.allCases {
            #expect(lines.contains("| `\(cause.rawValue)` | \(cause.meaning) |"), "\(cause.rawValue)")
        }
    }

    @Test("every promise of docs/security.md names tests that exist") func promises() throws {
        let rows = try Self.text("docs/security.md").split(separator: "\n").filter {
            $0.hasPrefix("| ") && !$0.hasPrefix("| promise ")
        }
        try #require(rows.count > 20)
        for row in rows {
            let words = Self.words(try #require(row.split(separator: "|").last))
            var (source, tests): (String?, Int) = (nil, 0)
            for word in words {
                if word.hasPrefix("Tests/") {
                    source = try Self.text(word)
                } else {
                    // The attribute of the function is within the lines before it.
                    let parts = try #require(source, "\(row)").components(separatedBy: "func \(word)(")
                    try #require(parts.count > 1, "\(word) in \(row)")
                    let before = parts[0].components(separatedBy: "    func ").last ?? ""
                    #expect(before.contains("@Test"), "\(word) in \(row)")
                    tests += 1
                }
            }
            #expect(tests > 0, "\(row)")
        }
    }

    /// The targets below Sources and bpf: names of modules and packages that each depends on.
    private static func targets(in manifest: String) -> [String: Set<String>] {
        let lines = manifest.split(separator: "\n").filter { !$0.drop { $0 == " " }.hasPrefix("//") }
        let text = lines.joined(separator: "\n")
        var targets: [String: Set<String>] = [:]
        for kind in [".target(", ".executableTarget(", ".systemLibrary("] {
            for part in text.components(separatedBy: kind).dropFirst() {
                let body = prefix(of: part, until: ")", opening: "(")
                guard !body.contains("path: \"Tests/"), !body.contains("path: \"Benchmarks/"),
                    let name = quoted(body).first
                else { continue }
                targets[name] = []
                guard let start = body.range(of: "dependencies: [") else { continue }
                let list = prefix(of: String(body[start.upperBound...]), until: "]", opening: "[")
                let products = list.components(separatedBy: ".product(").dropFirst().map {
                    prefix(of: $0, until: ")", opening: "(")
                }
                var others = list
                for product in products {
                    others = others.replacingOccurrences(of: ".product(\(product))", with: "")
                    if let package = quoted(product).last { targets[name]?.insert(package) }
                }
                targets[name]?.formUnion(quoted(others))
            }
        }
        return targets
    }

    /// The text before the bracket that closes the one before it.
    private static func prefix(of text: String, until closing: Character, opening: Character) -> String {
        var depth = 1
        return String(
            text.prefix {
                if $0 == opening { depth += 1 }
                if $0 == closing { depth -= 1 }
                return depth > 0
            })
    }

    private static func quoted(_ text: String) -> [String] {
        text.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }
}

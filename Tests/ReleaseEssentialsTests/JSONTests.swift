// SPDX-License-Identifier: Apache-2.0

// The JSON encoder of release builds against the toolchain's own, byte for byte.

import Foundation
import ReleaseEssentials
import Testing

@Suite struct JSONTests {
    private func same(_ value: some Encodable) throws {
        let theirs = Foundation.JSONEncoder()
        theirs.outputFormatting = [.prettyPrinted, .sortedKeys]
        let ours = ReleaseEssentials.JSONEncoder()
        ours.outputFormatting = [.prettyPrinted, .sortedKeys]
        let expected = String(decoding: try theirs.encode(value), as: UTF8.self)
        #expect(String(data: try ours.encode(value), encoding: .utf8) == expected)
    }

    private struct Command: Encodable {
        enum Kind: String, Encodable { case flag, option }
        /// Encoded as an object with one key, as the compiler makes it.
        enum Completion: Encodable { case list(values: [String]), file(extensions: [String]), directory }
        var name: String
        var kind = Kind.option
        var completions: [Completion] = [.list(values: ["a", "b"]), .file(extensions: []), .directory]
        var isOptional = true
        var count = -3
        var limit: UInt64 = .max
        var absent: String?
        var parts: [Command] = []
        var values: [String: Int] = ["b": 2, "a": 1, "B": 3, "a-b": 4, "ab": 5]
        var empty: [String: Int] = [:]
        var nulls: [Int?] = [1, nil, 3]
    }

    @Test("nested values have the same text")
    func nested() throws {
        try same(Command(name: "outer", parts: [Command(name: "first"), Command(name: "second", absent: "present")]))
    }

    @Test(
        "strings are escaped alike",
        arguments: [
            "", "plain", "quote \" and \\ and /", "tab\tline\nreturn\r", "\u{8}\u{c}\u{0}\u{1b}\u{1f}\u{7f}",
            "ä € 😀 \u{2028}",
        ])
    func strings(text: String) throws {
        try same([text])
        try same([text: text])
    }

    @Test("a container that stays empty, and one that is filled later")
    func containers() throws {
        struct Late: Encodable {
            enum Key: String, CodingKey { case first, second, third }
            func encode(to encoder: any Encoder) throws {
                var all = encoder.container(keyedBy: Key.self)
                var inner = all.nestedUnkeyedContainer(forKey: .second)
                try all.encode("last", forKey: .third)
                try inner.encode(1)
                var members = inner.nestedContainer(keyedBy: Key.self)
                try members.encodeNil(forKey: .first)
                _ = inner.nestedUnkeyedContainer()
                _ = all.nestedContainer(keyedBy: Key.self, forKey: .first)
            }
        }
        try same(Late())
    }

    @Test("a fraction is refused, not written wrongly")
    func fractions() {
        #expect(throws: EncodingError.self) { try ReleaseEssentials.JSONEncoder().encode([0.5]) }
    }
}

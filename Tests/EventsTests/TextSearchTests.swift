// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@Suite struct TextSearchTests {
    @Test("words are found where they stand first, also after what only begins like them")
    func places() {
        func place(_ words: String, _ text: String) -> Int? {
            text.place(of: words).map { text.distance(from: text.startIndex, to: $0.lowerBound) }
        }
        #expect(place("ab", "aab ab") == 1)
        #expect(place("abc", "ab") == nil)
        #expect(place("x", "") == nil)
        #expect(place("", "ab") == 0)
        #expect(place("ü!", "aü!ü!") == 1)
        let rest = "one two two".dropFirst(5)
        #expect(rest.place(of: "two").map { rest[$0.upperBound...] } == "")
        #expect("a = b".has(" = "))
        #expect(!"a =b".has(" = "))
    }

    @Test("all of them are replaced, and what stands between stays")
    func replacements() {
        #expect(#"\012a\012\012b\01"#.replacing(#"\012"#, by: "\n") == "\na\n\nb\\01")
        #expect("aaa".replacing("aa", by: "b") == "ba")
        #expect("abc".replacing("", by: "x") == "abc")
        #expect("abc".replacing("abc", by: "") == "")
    }
}

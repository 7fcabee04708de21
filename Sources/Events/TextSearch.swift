// SPDX-License-Identifier: Apache-2.0

// Words inside a text. The standard library has the same in its module of regular expressions, and one call of it would
// add more than a megabyte to the program.

extension StringProtocol {
    /// Where `words` stand first.
    public func place(of words: some StringProtocol) -> Range<Index>? {
        guard let first = words.first else { return startIndex..<startIndex }
        var rest = self[...]
        while let start = rest.firstIndex(of: first) {
            rest = rest[start...]
            if rest.hasPrefix(words) { return start..<index(start, offsetBy: words.count) }
            rest = rest.dropFirst()
        }
        return nil
    }

    /// Whether `words` stand somewhere in it.
    public func has(_ words: some StringProtocol) -> Bool { place(of: words) != nil }

    /// With other words wherever `words` stand.
    public func replacing(_ words: some StringProtocol, by others: String) -> String {
        var (text, rest) = ("", self[...])
        while !words.isEmpty, let found = rest.place(of: words) {
            text += rest[..<found.lowerBound] + others
            rest = rest[found.upperBound...]
        }
        return text + rest
    }
}

extension Collection where Element == UInt8 {
    /// Where `bytes` stand first. Inlinable, because it is called for each line of a log: without its source, other
    /// modules would look up the collection's functions for every byte.
    @inlinable
    public func place(of bytes: [UInt8]) -> Range<Index>? {
        guard let first = bytes.first else { return startIndex..<startIndex }
        var rest = self[...]
        while let start = rest.firstIndex(of: first) {
            rest = rest[start...]
            if rest.starts(with: bytes) { return start..<index(start, offsetBy: bytes.count) }
            rest = rest.dropFirst()
        }
        return nil
    }
}

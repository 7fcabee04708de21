// SPDX-License-Identifier: Apache-2.0

// The bytes of a block while its lines are looked at. An array would be held and let go for every scanner that
// goes over a line; this is an address and a length. The unsafe part of reading text is here and nowhere else.

import Glibc

/// Bytes that stay where they are for as long as this value is used, and zeros behind them. Every access is compared
/// with their end.
@safe struct TraceText: RandomAccessCollection {
    /// Zeros that have to stand behind the text, so that eight bytes can be read from any place in it and a little
    /// behind.
    static let padding = 64

    private let start: UnsafePointer<UInt8>
    let count: Int

    /// All of `bytes` but the padding at their end; they outlive this value.
    init(padded bytes: UnsafeBufferPointer<UInt8>) {
        precondition(bytes.count >= Self.padding)
        unsafe start = bytes.baseAddress!
        count = bytes.count - Self.padding
    }

    /// The bytes of an array but the padding at their end, which stay where they are while `body` looks at them.
    @inline(__always)
    static func reading<Result>(padded bytes: [UInt8], _ body: (TraceText) throws -> Result) rethrows -> Result {
        unsafe try bytes.withUnsafeBufferPointer { try unsafe body(TraceText(padded: $0)) }
    }

    /// Puts the padding behind the bytes of an array.
    static func pad(_ bytes: inout [UInt8]) { bytes.append(contentsOf: repeatElement(0, count: padding)) }

    var startIndex: Int { 0 }
    var endIndex: Int { count }

    @inline(__always)
    subscript(position: Int) -> UInt8 {
        precondition(UInt(bitPattern: position) < UInt(bitPattern: count))
        // Inside the bytes, by the comparison above.
        return unsafe start[position]
    }

    /// Eight bytes from `position` on, the first the lowest; zeros behind the end.
    @inline(__always)
    func word(at position: Int) -> UInt64 {
        precondition(UInt(bitPattern: position) <= UInt(bitPattern: count + Self.padding - 8))
        // Eight bytes inside, by the comparison above; they are not aligned.
        return unsafe UInt64(
            littleEndian: UnsafeRawPointer(start).loadUnaligned(fromByteOffset: position, as: UInt64.self))
    }

    /// The first `count` of eight bytes from `position` on, zeros in place of the others.
    @inline(__always)
    func word(at position: Int, count: Int) -> UInt64 {
        let word = word(at: position)
        return count >= 8 ? word : count <= 0 ? 0 : word & (UInt64.max >> UInt64(64 - 8 * count))
    }

    /// The place of the first such byte in `range`.
    @inline(__always)
    func first(_ byte: Unicode.Scalar, in range: Range<Int>) -> Int? {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        // As many bytes as the range has, by the comparison above.
        guard let found = unsafe memchr(start + range.lowerBound, Int32(byte.value), range.count) else { return nil }
        return unsafe UnsafeRawPointer(found) - UnsafeRawPointer(start)
    }

    /// Whether `count` bytes from `begin` on are those that lie in `words` from `place` on, zeros behind the last.
    @inline(__always)
    func isLike(_ words: [UInt64], at place: Int, from begin: Int, count: Int) -> Bool {
        var (place, begin, left) = (place, begin, count)
        while left > 8 {
            if word(at: begin) != words[place] { return false }
            (place, begin, left) = (place + 1, begin + 8, left - 8)
        }
        return word(at: begin, count: left) == words[place]
    }

    /// The same where only those bits count that `masks` have.
    @inline(__always)
    func isLike(_ words: [UInt64], masks: [UInt64], at place: Int, from begin: Int, count: Int) -> Bool {
        let wordCount = (count + 7) / 8
        precondition(begin >= 0 && begin + 8 * wordCount <= self.count + Self.padding)
        precondition(place >= 0 && place + wordCount <= words.count && words.count == masks.count)
        return unsafe words.withUnsafeBufferPointer { words in
            unsafe masks.withUnsafeBufferPointer { masks in
                let text = unsafe UnsafeRawPointer(start + begin)
                var difference: UInt64 = 0
                // So many words are in all three, by the comparisons above.
                for index in 0..<wordCount {
                    let word = unsafe text.loadUnaligned(fromByteOffset: 8 &* index, as: UInt64.self)
                    difference |= unsafe (word.littleEndian ^ words[place &+ index]) & masks[place &+ index]
                }
                return difference == 0
            }
        }
    }

    /// Up to sixteen digits, and nil when one of the bytes is none.
    @inline(__always)
    func number(at begin: Int, digits: Int, isHexadecimal: Bool) -> UInt64? {
        let count = Swift.min(digits, 8)
        let bytes = EightBytes(word(at: begin))
        if !isHexadecimal {
            guard let high = bytes.decimal(exactly: count) else { return nil }
            if digits <= 8 { return high }
            guard let low = EightBytes(word(at: begin + 8)).decimal(exactly: digits - 8) else { return nil }
            return (8..<digits).reduce(high) { value, _ in value &* 10 } &+ low
        }
        guard let high = bytes.hexadecimal(exactly: count) else { return nil }
        if digits <= 8 { return high }
        guard let low = EightBytes(word(at: begin + 8)).hexadecimal(exactly: digits - 8) else { return nil }
        return high << UInt64(4 * (digits - 8)) | low
    }
}

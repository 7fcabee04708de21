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
        guard count > 0 else { return true }
        let last = (count &- 1) >> 3
        // The padding is longer than a word.
        precondition(begin >= 0 && count <= self.count &- begin)
        precondition(place >= 0 && last < words.count &- place)
        return unsafe words.withUnsafeBufferPointer { words in
            let text = unsafe UnsafeRawPointer(start + begin)
            // Both have more than `last` words, by the comparisons above.
            for index in 0..<last {
                let word = unsafe text.loadUnaligned(fromByteOffset: 8 &* index, as: UInt64.self)
                if unsafe word.littleEndian != words[place &+ index] { return false }
            }
            return unsafe self.word(at: begin &+ 8 &* last, count: count &- 8 &* last) == words[place &+ last]
        }
    }

    /// The same where only those bits count that `masks` have.
    @inline(__always)
    func isLike(_ words: [UInt64], masks: [UInt64], at place: Int, from begin: Int, count: Int) -> Bool {
        precondition(begin >= 0 && count >= 0 && count <= self.count &- begin)
        let wordCount = (count &+ 7) >> 3
        // The padding is longer than a word.
        precondition(place >= 0 && wordCount <= words.count &- place && words.count == masks.count)
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
        let word = self.word(at: begin)
        // Most numbers are that short.
        if digits <= 2 {
            let (first, second) = ((word & 0xff) &- 0x30, (word >> 8 & 0xff) &- 0x30)
            if digits == 1, first < 10 { return first }
            if digits == 2, first < 10, second < 10 { return first &* (isHexadecimal ? 16 : 10) &+ second }
        }
        let count = Swift.min(digits, 8)
        let bytes = EightBytes(word)
        if !isHexadecimal {
            guard let high = bytes.decimal(exactly: count) else { return nil }
            if digits <= 8 { return high }
            guard let low = EightBytes(self.word(at: begin + 8)).decimal(exactly: digits - 8) else { return nil }
            return (8..<digits).reduce(high) { value, _ in value &* 10 } &+ low
        }
        guard let high = bytes.hexadecimal(exactly: count) else { return nil }
        if digits <= 8 { return high }
        guard let low = EightBytes(self.word(at: begin + 8)).hexadecimal(exactly: digits - 8) else { return nil }
        return high << UInt64(4 * (digits - 8)) | low
    }

    /// The decimal number that ends at `end`, of at most ten digits, after `start`; `end` moves before it.
    func number(endingAt end: inout Int, from start: Int) -> UInt32? {
        var first = end
        while first > start, end - first < 10, self[first - 1] &- 0x30 < 10 { first -= 1 }
        guard first < end else { return nil }
        let value = self[first..<end].reduce(0 as UInt64) { $0 * 10 + UInt64($1 - 0x30) }
        end = first
        return UInt32(exactly: value)
    }

    /// The first place in `range` where these bytes stand.
    func find(_ word: StaticString, in range: Range<Int>) -> Int? {
        let (count, lead) = (word.utf8CodeUnitCount, unsafe Unicode.Scalar(word.utf8Start.pointee))
        var position = range.lowerBound
        while position + count <= range.upperBound,
            let place = first(lead, in: position..<range.upperBound - count + 1)
        {
            // As many bytes as the word has, by the comparison above.
            if unsafe memcmp(start + place, word.utf8Start, count) == 0 { return place }
            position = place + 1
        }
        return nil
    }
}

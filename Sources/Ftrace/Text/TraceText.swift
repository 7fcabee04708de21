// SPDX-License-Identifier: Apache-2.0

// The bytes of a block while its lines are looked at. An array would be held and let go for every scanner that
// goes over a line; this is an address and a length. The unsafe part of reading text is here and nowhere else.

import Glibc

/// Bytes that stay where they are for as long as this value is used, and zeros behind them. Every access is compared
/// with their end.
@safe struct TraceText: RandomAccessCollection {
    /// Zeros that have to stand behind the text, so that 32 bytes can be read from any place in it and a little behind.
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

    /// Whether the bytes from `begin` on are those of a pattern. From `place` on, `pattern` has for each step of 32 bytes
    /// the bytes and a mask of those that count. The last step may go beyond the text.
    @inline(__always)
    func isLike(_ pattern: [SIMD4<UInt64>], at place: Int, steps: Int, from begin: Int) -> Bool {
        precondition(begin >= 0 && 32 &* steps <= count &+ Self.padding &- begin)
        precondition(place >= 0 && steps >= 0 && 2 &* steps <= pattern.count &- place)
        return unsafe pattern.withUnsafeBufferPointer { pattern in
            let text = unsafe UnsafeRawPointer(start + begin)
            var difference = SIMD4<UInt64>.zero
            // Both have as many steps, by the comparisons above.
            for step in 0..<steps {
                let words = unsafe text.loadUnaligned(fromByteOffset: 32 &* step, as: SIMD4<UInt64>.self)
                let at = place &+ 2 &* step
                difference |= unsafe (words ^ pattern[at]) & pattern[at &+ 1]
            }
            return difference[0] | difference[1] | difference[2] | difference[3] == 0
        }
    }

    /// Sixteen bytes from `position` on, the first the lowest of the first word; zeros behind the end.
    @inline(__always)
    func words(at position: Int) -> SIMD2<UInt64> {
        precondition(position >= 0 && position <= count + Self.padding - 16)
        // Sixteen bytes inside, by the comparison above; they are not aligned.
        let words = unsafe UnsafeRawPointer(start).loadUnaligned(fromByteOffset: position, as: SIMD2<UInt64>.self)
        return SIMD2(UInt64(littleEndian: words[0]), UInt64(littleEndian: words[1]))
    }

    /// Up to sixteen digits, and nil when one of the bytes is none.
    @inline(__always)
    func number(at begin: Int, digits: Int, isHexadecimal: Bool) -> UInt64? {
        // Many numbers are that short.
        if digits == 1, case let digit = self[begin] &- 0x30, digit < 10 { return UInt64(digit) }
        if isHexadecimal { return SixteenBytes(words(at: begin)).hexadecimal(exactly: digits) }
        guard let high = EightBytes(word(at: begin)).decimal(exactly: Swift.min(digits, 8)) else { return nil }
        if digits <= 8 { return high }
        guard let low = EightBytes(word(at: begin + 8)).decimal(exactly: digits - 8) else { return nil }
        return (8..<digits).reduce(high) { value, _ in value &* 10 } &+ low
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

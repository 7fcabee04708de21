// SPDX-License-Identifier: Apache-2.0

// Blanks and digits, eight or sixteen bytes at a time: a line of a trace is mostly these.

/// Eight bytes of a text, the first the lowest.
struct EightBytes {
    /// Digits that come first, up to a byte that is none or a limit.
    typealias Digits = (count: Int, value: UInt64)

    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let tops: UInt64 = 0x8080_8080_8080_8080

    private let word: UInt64
    @inline(__always)
    init(_ word: UInt64) { self.word = word }

    /// How many of them come first that are blanks or control characters.
    @inline(__always)
    var blanks: Int {
        // Without its top bit a byte above 0x20 gets one by the addition, and none carries.
        ((((word & ~Self.tops) &+ Self.ones &* 0x5f) | word) & Self.tops).trailingZeroBitCount / 8
    }

    @inline(__always)
    func decimal(atMost limit: Int) -> Digits {
        let count = min(noDecimal.trailingZeroBitCount / 8, limit)
        return count > 0 ? (count, decimalValue(of: count)) : (0, 0)
    }

    /// Whether all bytes of a mask are digits.
    @inline(__always)
    func areDecimal(_ mask: UInt64) -> Bool { noDecimal & mask == 0 }

    /// The value of the first `count` bytes, 1 to 8; nil when one of them is no digit.
    @inline(__always)
    func decimal(exactly count: Int) -> UInt64? {
        noDecimal << UInt64(64 - 8 * count) == 0 ? decimalValue(of: count) : nil
    }

    // The top bits of bytes that are no digits. Additions are made without top bits, so that none carries.

    @inline(__always)
    private var noDecimal: UInt64 {
        let digits = word ^ Self.ones &* 0x30
        return (((digits & ~Self.tops) &+ Self.ones &* 0x76) | word) & Self.tops
    }

    // The last digit goes to the top and zeros come before the first; then neighbours are put together.

    @inline(__always)
    private func decimalValue(of count: Int) -> UInt64 {
        var value = (word & (Self.ones &* 0x0f)) << UInt64(64 - 8 * count)
        value = (value &* 10 &+ value >> 8) & 0x00ff_00ff_00ff_00ff
        value = (value &* 100 &+ value >> 16) & 0x0000_ffff_0000_ffff
        return (value &* 10_000 &+ value >> 32) & 0xffff_ffff
    }
}

/// Sixteen bytes of a text, the first the lowest of the first word. The long numbers of a trace are hexadecimal.
struct SixteenBytes {
    private static var tops: SIMD2<UInt64> { bytes(0x80) }

    private let words: SIMD2<UInt64>
    @inline(__always)
    init(_ words: SIMD2<UInt64>) { self.words = words }

    /// The value of the first `count` bytes, 1 to 16, as hexadecimal digits of either case; nil when one of them is
    /// none.
    @inline(__always)
    func hexadecimal(exactly count: Int) -> UInt64? {
        let none = noHexadecimal
        // The flags of the bytes that do not count are shifted out.
        let flags = count >= 8 ? none[0] | none[1] << UInt64(128 - 8 * count) : none[0] << UInt64(64 - 8 * count)
        return flags == 0 ? value >> UInt64(64 - 4 * count) : nil
    }

    /// The first digits, of either case.
    @inline(__always)
    func hexadecimal(atMost limit: Int) -> EightBytes.Digits {
        let none = noHexadecimal
        let first = none[0].trailingZeroBitCount / 8
        let count = min(first < 8 ? first : 8 + none[1].trailingZeroBitCount / 8, limit)
        return count > 0 ? (count, value >> UInt64(64 - 4 * count)) : (0, 0)
    }

    /// The top bits of bytes that are no digits. Additions are made without top bits, so that none carries.
    @inline(__always)
    private var noHexadecimal: SIMD2<UInt64> {
        // 0 to 9 for a digit; 1 to 6 for a letter, large or small.
        let digit = (words ^ Self.bytes(0x30)) & ~Self.tops
        let letter = ((words | Self.bytes(0x20)) ^ Self.bytes(0x60)) & ~Self.tops
        let noDigit = digit &+ Self.bytes(0x76)
        let noLetter = (letter &+ Self.bytes(0x79)) | ~(letter &+ Self.bytes(0x7f))
        return (noDigit & noLetter | words) & Self.tops
    }

    @inline(__always)
    private var value: UInt64 {
        let letters = (words &>> 6) & Self.bytes(1)
        // The sum is above 15 only in bytes that are no digits.
        var value = ((words & Self.bytes(0x0f)) &+ letters &+ (letters &<< 3)) & Self.bytes(0x0f)
        value = (value &<< 4 | value &>> 8) & SIMD2(repeating: 0x00ff_00ff_00ff_00ff)
        value = (value &<< 8 | value &>> 16) & SIMD2(repeating: 0x0000_ffff_0000_ffff)
        value = value &<< 16 | value &>> 32
        return value[0] << 32 | value[1] & 0xffff_ffff
    }

    @inline(__always)
    private static func bytes(_ byte: UInt64) -> SIMD2<UInt64> { SIMD2(repeating: byte &* 0x0101_0101_0101_0101) }
}

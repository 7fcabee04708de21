// SPDX-License-Identifier: Apache-2.0

// Writes numbers, words and text directly into existing memory, without a `String` and without a check of an array for
// each. A run has millions of rows, and most of the cost of a row is that of its fields. The unsafe part of writing
// text is only in this file: every store has checked that it has room.

import Events

extension [UInt8] {
    /// Appends the bytes that `write` writes. If there was not enough room, `write` is called again, so it must write
    /// the same bytes each time.
    @inline(__always)
    mutating func appendText(_ write: (inout TextOutput) -> Void) {
        var room = 1024
        var isWhole = false
        while !isWhole {
            append(addingCapacity: room) { output in
                unsafe output.withUnsafeMutableBufferPointer { bytes, count in
                    var text = unsafe TextOutput(bytes)
                    write(&text)
                    // Whole, all of them were stored.
                    isWhole = text.isWhole
                    count = isWhole ? text.count : 0
                    room = Swift.max(text.count, 2 * room)
                }
            }
        }
    }
}

/// Writes text into a piece of memory. Bytes that do not fit are counted and not stored.
@safe struct TextOutput {
    private let start: UnsafeMutablePointer<UInt8>?
    private let capacity: Int
    /// Bytes appended, stored or not.
    private(set) var count = 0
    /// All of them were stored.
    private(set) var isWhole = true

    /// Writes into `bytes`, which outlive this value and may hold anything.
    init(_ bytes: UnsafeMutableBufferPointer<UInt8>) {
        unsafe start = bytes.baseAddress
        capacity = bytes.count
    }

    /// Where the next `length` bytes go; nil when they do not fit. They count in any case.
    @inline(__always)
    private mutating func room(_ length: Int) -> UnsafeMutablePointer<UInt8>? {
        let begin = count
        count &+= length
        if count <= capacity { return unsafe start?.advanced(by: begin) }
        isWhole = false
        return nil
    }

    // MARK: Bytes and words

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        // One byte of room.
        if let place = unsafe room(1) { unsafe place.initialize(to: byte) }
    }

    /// Removes the last `count` bytes.
    mutating func removeLast(_ count: Int) { self.count -= count }

    /// Words of this program that are literals in the source: their length is known there.
    @inline(__always)
    mutating func append(_ word: StaticString) {
        // A literal of that many bytes, into as much room.
        if let place = unsafe room(word.utf8CodeUnitCount) {
            unsafe place.initialize(from: word.utf8Start, count: word.utf8CodeUnitCount)
        }
    }

    mutating func append(word text: String) {
        var text = text
        // As many bytes as there are, into as much room.
        text.withUTF8 { bytes in
            if let place = unsafe room(bytes.count), let source = bytes.baseAddress {
                unsafe place.initialize(from: source, count: bytes.count)
            }
        }
    }

    mutating func append(_ bytes: Span<UInt8>) {
        guard let place = unsafe room(bytes.count) else { return }
        // As many bytes as there are, into as much room.
        unsafe bytes.withUnsafeBufferPointer { bytes in
            if let source = bytes.baseAddress { unsafe place.initialize(from: source, count: bytes.count) }
        }
    }

    // MARK: Numbers

    /// Decimal digits, with zeros before them up to `width`.
    @inline(__always)
    mutating func append(decimal number: UInt64, width: Int = 1) {
        // Most numbers are counts, and most counts are small.
        if number < 10, width == 1 { return append(UInt8(ascii: "0") | UInt8(truncatingIfNeeded: number)) }
        append(digitsOf: number, count: max(width, Self.decimalDigits(number)))
    }

    private static let digitPairs: StaticString = """
        0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
        5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899
        """

    /// The last `count` decimal digits.
    private mutating func append(digitsOf number: UInt64, count: Int) {
        guard var place = unsafe room(count)?.advanced(by: count) else { return }
        let pairs = unsafe Self.digitPairs.utf8Start
        var (rest, left) = (number, count)
        // From the last digit to the first of `count` places; there are a hundred pairs.
        while left >= 2 {
            let (next, pair) = rest.quotientAndRemainder(dividingBy: 100)
            unsafe place -= 2
            unsafe place.initialize(from: pairs + Int(truncatingIfNeeded: pair) * 2, count: 2)
            (rest, left) = (next, left - 2)
        }
        if left > 0 { unsafe (place - 1).initialize(to: UInt8(ascii: "0") | UInt8(truncatingIfNeeded: rest)) }
    }

    private static func decimalDigits(_ number: UInt64) -> Int {
        var (rest, digits) = (number, 1)
        while rest >= 10_000 { (rest, digits) = (rest / 10_000, digits + 4) }
        return digits + (rest >= 1000 ? 3 : rest >= 100 ? 2 : rest >= 10 ? 1 : 0)
    }

    mutating func append(signed number: Int64) {
        if number < 0 { append(UInt8(ascii: "-")) }
        append(decimal: number.magnitude)
    }

    /// Lower-case hexadecimal digits, with zeros before them up to `width`, which is at most 16.
    mutating func append(hex number: UInt64, width: Int = 1) {
        let length = max(width, (64 - number.leadingZeroBitCount + 3) / 4)
        guard var place = unsafe room(length) else { return }
        let digits: StaticString = "0123456789abcdef"
        var shift = length * 4
        // One after the other of `length` places.
        while shift > 0 {
            shift &-= 4
            unsafe place.initialize(to: digits.utf8Start[Int(truncatingIfNeeded: number &>> UInt64(shift)) & 15])
            unsafe place += 1
        }
    }

    // MARK: Untrusted text

    /// Appends text that consists of printable ASCII without two given bytes; for any other text it appends nothing and
    /// returns false.
    mutating func append(plain text: String, without first: Unicode.Scalar, _ second: Unicode.Scalar) -> Bool {
        let bytes = text.utf8Span.span
        let isPlain = unsafe bytes.withUnsafeBytes { bytes in
            var position = 0
            var isPlain = true
            while position + 8 <= bytes.count {
                // Eight bytes are there.
                let word = unsafe bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                isPlain = isPlain && EightBytes(word).isPlain(without: first, second)
                position += 8
            }
            var rest = EightBytes.plain
            while position < bytes.count {
                unsafe rest = rest << 8 | UInt64(bytes[position])
                position += 1
            }
            return isPlain && EightBytes(rest).isPlain(without: first, second)
        }
        if isPlain { append(bytes) }
        return isPlain
    }

    /// The same for a task's name up to its first NUL.
    mutating func append(plain comm: Comm, without first: Unicode.Scalar, _ second: Unicode.Scalar) -> Bool {
        let (low, high) = (EightBytes(comm.low), EightBytes(comm.high))
        let (lowLength, highLength) = (low.lengthOfText, low.lengthOfText == 8 ? high.lengthOfText : 0)
        guard low.first(lowLength).isPlain(without: first, second),
            high.first(highLength).isPlain(without: first, second)
        else { return false }
        append(comm.low, length: lowLength)
        append(comm.high, length: highLength)
        return true
    }

    /// The first `length` of eight bytes; this needs room for eight.
    private mutating func append(_ word: UInt64, length: Int) {
        let begin = count
        // Eight bytes of room.
        if let place = unsafe room(8) {
            unsafe UnsafeMutableRawPointer(place).storeBytes(of: word.littleEndian, as: UInt64.self)
        }
        count = begin + length
    }
}

/// Eight bytes that are examined at once, as they are in memory: the first is the lowest.
private struct EightBytes {
    /// Eight letters.
    static let plain: UInt64 = 0x6161_6161_6161_6161
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let tops: UInt64 = 0x8080_8080_8080_8080

    private let word: UInt64
    init(_ word: UInt64) { self.word = word.littleEndian }

    /// Whether all are printable ASCII and neither of these two.
    @inline(__always)
    func isPlain(without first: Unicode.Scalar, _ second: Unicode.Scalar) -> Bool {
        // A byte whose top bit is set in the result is below 0x20 or above 0x7f, is 0x7f, or is one of the two. A
        // borrow may set the bit of the byte above such a byte as well, but then there is such a byte in any case.
        let isControl = (word &- Self.ones &* 0x20) & ~word
        let isOdd = isControl | word | zeros(0x7f) | zeros(first.value) | zeros(second.value)
        return isOdd & Self.tops == 0
    }

    /// The top bits of bytes that are equal to this one, and perhaps of bytes above them.
    @inline(__always)
    private func zeros(_ byte: UInt32) -> UInt64 {
        let difference = word ^ Self.ones &* UInt64(byte)
        return (difference &- Self.ones) & ~difference
    }

    /// Bytes before the first NUL.
    var lengthOfText: Int { (zeros(0) & Self.tops).trailingZeroBitCount / 8 }

    /// The first `count` of them, and letters in place of the others.
    func first(_ count: Int) -> EightBytes {
        guard count < 8 else { return self }
        let mask = (UInt64(1) << UInt64(count * 8)) &- 1
        return EightBytes(word & mask | Self.plain & ~mask)
    }
}

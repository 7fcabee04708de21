// The bytes of a chunk while its lines are looked at. An array would be held and let go for every scanner that
// goes over a line; this is an address and a length. The unsafe part of reading text is here and nowhere else.

import Glibc

/// Bytes that stay where they are for as long as this value is used; every access is compared with their end.
@safe struct TraceText: RandomAccessCollection {
    private let bytes: UnsafeBufferPointer<UInt8>

    /// `bytes` outlive this value.
    init(_ bytes: UnsafeBufferPointer<UInt8>) { unsafe self.bytes = unsafe bytes }

    /// The bytes of an array, which stay where they are while `body` looks at them.
    @inline(__always)
    static func reading<Result>(_ bytes: [UInt8], _ body: (TraceText) throws -> Result) rethrows -> Result {
        unsafe try bytes.withUnsafeBufferPointer { try unsafe body(TraceText($0)) }
    }

    var startIndex: Int { 0 }
    var endIndex: Int { unsafe bytes.count }
    var count: Int { unsafe bytes.count }

    @inline(__always)
    subscript(position: Int) -> UInt8 {
        precondition(UInt(bitPattern: position) < UInt(bitPattern: count))
        // Inside the bytes, by the comparison above.
        return unsafe bytes[position]
    }

    /// Eight bytes from `position` on, the first the lowest; zeros behind the end.
    @inline(__always)
    func word(at position: Int) -> UInt64 {
        if position >= 0, position &+ 8 <= count {
            // Eight bytes inside, by the comparison above; they are not aligned.
            return unsafe UInt64(
                littleEndian: UnsafeRawBufferPointer(bytes).loadUnaligned(fromByteOffset: position, as: UInt64.self))
        }
        return (0..<8).reduce(0) { word, place in
            position + place < count ? word | UInt64(self[position + place]) << UInt64(place * 8) : word
        }
    }

    /// The first `count` of eight bytes from `position` on, zeros in place of the others.
    @inline(__always)
    func word(at position: Int, count: Int) -> UInt64 {
        let word = word(at: position)
        return count >= 8 ? word : word & ((1 << UInt64(Swift.max(0, count) * 8)) - 1)
    }

    /// The place of the first such byte in `range`.
    func first(_ byte: Unicode.Scalar, in range: Range<Int>) -> Int? {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        // As many bytes as the range has, by the comparison above.
        guard let start = unsafe bytes.baseAddress,
            let found = unsafe memchr(start + range.lowerBound, Int32(byte.value), range.count)
        else { return nil }
        return unsafe UnsafeRawPointer(found) - UnsafeRawPointer(start)
    }
}

// SPDX-License-Identifier: Apache-2.0

// The part of the protobuf wire format that a trace needs: varints, fixed 64 bits, text, nested messages. A runtime for
// protobuf would bring more code than the rest of this program has.

/// Builds messages in a buffer, field after field.
struct Protobuf {
    private(set) var bytes: [UInt8] = []

    /// Moves the buffer into this value, so that `body` can append to it.
    static func append(to bytes: inout [UInt8], _ body: (inout Protobuf) -> Void) {
        var writer = Protobuf()
        swap(&writer.bytes, &bytes)
        body(&writer)
        swap(&writer.bytes, &bytes)
    }

    mutating func number(_ field: UInt64, _ value: UInt64) {
        append(varint: field << 3)
        append(varint: value)
    }

    mutating func fixed64(_ field: UInt64, _ value: UInt64) {
        append(varint: field << 3 | 1)
        for shift in 0..<UInt64(8) { bytes.append(UInt8(truncatingIfNeeded: value >> (shift * 8))) }
    }

    mutating func double(_ field: UInt64, _ value: Double) { fixed64(field, value.bitPattern) }

    mutating func text(_ field: UInt64, _ text: String) {
        append(varint: field << 3 | 2)
        append(varint: UInt64(text.utf8.count))
        bytes += text.utf8
    }

    mutating func message(_ field: UInt64, _ body: (inout Protobuf) -> Void) {
        append(varint: field << 3 | 2)
        // One byte of length is enough for most messages; otherwise the body is moved.
        let position = bytes.count
        bytes.append(0)
        body(&self)
        var length = UInt64(bytes.count - position - 1)
        bytes[position] = UInt8(truncatingIfNeeded: length) & 0x7f | (length > 0x7f ? 0x80 : 0)
        length >>= 7
        guard length > 0 else { return }
        var rest: [UInt8] = []
        while length > 0 {
            rest.append(UInt8(truncatingIfNeeded: length) & 0x7f | (length > 0x7f ? 0x80 : 0))
            length >>= 7
        }
        bytes.insert(contentsOf: rest, at: position + 1)
    }

    private mutating func append(varint value: UInt64) {
        var rest = value
        while rest > 0x7f {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}

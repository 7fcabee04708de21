// The visitors that move records between events and bytes: they store or load. The
// unsafe part of a recording's format is here and nowhere else: every store and load is compared with the
// room that is left before it happens, alone or, for a kind of fixed size, with all of its record at once.

import Events

/// Stores records one after the other. Room is made by whoever owns the bytes: a record that does not fit
/// is not stored, and `overflowed` says so.
@safe struct RecordStore: FieldVisitor {
    private var next: UnsafeMutableRawPointer?
    /// Bytes from `next` on.
    private(set) var left: Int
    private(set) var overflowed = false

    /// Stores into `bytes` from `position` on, which lies within them; `bytes` outlives this value.
    @inline(__always)
    init(_ bytes: UnsafeMutableRawBufferPointer, from position: Int) {
        unsafe next = bytes.baseAddress?.advanced(by: position)
        left = bytes.count - position
    }

    @inline(__always)
    mutating func put<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) {
        guard left >= MemoryLayout<Value>.size, let place = unsafe next else {
            overflowed = true
            return
        }
        // Inside the buffer, by the comparison above.
        unsafe place.storeBytes(of: value.littleEndian, as: Value.self)
        unsafe next = place + MemoryLayout<Value>.size
        left &-= MemoryLayout<Value>.size
    }

    @inline(__always)
    mutating func number<Value: FixedWidthInteger & BitwiseCopyable>(
        _ name: StaticString, _ value: inout Value, isHex: Bool
    ) {
        put(value)
    }

    @inline(__always)
    mutating func code(_ name: StaticString, _ value: inout UInt8, _ words: () -> [(UInt8, String)]) { put(value) }

    @inline(__always)
    mutating func comm(_ name: StaticString, _ value: inout Comm) {
        put(value.low)
        put(value.high)
    }

    mutating func text(_ name: StaticString, _ value: inout String) {
        for byte in value.utf8 { put(byte == 0 ? UInt8(ascii: "?") : byte) }
        put(UInt8(0))
    }

    mutating func reject() {}
}

/// Bytes that the fields of a record take which has no text.
struct RecordSize: FieldVisitor {
    private(set) var bytes = 0

    mutating func number<Value: FixedWidthInteger & BitwiseCopyable>(
        _ name: StaticString, _ value: inout Value, isHex: Bool
    ) {
        bytes += MemoryLayout<Value>.size
    }

    mutating func code(_ name: StaticString, _ value: inout UInt8, _ words: () -> [(UInt8, String)]) { bytes += 1 }
    mutating func comm(_ name: StaticString, _ value: inout Comm) { bytes += 16 }
    mutating func text(_ name: StaticString, _ value: inout String) { preconditionFailure("text has no fixed size") }
    mutating func reject() {}
}

/// Stores one record for which there is room: whoever makes it has asked for as many bytes as `RecordSize` counts.
@safe struct WholeRecordStore: FieldVisitor {
    private var next: UnsafeMutableRawPointer

    /// Stores from `place` on.
    init(_ place: UnsafeMutableRawPointer) { unsafe next = place }

    @inline(__always)
    mutating func put<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) {
        // Inside the record's bytes: its fields are those that were counted.
        unsafe next.storeBytes(of: value.littleEndian, as: Value.self)
        unsafe next += MemoryLayout<Value>.size
    }

    @inline(__always)
    mutating func number<Value: FixedWidthInteger & BitwiseCopyable>(
        _ name: StaticString, _ value: inout Value, isHex: Bool
    ) {
        put(value)
    }

    @inline(__always)
    mutating func code(_ name: StaticString, _ value: inout UInt8, _ words: () -> [(UInt8, String)]) { put(value) }

    @inline(__always)
    mutating func comm(_ name: StaticString, _ value: inout Comm) {
        put(value.low)
        put(value.high)
    }

    mutating func text(_ name: StaticString, _ value: inout String) { preconditionFailure("text has no fixed size") }
    mutating func reject() {}
}

/// Loads records one after the other. Past the end, and for a code that nobody knows, everything is zero
/// and `isWhole` false.
@safe struct RecordLoad: FieldVisitor {
    private var next: UnsafeRawPointer?
    /// Bytes from `next` on.
    private var left: Int
    private let count: Int
    private(set) var isWhole = true

    /// Loads from `bytes`, which outlive this value; `position` lies within them.
    init(_ bytes: UnsafeRawBufferPointer, from position: Int) {
        unsafe next = bytes.baseAddress?.advanced(by: position)
        (left, count) = (bytes.count - position, bytes.count)
    }

    var position: Int { count - left }
    var isAtEnd: Bool { left <= 0 }

    @inline(__always)
    mutating func take<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type) -> Value {
        guard left >= MemoryLayout<Value>.size, let place = unsafe next else {
            isWhole = false
            return 0
        }
        // Inside the bytes, by the comparison above; fields are not aligned.
        let value = unsafe place.loadUnaligned(as: Value.self)
        unsafe next = place + MemoryLayout<Value>.size
        left &-= MemoryLayout<Value>.size
        return Value(littleEndian: value)
    }

    @inline(__always)
    mutating func number<Value: FixedWidthInteger & BitwiseCopyable>(
        _ name: StaticString, _ value: inout Value, isHex: Bool
    ) {
        value = take(Value.self)
    }

    @inline(__always)
    mutating func code(_ name: StaticString, _ value: inout UInt8, _ words: () -> [(UInt8, String)]) {
        value = take(UInt8.self)
    }

    @inline(__always)
    mutating func comm(_ name: StaticString, _ value: inout Comm) {
        value = Comm(low: take(UInt64.self), high: take(UInt64.self))
    }

    mutating func text(_ name: StaticString, _ value: inout String) {
        // As many bytes as are left.
        let rest = unsafe UnsafeRawBufferPointer(start: next, count: left)
        guard let end = unsafe rest.firstIndex(of: 0) else {
            isWhole = false
            return
        }
        value = unsafe String(decoding: rest[..<end], as: UTF8.self)
        unsafe next = next?.advanced(by: end + 1)
        left -= end + 1
    }

    mutating func reject() { isWhole = false }
}

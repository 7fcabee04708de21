// SPDX-License-Identifier: Apache-2.0

// The visitors that move records between events and bytes: one measures, one stores, one loads. The unsafe part of the
// format is here and nowhere else: a record is stored only where the whole of it was found to fit, and every load is
// checked against the bytes that are left.

import Events

/// Measures the bytes of a record.
struct RecordSize: FieldVisitor {
    private(set) var bytes = 0

    /// What is written is of the newest format.
    @inline(__always)
    func has(format: Int) -> Bool { true }

    @inline(__always)
    mutating func number<Value: FixedWidthInteger & BitwiseCopyable>(
        _ name: StaticString, _ value: inout Value, isHex: Bool
    ) {
        bytes += MemoryLayout<Value>.size
    }

    @inline(__always)
    mutating func word<Word: NumberedWord>(_ name: StaticString, _ value: inout Word) { bytes += 1 }

    @inline(__always)
    mutating func word<Word: NumberedWord>(_ name: StaticString, _ value: inout Word?, none: StaticString) {
        bytes += 1
    }

    @inline(__always)
    mutating func comm(_ name: StaticString, _ value: inout Comm) { bytes += 16 }

    mutating func text(_ name: StaticString, _ value: inout String) { bytes += value.utf8.count + 1 }
}

/// Stores records one after the other. The caller has measured that they fit.
@safe struct RecordStore: FieldVisitor {
    private var next: UnsafeMutableRawPointer

    /// Stores from `bytes` on, which outlive this value.
    init(_ bytes: UnsafeMutableRawPointer) { unsafe next = bytes }

    /// What is written is of the newest format.
    @inline(__always)
    func has(format: Int) -> Bool { true }

    @inline(__always)
    mutating func put<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) {
        // Inside the bytes, as was measured; fields are not aligned.
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
    mutating func word<Word: NumberedWord>(_ name: StaticString, _ value: inout Word) { put(value.number) }

    @inline(__always)
    mutating func word<Word: NumberedWord>(_ name: StaticString, _ value: inout Word?, none: StaticString) {
        put(value?.number ?? 0)
    }

    @inline(__always)
    mutating func comm(_ name: StaticString, _ value: inout Comm) {
        put(value.low)
        put(value.high)
    }

    mutating func text(_ name: StaticString, _ value: inout String) {
        for byte in value.utf8 { put(byte == 0 ? UInt8(ascii: "?") : byte) }
        put(UInt8(0))
    }
}

/// Loads records one after the other. Past the end, and for an unknown word, `isWhole` is false.
@safe struct RecordLoad: FieldVisitor {
    private var next: UnsafeRawPointer?
    /// Bytes from `next` on.
    private var left: Int
    private let count: Int
    private let format: Int
    private(set) var isWhole = true

    /// Loads records of this format from `bytes`, which outlive this value; `position` lies within them.
    init(_ bytes: UnsafeRawBufferPointer, from position: Int, format: Int) {
        unsafe next = bytes.baseAddress?.advanced(by: position)
        (left, count) = (bytes.count - position, bytes.count)
        self.format = format
    }

    @inline(__always)
    func has(format: Int) -> Bool { self.format >= format }

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
    mutating func word<Word: NumberedWord>(_ name: StaticString, _ value: inout Word) {
        if let known = Word(number: take(UInt8.self)) { value = known } else { isWhole = false }
    }

    @inline(__always)
    mutating func word<Word: NumberedWord>(_ name: StaticString, _ value: inout Word?, none: StaticString) {
        let number = take(UInt8.self)
        value = Word(number: number)
        if number != 0, value == nil { isWhole = false }
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
}

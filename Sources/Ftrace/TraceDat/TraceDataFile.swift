// SPDX-License-Identifier: Apache-2.0

// The bytes of a trace.dat and the sections in it. They are untrusted: a length is compared with the file or with a
// limit before it is used, and a section that ends too early is an error with its place. Only a window of the file is
// in memory, apart from a section that was compressed as one block.

internal import Events

/// A file that can be read at any place.
struct TraceDataFile {
    let name: String
    let size: UInt64
    let input: TraceData.Input

    /// Replaces `bytes` with up to `count` bytes from `offset` on; fewer where the file ends.
    func read(_ count: Int, at offset: UInt64, into bytes: inout [UInt8]) throws {
        bytes.removeAll(keepingCapacity: true)
        guard offset < size, count > 0 else { return }
        try input(offset, Int(min(UInt64(count), size - offset)), &bytes)
    }

    func damaged(at offset: UInt64, _ what: String) -> SourceError {
        SourceError(
            "\(name), byte \(offset): \(what); expected a whole recording of trace-cmd: this one was cut off, changed or not yet ended"
        )
    }
}

/// Bytes of a section, read one after the other.
struct SectionBytes {
    private static let windowBytes = 64 << 10
    /// The largest section that is kept as a whole: the names of all functions are a tenth of that.
    static let heldLimit = 64 << 20

    let file: TraceDataFile
    /// For errors, such as "the formats of events".
    private let what: String
    private var window: [UInt8] = []
    private var position = 0
    /// The place in the file that follows the window, and the end of the section.
    private var next: UInt64
    private let end: UInt64
    /// The place of the section, for errors where its bytes are not those of the file.
    private let begin: UInt64

    /// From `begin` on, up to the file's end if no other is known.
    init(_ file: TraceDataFile, _ what: String, from begin: UInt64, to end: UInt64 = .max) {
        (self.file, self.what, self.begin) = (file, what, begin)
        self.end = min(end, file.size)
        next = min(begin, self.end)
    }

    /// These bytes, whatever they come from.
    init(_ file: TraceDataFile, _ what: String, held bytes: [UInt8]) {
        (self.file, self.what, window, begin, next, end) = (file, what, bytes, 0, 0, 0)
    }

    /// The section with this number whose header is at `offset`.
    init(
        _ file: TraceDataFile, _ what: String, id: UInt16, at offset: UInt64, by decompressor: Decompressor?
    ) throws {
        var header = SectionBytes(file, what, from: offset)
        guard try header.number(UInt16.self) == id else {
            throw file.damaged(at: offset, "\(what) should be here and are not")
        }
        let flags = try header.number(UInt16.self)
        _ = try header.number(UInt32.self)
        let size = try header.number(UInt64.self)
        let begin = header.offset
        guard size <= file.size - begin else { throw file.damaged(at: offset, "\(what) end behind the file") }
        self.init(file, what, from: begin, to: begin + size)
        guard flags & 1 != 0 else { return }
        guard let decompressor else { throw file.damaged(at: offset, "\(what) are compressed, and the file is not") }
        let packed = Int(try number(UInt32.self))
        let count = Int(try number(UInt32.self))
        guard count <= Self.heldLimit, packed <= Self.heldLimit else {
            throw file.damaged(at: offset, "\(what) have \(max(count, packed)) bytes, which is too much")
        }
        let block = try bytes(packed)
        guard decompressor.decompress(block, into: &window, count: count) else {
            throw file.damaged(at: offset, "\(what) are compressed in a wrong way")
        }
        (position, next) = (0, self.end)
    }

    /// Where in the file the next byte is, as long as the section was not compressed.
    var offset: UInt64 { next - UInt64(window.count - position) }
    var isAtEnd: Bool { position == window.count && next >= end }

    private mutating func need(_ count: Int) throws {
        guard window.count - position < count else { return }
        window.removeSubrange(..<position)
        position = 0
        let missing = count - window.count
        if UInt64(missing) <= end - next {
            var more: [UInt8] = []
            try file.read(Int(min(UInt64(max(missing, Self.windowBytes)), end - next)), at: next, into: &more)
            next += UInt64(more.count)
            window += more
        }
        guard window.count >= count else {
            throw file.damaged(at: next < end ? next : begin, "\(what) end too early")
        }
    }

    mutating func number<Number: FixedWidthInteger>(_: Number.Type) throws -> Number {
        let size = MemoryLayout<Number>.size
        try need(size)
        defer { position += size }
        return window[position..<position + size].reversed().reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) }
    }

    mutating func bytes(_ count: Int) throws -> [UInt8] {
        try need(count)
        defer { position += count }
        return Array(window[position..<position + count])
    }

    /// A text of this number of bytes, with the padding that `TraceText` needs.
    mutating func paddedText(_ count: UInt64) throws -> [UInt8] {
        guard count <= UInt64(Self.heldLimit) else { throw tooLong(count) }
        let count = Int(count)
        try need(count)
        defer { position += count }
        var text: [UInt8] = []
        text.reserveCapacity(count + TraceText.padding)
        text += window[position..<position + count]
        TraceText.pad(&text)
        return text
    }

    /// The bytes after a length of eight bytes, as many as this length says.
    mutating func counted(limit: Int) throws -> [UInt8] {
        let count = try number(UInt64.self)
        guard count <= UInt64(limit) else { throw tooLong(count) }
        return try bytes(Int(count))
    }

    /// A text that ends with a zero.
    mutating func text(limit: Int = 256) throws -> String {
        var bytes: [UInt8] = []
        while case let byte = try number(UInt8.self), byte != 0 {
            guard bytes.count < limit else { throw tooLong(UInt64(limit)) }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    mutating func skip(_ count: UInt64) throws {
        let held = UInt64(window.count - position)
        if count <= held {
            position += Int(count)
            return
        }
        guard count - held <= end - next else { throw file.damaged(at: begin, "\(what) end too early") }
        window.removeAll(keepingCapacity: true)
        (position, next) = (0, next + count - held)
    }

    private func tooLong(_ count: UInt64) -> SourceError {
        file.damaged(at: begin, "\(what) have a part of \(count) bytes or more, which is too much")
    }
}

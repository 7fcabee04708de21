// SPDX-License-Identifier: Apache-2.0

// The pages of one processor in a trace.dat: as trace-cmd copies them from the kernel, or in compressed chunks.

internal import Events

/// Where the pages of one processor are in the file.
struct ProcessorPlace {
    var number: Int
    var offset: UInt64
    var size: UInt64
    /// Bytes of a page.
    var pageBytes: Int
    var isCompressed: Bool
}

/// Reads them.
struct FilePages: PageInput {
    private static let windowBytes = 64 << 10

    private let file: TraceDataFile
    private let decompressor: Decompressor?
    private let place: ProcessorPlace
    /// The largest chunk that is held.
    private let chunkLimit: Int
    private var next: UInt64
    private let end: UInt64
    /// Chunks that were not read yet.
    private var chunksLeft: UInt32 = 0
    private var block: [UInt8] = []

    init(
        _ file: TraceDataFile, _ place: ProcessorPlace, by decompressor: Decompressor?, chunkLimit: Int
    ) throws {
        (self.file, self.place, self.decompressor, self.chunkLimit) = (file, place, decompressor, chunkLimit)
        // The number of chunks precedes them and is not counted.
        let begin = min(place.offset, file.size - min(4, file.size)) + (place.isCompressed ? 4 : 0)
        end = min(file.size - begin, place.size) + begin
        next = begin
        isCutOff = end - begin < place.size
        if place.isCompressed { chunksLeft = UInt32(truncatingIfNeeded: try word(at: begin - 4)) }
    }

    /// The file ends before its pages do, and that was not said yet.
    private var isCutOff: Bool

    var pageBytes: Int { place.pageBytes }

    /// Bytes of the file that were read for it so far.
    var bytesRead: UInt64 { next - min(next, place.offset) }

    mutating func fill(_ bytes: inout [UInt8], damage: inout PageDamage) throws(any Error) -> Bool {
        if isCutOff { damage.lose("the file ends before its pages do") }
        isCutOff = false
        return try place.isCompressed ? fillFromChunk(&bytes, &damage) : fillFromFile(&bytes, &damage)
    }

    private mutating func fillFromFile(_ bytes: inout [UInt8], _ damage: inout PageDamage) throws -> Bool {
        let pages = max(1, Self.windowBytes / place.pageBytes)
        try file.read(Int(min(UInt64(pages * place.pageBytes), end - next)), at: next, into: &bytes)
        next += UInt64(bytes.count)
        if bytes.count % place.pageBytes != 0 {
            bytes.removeLast(bytes.count % place.pageBytes)
            damage.lose("the last page is cut off")
        }
        return !bytes.isEmpty
    }

    private mutating func fillFromChunk(_ bytes: inout [UInt8], _ damage: inout PageDamage) throws -> Bool {
        func giveUp(_ reason: String) -> Bool {
            damage.lose(reason)
            (chunksLeft, next) = (0, end)
            return false
        }
        guard chunksLeft > 0, let decompressor else {
            return next < end ? giveUp("there are more pages than it says") : false
        }
        chunksLeft -= 1
        guard end - next >= 8 else { return giveUp("chunks of pages are missing") }
        let sizes = try word(at: next)
        let (packed, count) = (Int(sizes & 0xffff_ffff), Int(sizes >> 32))
        next += 8
        guard UInt64(packed) <= end - next else { return giveUp("a chunk of pages is cut off") }
        guard 1...chunkLimit ~= count, count % place.pageBytes == 0, packed <= 2 * chunkLimit else {
            return giveUp("a chunk has \(count) bytes of pages, made of \(packed)")
        }
        try file.read(packed, at: next, into: &block)
        next += UInt64(packed)
        guard decompressor.decompress(block, into: &bytes, count: count) else {
            return giveUp("a chunk of pages is compressed in a wrong way")
        }
        return true
    }

    private mutating func word(at offset: UInt64) throws -> UInt64 {
        try file.read(8, at: offset, into: &block)
        TraceText.pad(&block)
        return TraceText.reading(padded: block) { $0.word(at: 0) }
    }
}

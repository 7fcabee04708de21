// SPDX-License-Identifier: Apache-2.0

// The pages of the kernel's ring buffer, as trace-cmd copies them into its file for each processor, in chunks that
// are compressed or as they are. A page has a time and a length at its head, and then events, each with the time
// since the one before; include/linux/ring_buffer.h says how. What is damaged costs a page, or the rest of the
// processor's, and is counted.

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

/// An event where it lies among the bytes that are held.
struct RawEvent {
    var time: UInt64
    /// Number, flags, task and arguments.
    var data: Range<Int>
    /// Events that were lost before it.
    var lost: UInt64 = 0
}

/// The events of one processor, in the order in which it wrote them.
struct ProcessorEvents {
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
    /// Whole pages, and the padding of `TraceText`; or nothing.
    private var bytes: [UInt8] = []
    /// Where the page after this one begins.
    private var nextPage = 0
    private var page = RingBufferPage()
    /// Lost before the next event, or behind the last.
    private(set) var lost: UInt64 = 0
    /// The event that comes next; nil at the end.
    private(set) var event: RawEvent?
    /// Why not all pages could be read.
    private(set) var damage: String?

    /// Goes to the first event.
    init(
        _ file: TraceDataFile, _ place: ProcessorPlace, by decompressor: Decompressor?, chunkLimit: Int
    ) throws {
        (self.file, self.place, self.decompressor, self.chunkLimit) = (file, place, decompressor, chunkLimit)
        // The number of chunks stands before them and is not counted.
        let begin = min(place.offset, file.size - min(4, file.size)) + (place.isCompressed ? 4 : 0)
        end = min(file.size - begin, place.size) + begin
        next = begin
        if end - begin < place.size { damage = "the file ends before its pages do" }
        if place.isCompressed { chunksLeft = UInt32(truncatingIfNeeded: try word(at: begin - 4)) }
        try advance()
    }

    /// Bytes of the file that were read for it so far.
    var bytesRead: UInt64 { next - min(next, place.offset) }

    /// Hands over the next event and those after it that lie before `end`, no more than are left.
    @inline(__always)
    mutating func take(
        before end: UInt64, atMost left: inout Int, _ body: (RawEvent, TraceText) throws -> Void
    ) throws {
        var isFirst = true
        while left > 0, let first = event, isFirst || first.time < end {
            isFirst = false
            let held = bytes
            // As far as this page goes.
            try TraceText.reading(padded: held) { text in
                var next = first
                repeat {
                    try body(next, text)
                    left -= 1
                    event = page.next(in: text)
                    guard let event else { return }
                    next = event
                } while left > 0 && next.time < end
            }
            if event == nil { try advance() }
        }
    }

    /// The first event of the next page that has one.
    private mutating func advance() throws {
        repeat {
            if page.isDamaged {
                page.isDamaged = false
                lose("a page holds what is no event")
            }
            guard try nextPage + TraceText.padding < bytes.count || fill() else {
                event = nil
                return
            }
            let held = bytes
            let begin = nextPage
            nextPage += place.pageBytes
            let missed = TraceText.reading(padded: held) { page.begin(in: $0, begin..<begin + place.pageBytes) }
            lost &+= missed
            event = TraceText.reading(padded: held) { page.next(in: $0) }
        } while event == nil
        event?.lost = lost
        lost = 0
    }

    private mutating func lose(_ reason: String) {
        lost &+= 1
        if damage == nil { damage = reason }
    }

    // MARK: The file

    /// Gets more pages; false when there are none.
    private mutating func fill() throws -> Bool {
        nextPage = 0
        let isFilled = try place.isCompressed ? fillFromChunk() : fillFromFile()
        if isFilled { TraceText.pad(&bytes) } else { bytes.removeAll() }
        return isFilled
    }

    private mutating func fillFromFile() throws -> Bool {
        let pages = max(1, Self.windowBytes / place.pageBytes)
        try file.read(Int(min(UInt64(pages * place.pageBytes), end - next)), at: next, into: &bytes)
        next += UInt64(bytes.count)
        if bytes.count % place.pageBytes != 0 {
            bytes.removeLast(bytes.count % place.pageBytes)
            if damage == nil { damage = "the last page is cut off" }
        }
        return !bytes.isEmpty
    }

    private mutating func fillFromChunk() throws -> Bool {
        guard chunksLeft > 0, let decompressor else { return false }
        chunksLeft -= 1
        func giveUp(_ reason: String) -> Bool {
            lose(reason)
            chunksLeft = 0
            return false
        }
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

/// One page, while its events are looked at.
private struct RingBufferPage {
    /// Bytes before the first event: the page's time, and the length of its events with two bits about losses.
    static let headBytes = 16

    private var position = 0
    private var end = 0
    private var time: UInt64 = 0
    /// The rest of it cannot be read.
    var isDamaged = false

    /// Goes to the page in `range`; returns how many events were lost before it, 1 where the kernel does not say.
    mutating func begin(in text: TraceText, _ range: Range<Int>) -> UInt64 {
        time = text.word(at: range.lowerBound)
        let commit = text.word(at: range.lowerBound + 8)
        position = range.lowerBound + Self.headBytes
        end = position + Int(commit & 0x7ff_ffff)
        guard end <= range.upperBound else {
            (end, isDamaged) = (position, true)
            return 0
        }
        guard commit & 1 << 31 != 0 else { return 0 }
        // The count stands behind the last event, if there is room.
        guard commit & 1 << 30 != 0, end + 8 <= range.upperBound else { return 1 }
        return max(1, text.word(at: end))
    }

    /// The next event of the page; nil behind the last.
    @inline(__always)
    mutating func next(in text: TraceText) -> RawEvent? {
        while position &+ 4 <= end {
            let words = text.word(at: position)
            let length = Int(words & 31)
            let delta = words >> 5 & 0x7ff_ffff
            let data: Range<Int>
            switch length {
            case 1...28:
                time &+= delta
                data = position &+ 4..<position &+ 4 &+ length &* 4
            case 0:
                time &+= delta
                // Its own four bytes are counted; it ends where the next word begins.
                let size = Int(words >> 32)
                guard size >= 4 else { return stop() }
                data = position &+ 8..<position &+ 8 &+ (size - 1) & ~3
            case 29:
                // Nobody wrote further, or an event that was taken back.
                time &+= delta
                guard delta != 0 else {
                    position = end
                    return nil
                }
                position &+= 4 &+ Int(words >> 32)
                continue
            case 30:
                time &+= (words >> 32) << 27 | delta
                position &+= 8
                continue
            default:
                // The highest five bits have no room in it.
                time = time & 0xf8 << 56 | (words >> 32) << 27 | delta
                position &+= 8
                continue
            }
            guard data.upperBound <= end else { return stop() }
            position = data.upperBound
            return RawEvent(time: time, data: data)
        }
        return nil
    }

    private mutating func stop() -> RawEvent? {
        (position, isDamaged) = (end, true)
        return nil
    }
}

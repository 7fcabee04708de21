// Cuts a stream of bytes into lines. Memory is bounded: a line that is longer than `lineLimit` is passed
// over up to its end, however far that is. Nothing is allocated for a line.

/// Bytes that arrive in chunks of any size, seen as lines.
struct LineCutter {
    /// Bytes; the kernel's own lines have at most 8 KiB.
    static let lineLimit = 64 << 10

    private(set) var bytes: [UInt8] = []
    /// Bytes held, so that a refill can be measured.
    var count: Int { bytes.count - position }
    private var position = 0
    /// How far the unfinished line at the end was searched.
    private var searched = 0
    private var isSkipping = false
    /// Number of the line that was cut last, the first being 1.
    private(set) var line: UInt64 = 0
    /// Lines that were too long.
    private(set) var overlong: UInt64 = 0

    /// Makes room, then lets `fill` append a chunk; false when it says that there is none.
    mutating func refill(_ fill: (inout [UInt8]) throws -> Bool) rethrows -> Bool {
        if position > 0 {
            bytes.removeSubrange(..<position)
            searched -= position
            position = 0
        }
        return try fill(&bytes)
    }

    /// The next whole line of `text`, which is `bytes`, without its end; nil when more bytes are needed. With
    /// `atEnd` what is left counts as a line.
    mutating func next(in text: TraceText, atEnd: Bool) -> Range<Int>? {
        while true {
            let end = text.first("\n", in: max(searched, position)..<text.count) ?? text.count
            searched = end
            guard end < text.count || (atEnd && end > position) else {
                if end - position > Self.lineLimit {
                    isSkipping = true
                    position = end
                }
                return nil
            }
            let start = position
            position = min(end + 1, text.count)
            searched = position
            line += 1
            if isSkipping || end - start > Self.lineLimit {
                isSkipping = false
                overlong += 1
                continue
            }
            return start..<(end > start && text[end - 1] == UInt8(ascii: "\r") ? end - 1 : end)
        }
    }
}

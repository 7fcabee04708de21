// SPDX-License-Identifier: Apache-2.0

// What a log or a console puts before the lines of a dump: compared from line to line, since a line that lacks it is
// the rest of one that was cut in two; and the sequence numbers of /dev/kmsg, in which a gap is a loss.

/// The prefix of the newest line of the trace.
struct Prefix {
    private static let compared = 4

    /// Bytes of the prefix; nil as long as there was no line of a trace.
    private(set) var count: Int?
    private var shape: UInt64 = 0
    /// Number of the newest record of /dev/kmsg.
    private var sequence: UInt64?
    /// Such numbers stand before lines, perhaps behind something else.
    private(set) var hasRecords = false

    /// Takes the prefix of a line of the trace.
    mutating func learn(_ text: TraceText, _ prefix: Range<Int>) {
        count = prefix.count
        if !prefix.isEmpty { shape = Self.shape(text, prefix) }
    }

    /// Whether a line begins as the lines of the trace do, so that it is whole although it is none of them.
    func begins(_ text: TraceText, _ line: Range<Int>) -> Bool {
        guard let count, count > 0 else { return false }
        return Self.shape(text, line) == shape
    }

    /// The first bytes with digits, blanks and letters made alike.
    private static func shape(_ text: TraceText, _ range: Range<Int>) -> UInt64 {
        (0..<compared).reduce(0) { shape, place in
            guard range.lowerBound + place < range.upperBound else { return shape << 8 }
            let byte = text[range.lowerBound + place]
            let kind =
                byte &- 0x30 < 10 || byte == 0x20
                ? UInt8(ascii: "0") : (byte | 0x20) &- 0x61 < 26 ? UInt8(ascii: "a") : byte
            return shape << 8 | UInt64(kind)
        }
    }

    /// Takes what stands before a line of the trace: with a record of /dev/kmsg in it, other lines have one too.
    mutating func learnRecords(_ text: TraceText, _ prefix: Range<Int>) {
        if !hasRecords, Self.record(text, prefix) != nil { hasRecords = true }
    }

    /// Records that are missing before this line, by the numbers that /dev/kmsg gives them; 0 for any other line.
    mutating func gap(_ text: TraceText, _ line: Range<Int>) -> UInt64 {
        guard let number = Self.record(text, line) else { return 0 }
        defer { sequence = number }
        guard let sequence, number > sequence else { return 0 }
        return number - sequence - 1
    }

    /// The number in "4,519,15962815,-;" or "6.12.0,4,519,15962815,-,caller=T1;", which a network console, a file's
    /// name or a line's number may stand before.
    private static func record(_ text: TraceText, _ line: Range<Int>) -> UInt64? {
        let limit = min(line.upperBound, line.lowerBound + recordLimit)
        var from = line.lowerBound
        while let end = text.first(";", in: from..<limit) {
            var begin = end
            while begin > from, text[begin - 1] > 0x20 { begin -= 1 }
            let fields = text[begin..<end].split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            for first in fields.indices.dropLast(3) {
                guard let level = fields[first].last, level &- 0x30 < 10, isNumber(fields[first + 1]),
                    isNumber(fields[first + 2]), fields[first + 3].count == 1,
                    let flag = fields[first + 3].first, flag == UInt8(ascii: "-") || flag | 0x20 == UInt8(ascii: "c")
                else { continue }
                return UInt64(String(decoding: fields[first + 1], as: UTF8.self))
            }
            from = end + 1
        }
        return nil
    }

    private static let recordLimit = 256

    private static func isNumber(_ field: Slice<TraceText>) -> Bool {
        !field.isEmpty && field.allSatisfy { $0 &- 0x30 < 10 }
    }
}

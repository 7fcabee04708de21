// SPDX-License-Identifier: Apache-2.0

// A block of a text, and what each of its lines says by itself. Blocks do not know each other, so that several can be
// read at once. What a line means after the lines before it is found out by the reader.

/// Whole lines of a trace.
struct TraceBlock: Sendable {
    /// The last line may lack its end. Once it was read the padding of `TraceText` stands behind them.
    var bytes: [UInt8] = []
    private(set) var lines: [TraceLine] = []
    /// Of lines, one after the other.
    private(set) var values: [UInt64] = []
    /// All of them, also those that were passed over.
    private(set) var lineCount = 0
    /// Lines of more than `LineCutter.lineLimit`.
    private(set) var overlong: UInt64 = 0
    private var beginsInOverlong = false
    private var isUnwrapped = false
    /// Bytes of the text up to the end of the chunk that it comes from.
    var bytesRead: UInt64 = 0
    /// What it has learnt from blocks before; that saves time and nothing else.
    private var forms: LineForms
    private var origins = OriginForms()

    init(names: KnownNames) { forms = LineForms(names: names) }

    /// Empties it and begins anew with these bytes; `isInOverlong` when they belong to a line too long to be kept.
    mutating func begin(with bytes: [UInt8], isInOverlong: Bool) {
        self.bytes.removeAll(keepingCapacity: true)
        self.bytes.append(contentsOf: bytes)
        lines.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        (lineCount, overlong, beginsInOverlong) = (0, 0, isInOverlong)
    }

    /// Reads all lines.
    mutating func read() {
        TraceText.pad(&bytes)
        guard readLines() else { return }
        // Lines are wrapped: once more with what is in them.
        bytes.removeLast(TraceText.padding)
        LogLine.unwrap(&bytes)
        TraceText.pad(&bytes)
        lines.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        (lineCount, overlong) = (0, 0)
        isUnwrapped = true
        _ = readLines()
        isUnwrapped = false
    }

    /// True, and not all of them are read, where a line has to be unwrapped first.
    private mutating func readLines() -> Bool {
        // The bytes stay where they are for as long as they are looked at.
        let held = bytes
        return unsafe held.withUnsafeBufferPointer { bytes in
            let text = unsafe TraceText(padded: bytes)
            var begin = 0
            while begin < text.count {
                let end = text.first("\n", in: begin..<text.count) ?? text.count
                if end - begin > LineCutter.lineLimit || (begin == 0 && beginsInOverlong) {
                    overlong += 1
                    lines.append(TraceLine(range: begin..<begin, number: lineCount, firstValue: values.count))
                    lines[lines.count - 1].meaning = .overlong
                } else if !isUnwrapped, LogLine.isWrapped(text, begin..<end) {
                    return true
                } else {
                    // Programs that each put a return before the end of a line may have put several.
                    var last = end
                    while last > begin, text[last - 1] == UInt8(ascii: "\r") { last -= 1 }
                    add(text, begin..<last)
                }
                // A decoder has put its marks between the lines.
                if text[begin] != OriginFields.markByte { lineCount += 1 }
                begin = end + 1
            }
            return false
        }
    }

    private mutating func add(_ text: TraceText, _ range: Range<Int>) {
        guard !range.isEmpty else { return }
        lines.append(TraceLine(range: range, number: lineCount, firstValue: values.count))
        Self.read(text, range, &forms, &origins, into: &lines[lines.count &- 1], &values)
    }

    @inline(__always)
    private static func read(
        _ text: TraceText, _ range: Range<Int>, _ forms: inout LineForms, _ origins: inout OriginForms,
        into line: inout TraceLine, _ values: inout [UInt64]
    ) {
        line.beginsWithDigit = text[range.lowerBound] &- 0x30 < 10
        let begin = forms.read(text, into: &line, &values)
        // The name of a task may begin like a comment, and so may a prefix.
        if text[range.lowerBound] == UInt8(ascii: "#"), begin == nil || !line.isNoComment {
            line.meaning = .other
        } else if let begin {
            if case .frame = line.meaning {} else { line.prefix = begin - range.lowerBound }
            line.origin = begin > range.lowerBound ? origins.hash(text, range.lowerBound..<begin) : Origin.none
        }
    }
}

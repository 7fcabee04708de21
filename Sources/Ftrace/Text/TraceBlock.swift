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
                if text[begin] != OriginFields.mark[0] { lineCount += 1 }
                begin = end + 1
            }
            return false
        }
    }

    private mutating func add(_ text: TraceText, _ range: Range<Int>) {
        guard !range.isEmpty else { return }
        var line = TraceLine(range: range, number: lineCount, firstValue: values.count)
        var begin = range.lowerBound
        let reading = forms.read(text, range, begin: &begin, into: &values)
        // The name of a task may begin like a comment.
        if text[range.lowerBound] != UInt8(ascii: "#") || reading.isOfTask {
            switch reading {
            case .unneeded:
                line.meaning = .unneeded
                setPrefix(text, range.lowerBound..<begin, of: &line)
            case .frame(let frame):
                line.meaning = .frame(frame.kind, isOfPerf: frame.isOfPerf)
                values.append(frame.function)
                if frame.begin > 0 { line.origin = origins.hash(text, range.lowerBound..<frame.begin) }
            case .event(let name, let head, let keys, let words):
                (line.meaning, line.head, line.keys, line.words) = (.event(name), head, keys, words)
                setPrefix(text, range.lowerBound..<begin, of: &line)
            case .nameless: setPrefix(text, range.lowerBound..<begin, of: &line)
            case .noLine: break
            }
        }
        lines.append(line)
    }

    @inline(__always)
    private mutating func setPrefix(_ text: TraceText, _ prefix: Range<Int>, of line: inout TraceLine) {
        line.prefix = prefix.count
        line.origin = prefix.isEmpty ? Origin.none : origins.hash(text, prefix)
    }
}

/// What one line says.
struct TraceLine: Sendable {
    enum Meaning {
        /// Nothing that could be known without reading it again.
        case other
        /// A line of a trace with an event that is not needed.
        case unneeded
        /// What looks like a frame, with the hash of its function as its only value.
        case frame(Reconstruction.FrameKind, isOfPerf: Bool)
        case event(EventName)
        /// A line that is too long to be kept.
        case overlong
    }

    var head = EventHead()
    var meaning = Meaning.other
    /// Which values it has, as `Arguments` packs them.
    var keys: UInt32 = 0
    /// How many arguments it has, needed or not.
    var words: UInt8 = 0
    /// No line that is kept is longer, and something stands behind a prefix.
    private var prefixCount: UInt16 = 0
    /// What stands before it, as `Origin` has it; 0 where it is no line of a trace.
    var origin: UInt32 = 0
    private var begin: UInt32
    private var end: UInt32
    /// Lines before it in its block.
    let number: UInt32
    private let first: UInt32

    @inline(__always)
    init(range: Range<Int>, number: Int, firstValue: Int) {
        (begin, end) = (UInt32(range.lowerBound), UInt32(range.upperBound))
        (self.number, first) = (UInt32(number), UInt32(firstValue))
    }

    /// Its bytes without its end.
    var range: Range<Int> { Int(begin)..<Int(end) }
    /// How many of them a log has put before the line of the trace.
    var prefix: Int {
        get { Int(prefixCount) }
        set { prefixCount = UInt16(newValue) }
    }
    /// It has a task and a time.
    var isHead: Bool {
        if case .frame = meaning { return false }
        return origin != 0
    }
    var firstValue: Int { Int(first) }
}

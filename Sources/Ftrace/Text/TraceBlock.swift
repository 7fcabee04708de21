// SPDX-License-Identifier: Apache-2.0

// A block of a text, and of each of its lines what it says by itself. Blocks do not know of each other, so that
// several can be read at once; what a line means after the lines before it is the reader's to find out.

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
    /// Bytes of the text up to the end of the chunk that it comes from.
    var bytesRead: UInt64 = 0
    /// What it has learnt from blocks before; that saves time and nothing else.
    private var forms: LineForms

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
        bytes.append(contentsOf: repeatElement(0, count: TraceText.padding))
        // The bytes stay where they are for as long as they are looked at.
        let held = bytes
        unsafe held.withUnsafeBufferPointer { bytes in
            let text = unsafe TraceText(padded: bytes)
            var begin = 0
            while begin < text.count {
                let end = text.first("\n", in: begin..<text.count) ?? text.count
                if end - begin > LineCutter.lineLimit || (begin == 0 && beginsInOverlong) {
                    overlong += 1
                } else {
                    let isReturn = end > begin && text[end - 1] == UInt8(ascii: "\r")
                    add(text, begin..<(isReturn ? end - 1 : end))
                }
                lineCount += 1
                begin = end + 1
            }
        }
    }

    private mutating func add(_ text: TraceText, _ line: Range<Int>) {
        guard !line.isEmpty else { return }
        var told = TraceLine(range: line, number: lineCount, firstValue: values.count)
        if text[line.lowerBound] != UInt8(ascii: "#") {
            // No console begins a line with a blank.
            let isPlain = text[line.lowerBound] == UInt8(ascii: " ")
            let body = isPlain ? line : Console.removed(from: text, line)
            told.range = body
            switch forms.read(text, body, into: &values) {
            case .unneeded: told.meaning = .unneeded
            case .frame(let frame):
                told.meaning = .frame(frame.kind)
                values.append(frame.function)
            case .event(let name, let head, let keys):
                (told.meaning, told.head, told.keys) = (.event(name), head, keys)
            case .nameless, .noLine: break
            }
        }
        lines.append(told)
    }
}

/// What one line says.
struct TraceLine: Sendable {
    enum Meaning {
        /// Nothing that could be known without reading it again.
        case other
        /// A line of a trace with an event that nobody needs.
        case unneeded
        /// What looks like one, with the hash of its function as its only value.
        case frame(Reconstruction.FrameKind)
        case event(EventName)
    }

    var head = EventHead()
    var meaning = Meaning.other
    /// Which values it has, as `Arguments` packs them.
    var keys: UInt32 = 0
    private var begin: UInt32
    private var end: UInt32
    /// Lines before it in its block.
    let number: UInt32
    private let first: UInt32

    init(range: Range<Int>, number: Int, firstValue: Int) {
        (begin, end) = (UInt32(range.lowerBound), UInt32(range.upperBound))
        (self.number, first) = (UInt32(number), UInt32(firstValue))
    }

    /// Its bytes without what a console puts before them and without its end.
    var range: Range<Int> {
        get { Int(begin)..<Int(end) }
        set { (begin, end) = (UInt32(newValue.lowerBound), UInt32(newValue.upperBound)) }
    }
    var firstValue: Int { Int(first) }
}

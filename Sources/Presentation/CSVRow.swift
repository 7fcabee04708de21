// One CSV row on its way into a buffer, field after field, by RFC 4180. Words and numbers of this program
// need no look; text that other tasks chose is made harmless for a spreadsheet, a terminal and a parser.

import Events

/// Writes fields in order; every one is followed by a comma, and `end()` makes the last a line end.
struct CSVRow {
    private(set) var bytes: [UInt8]

    /// The row takes the buffer over until it is ended.
    init(taking bytes: inout [UInt8]) {
        self.bytes = []
        swap(&self.bytes, &bytes)
    }

    /// Ends the row and gives the buffer back.
    mutating func end(into bytes: inout [UInt8]) {
        self.bytes[self.bytes.count - 1] = UInt8(ascii: "\r")
        self.bytes.append(UInt8(ascii: "\n"))
        swap(&self.bytes, &bytes)
    }

    // MARK: Fields

    mutating func empty(_ count: Int = 1) {
        for _ in 0..<count { bytes.append(UInt8(ascii: ",")) }
    }

    /// A word of this program, which needs neither quotes nor escapes.
    mutating func word(_ text: String?) {
        if let text { bytes.append(word: text) }
        empty()
    }

    mutating func number(_ number: UInt64?) {
        if let number { bytes.append(decimal: number) }
        empty()
    }

    mutating func number(_ number: UInt32?) {
        if let number { bytes.append(decimal: UInt64(number)) }
        empty()
    }

    mutating func signed(_ number: (some SignedInteger)?) {
        if let number { bytes.append(signed: Int64(number)) }
        empty()
    }

    mutating func flag(_ flag: Bool?) {
        if let flag { bytes.append(word: flag ? "true" : "false") }
        empty()
    }

    mutating func address(_ address: UInt64?) {
        if let address {
            bytes.append(word: "0x")
            bytes.append(hex: address)
        }
        empty()
    }

    /// RFC 3339, and nanoseconds since 1970.
    mutating func time(_ monotonicNs: UInt64, clock: WallClock, writer: inout TimestampWriter) {
        writer.append(monotonicNs, clock: clock, into: &bytes)
        empty()
        signed(clock.epochNs(monotonicNs))
    }

    mutating func page(_ page: PageID?, legend: Legend) {
        if let page { legend.append(page, into: &bytes) }
        empty()
    }

    mutating func device(_ file: FileID?) {
        if let file {
            bytes.append(decimal: UInt64(file.major))
            bytes.append(UInt8(ascii: ":"))
            bytes.append(decimal: UInt64(file.minor))
        }
        empty()
    }

    /// Words of this program with a blank between them.
    mutating func words(_ words: some Sequence<String>) {
        let start = bytes.count
        for word in words {
            if bytes.count > start { bytes.append(UInt8(ascii: " ")) }
            bytes.append(word: word)
        }
        empty()
    }

    // MARK: Text of other tasks

    mutating func foreign(_ comm: Comm?) {
        guard let comm else { return empty() }
        let start = bytes.count
        var (word, isPlain) = (comm.low, true)
        for position in 0..<16 {
            if position == 8 { word = comm.high }
            let byte = UInt8(truncatingIfNeeded: word)
            if byte == 0 { break }
            isPlain = isPlain && Self.isPlain(byte)
            bytes.append(byte)
            word >>= 8
        }
        if isPlain && (bytes.count == start || !Self.startsFormula(bytes[start])) { return empty() }
        bytes.removeLast(bytes.count - start)
        foreign(comm.text)
    }

    mutating func foreign(_ text: String?) {
        guard let text, !text.isEmpty else { return empty() }
        // Nearly all text is plain, and then needs no look at its characters.
        let span = text.utf8Span.span
        var isPlain = !Self.startsFormula(span[0])
        for position in span.indices { isPlain = isPlain && Self.isPlain(span[position]) }
        if isPlain { bytes.append(word: text) } else { escape(text) }
        empty()
    }

    /// Printable ASCII without what makes quotes necessary.
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7f && byte != UInt8(ascii: ",") && byte != UInt8(ascii: "\"")
    }

    private static func startsFormula(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "="), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "@"): true
        default: false
        }
    }

    /// Unit, container and pod of a task, as far as its control group's path says.
    mutating func workload(of task: TaskIdentity, legend: Legend) {
        guard let workload = legend.names.workload(task.cgroup) else { return empty(3) }
        foreign(workload.unit)
        foreign(workload.container)
        foreign(workload.pod)
    }

    private mutating func escape(_ text: String) {
        let formulaStarts: [Unicode.Scalar] = ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n"]
        let startsFormula = text.unicodeScalars.first.map(formulaStarts.contains) ?? false
        let field = (startsFormula ? "'" : "") + TerminalText.escaped(text)
        guard field.utf8.contains(where: { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") }) else {
            return bytes.append(word: field)
        }
        bytes.append(UInt8(ascii: "\""))
        for byte in field.utf8 {
            if byte == UInt8(ascii: "\"") { bytes.append(byte) }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

// SPDX-License-Identifier: Apache-2.0

// Writes one CSV row into a buffer, field after field, by RFC 4180. Words and numbers of this program need no check;
// untrusted text is made harmless for a spreadsheet, a terminal and a parser.

import Events

extension [UInt8] {
    /// Appends one row; `write` may be called again, as by `appendText`.
    @inline(__always)
    mutating func appendRow(_ write: (inout CSVRow) -> Void) {
        appendText { output in
            var row = CSVRow(output: output)
            write(&row)
            row.end()
            output = row.output
        }
    }
}

/// Writes fields in order; a comma follows each field, and the end of the row replaces the last comma.
struct CSVRow {
    fileprivate var output: TextOutput

    fileprivate mutating func end() {
        output.removeLast(1)
        output.append("\r\n")
    }

    /// Fields of untrusted text, each with the comma after it.
    static func fields(_ texts: [String?]) -> String {
        var bytes: [UInt8] = []
        bytes.appendText { output in
            var row = CSVRow(output: output)
            for text in texts { row.foreign(text) }
            output = row.output
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Fields that `fields(_:)` has made.
    mutating func append(fields: String) { output.append(word: fields) }

    // MARK: Fields

    mutating func empty(_ count: Int = 1) {
        for _ in 0..<count { output.append(UInt8(ascii: ",")) }
    }

    /// A word of this program, which needs neither quotes nor escapes.
    mutating func word(_ text: String?) {
        if let text { output.append(word: text) }
        empty()
    }

    mutating func number(_ number: UInt64?) {
        if let number { output.append(decimal: number) }
        empty()
    }

    mutating func number(_ number: UInt32?) {
        if let number { output.append(decimal: UInt64(number)) }
        empty()
    }

    mutating func signed(_ number: (some SignedInteger)?) {
        if let number { output.append(signed: Int64(number)) }
        empty()
    }

    mutating func flag(_ flag: Bool?) {
        if let flag { output.append(flag ? "true" : "false") }
        empty()
    }

    mutating func address(_ address: UInt64?) {
        if let address {
            output.append("0x")
            output.append(hex: address)
        }
        empty()
    }

    /// RFC 3339, and nanoseconds since 1970; empty for a time that is a count.
    mutating func time(_ monotonicNs: UInt64, clock: WallClock, writer: inout TimestampWriter) {
        if clock.showsCounts { return empty(2) }
        writer.append(monotonicNs, clock: clock, to: &output)
        empty()
        signed(clock.epochNs(monotonicNs))
    }

    mutating func page(_ page: PageID?, legend: Legend) {
        if let page { legend.append(page, to: &output) }
        empty()
    }

    mutating func device(_ file: FileID?) {
        if let file { Legend.append(deviceOf: file, to: &output) }
        empty()
    }

    /// Words of this program with a blank between them.
    mutating func words(_ words: some Sequence<String>) {
        let start = output.count
        for word in words {
            if output.count > start { output.append(UInt8(ascii: " ")) }
            output.append(word: word)
        }
        empty()
    }

    // MARK: Untrusted text

    mutating func foreign(_ comm: Comm?) {
        guard let comm else { return empty() }
        // Nearly all text is plain, and its characters need no further check.
        if Self.startsFormula(UInt8(truncatingIfNeeded: comm.low)) || !output.append(plain: comm, without: ",", "\"") {
            escape(comm.text)
        }
        empty()
    }

    mutating func foreign(_ text: String?) {
        guard let text, let first = text.utf8.first else { return empty() }
        if Self.startsFormula(first) || !output.append(plain: text, without: ",", "\"") { escape(text) }
        empty()
    }

    private static func startsFormula(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "="), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "@"): true
        default: false
        }
    }

    /// Unit, container and pod of a task, if the path of its control group has them.
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
            return output.append(word: field)
        }
        output.append(UInt8(ascii: "\""))
        for byte in field.utf8 {
            if byte == UInt8(ascii: "\"") { output.append(byte) }
            output.append(byte)
        }
        output.append(UInt8(ascii: "\""))
    }
}

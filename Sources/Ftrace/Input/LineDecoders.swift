// SPDX-License-Identifier: Apache-2.0

// Texts in which another program has changed each line: the fields of a journal, lines that the runtime of a container
// has cut into parts, screens with colours and borders, and text that was added to the begin or the end of each line.

import Events

/// The output of `journalctl -o export` and `-o verbose`: one field a line, of which "MESSAGE=app-123 [001] …" is the
/// line of the trace.
struct FieldDecoder: TextDecoder {
    private static let name = Array("MESSAGE".utf8)
    /// Bytes of lines that are kept until their record ends.
    private static let heldLimit = 256 << 10
    private var rest: [UInt8] = []
    /// The lines of a record that has not ended: a field behind them may name another place.
    private var held: [UInt8] = []
    private var hasLine = false
    private var fields: OriginFields.Record = [:]
    private var origins = OriginFields()

    mutating func decode(_ bytes: [UInt8], isLast: Bool, into text: inout [UInt8]) {
        rest += bytes
        var begin = 0
        while let end = rest[begin...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = rest[begin..<end]
            // "MESSAGE" without "=": the value may have several lines. Its length follows in eight bytes, then the value
            // and the end of a line.
            if !line.isEmpty, line.allSatisfy(Self.isOfName) {
                guard end + 9 <= rest.count else { break }
                let length = rest[end + 1..<end + 9].reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
                if length < UInt64(LineCutter.lineLimit) {
                    let valueEnd = end + 9 + Int(length)
                    guard valueEnd < rest.count else { break }
                    if rest[valueEnd] == UInt8(ascii: "\n") {
                        take(value: rest[end + 9..<valueEnd], of: line)
                        begin = valueEnd + 1
                        continue
                    }
                }
            }
            take(line, into: &text)
            begin = end + 1
        }
        if isLast || rest.count - begin > 4 * LineCutter.lineLimit {
            if begin < rest.count { take(rest[begin...], into: &text) }
            begin = rest.count
        }
        if isLast { endRecord(into: &text) }
        rest.removeFirst(begin)
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        byte &- 0x41 < 26 || byte &- 0x30 < 10 || byte == UInt8(ascii: "_")
    }

    private mutating func take(value: ArraySlice<UInt8>, of name: ArraySlice<UInt8>) {
        if name.elementsEqual(Self.name) {
            held += value
            hasLine = true
        }
        held.append(UInt8(ascii: "\n"))
    }

    /// Takes one line. The value of MESSAGE is held; another field becomes an empty line; a line that is no field stays
    /// as it is.
    private mutating func take(_ line: ArraySlice<UInt8>, into text: inout [UInt8]) {
        let field = line.drop { $0 == 0x20 }
        let name = field.prefix(while: Self.isOfName)
        let isField = !name.isEmpty && field.dropFirst(name.count).first == UInt8(ascii: "=")
        let isBegin = !isField && line.suffix(160).place(of: Array(" [s=".utf8)) != nil
        if line.isEmpty || isBegin || held.count > Self.heldLimit { endRecord(into: &text) }
        if isField, name.elementsEqual(Self.name) {
            held += field.dropFirst(name.count + 1)
            hasLine = true
        } else if isField {
            if let name = OriginFields.name(of: String(decoding: name, as: UTF8.self), within: nil) {
                let value = field.drop { $0 != UInt8(ascii: "=") }.dropFirst()
                OriginFields.take(name, value, into: &fields)
            }
        } else if !isBegin {
            held += line
        }
        held.append(UInt8(ascii: "\n"))
    }

    /// Passes on the lines of a record, with a mark before them where their place differs from that of the lines
    /// before.
    private mutating func endRecord(into text: inout [UInt8]) {
        if hasLine, let mark = origins.mark(before: fields) { text += mark }
        text += held
        held.removeAll(keepingCapacity: true)
        (fields, hasLine) = ([:], false)
    }
}

/// Lines of the runtime of a container: "TIME stdout P TEXT" is continued by the next line of the same stream, and
/// "TIME stdout F TEXT" ends a line.
struct PartDecoder: TextDecoder {
    private static let placeLimit = 64
    private static let marks = [" stdout P ", " stderr P ", " stdout F ", " stderr F "].map { Array($0.utf8) }
    private var buffer = LineBuffer()
    /// For each stream of each place, the begin of a line that is not complete, with its first time.
    private var parts: [[UInt8]: [UInt8]] = [:]

    /// Whether a text has such a part of a line. `text` is the begin of the input.
    static func isWrapped(_ text: TraceText) -> Bool {
        text.firstLines(.max).contains { mark(in: Array(text[$0.prefix(128)])[...]).map { !$0.isWhole } ?? false }
    }

    /// The stream that a line belongs to, whether it ends a line, and where its text begins. Nil for a line of another
    /// program.
    private static func mark(in line: ArraySlice<UInt8>) -> (stream: [UInt8], isWhole: Bool, end: Int)? {
        let head = line.prefix(128)
        let found = marks.indices.lazy.compactMap { number in head.place(of: marks[number]).map { (number, $0) } }
            .min { $0.1.lowerBound < $1.1.lowerBound }
        guard let (number, range) = found else { return nil }
        // A time such as "2025-11-25T19:51:59.123456789Z" must stand before " stdout P ".
        guard let time = head[..<range.lowerBound].split(separator: 0x20).last, time.contains(UInt8(ascii: "T")),
            time.count(where: { $0 == UInt8(ascii: ":") }) >= 2,
            time.count(where: { $0 &- 0x30 < 10 }) >= 14
        else { return nil }
        return (Array(head[..<time.startIndex]) + [UInt8(number % 2)], number >= 2, range.upperBound)
    }

    mutating func decode(_ bytes: [UInt8], isLast: Bool, into text: inout [UInt8]) {
        var parts = parts
        buffer.lines(bytes, isLast: isLast) { line in
            guard let (stream, isWhole, end) = Self.mark(in: line),
                parts.count < Self.placeLimit || parts[stream] != nil
            else {
                text += line
                text.append(UInt8(ascii: "\n"))
                return
            }
            var part = parts.removeValue(forKey: stream) ?? []
            if part.isEmpty {
                part += line
                // The joined line is complete, so its letter becomes "F".
                part[end - 2 - line.startIndex] = UInt8(ascii: "F")
            } else if part.count <= LineCutter.lineLimit {
                // Beyond this limit the reader drops the line and counts a loss.
                part += line[end...]
            }
            if isWhole {
                text += part
                text.append(UInt8(ascii: "\n"))
            } else {
                parts[stream] = part
            }
        }
        if isLast {
            for (_, part) in parts.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                text += part
                text.append(UInt8(ascii: "\n"))
            }
            parts = [:]
        }
        self.parts = parts
    }
}

/// The content of a terminal: with sequences for colours, no-break spaces, and borders between panes ("│").
struct ScreenDecoder: TextDecoder {
    private static let border: [UInt8] = [0xe2, 0x94, 0x82]
    private static let noBreak: [UInt8] = [0xc2, 0xa0]

    private var buffer = LineBuffer()
    /// The number of the pane that has the trace; nil without borders.
    private let part: Int?

    /// Nil when fewer than a quarter of the lines have one of these.
    init?(_ text: TraceText) {
        let lines = text.firstLines(400)
        func count(_ word: StaticString) -> Int { lines.count { text.find(word, in: $0) != nil } }
        let wanted = max(2, lines.count / 4)
        let isBordered = count("\u{2502}") >= wanted
        guard isBordered || count("\u{1b}[") >= wanted || count("^[[") >= wanted || count("\u{a0}") >= wanted else {
            return nil
        }
        part =
            isBordered
            ? lines.lazy.compactMap { line in
                Self.parts(Array(text[line])).firstIndex { $0.hasEvent }
            }.first : nil
    }

    /// The parts of a line between its borders.
    private static func parts(_ line: [UInt8]) -> [ArraySlice<UInt8>] {
        var (parts, rest): ([ArraySlice<UInt8>], ArraySlice<UInt8>) = ([], line[...])
        while let border = rest.place(of: Self.border) {
            parts.append(rest[..<border.lowerBound])
            rest = rest[border.upperBound...]
        }
        return parts + [rest]
    }

    mutating func decode(_ bytes: [UInt8], isLast: Bool, into text: inout [UInt8]) {
        let part = part
        buffer.lines(bytes, isLast: isLast) { line in
            var shown = Self.withoutSequences(line)
            if let part, case let parts = Self.parts(shown), part < parts.count { shown = Array(parts[part]) }
            if part != nil { while shown.last == 0x20 { shown.removeLast() } }
            text += shown
            text.append(UInt8(ascii: "\n"))
        }
    }

    /// The line without sequences for colours, and with ordinary blanks. A sequence is "ESC [31m", or "^[[31m" where
    /// the terminal showed ESC as "^[".
    private static func withoutSequences(_ line: ArraySlice<UInt8>) -> [UInt8] {
        var (shown, place): ([UInt8], Int) = ([], line.startIndex)
        while place < line.endIndex {
            let rest = line[place...]
            if rest.starts(with: [0x1b, UInt8(ascii: "[")]) || rest.starts(with: Array("^[[".utf8)) {
                let begin = place + (line[place] == 0x1b ? 2 : 3)
                let end = line[begin...].firstIndex { $0 >= 0x40 } ?? line.endIndex - 1
                place = end + 1
            } else if rest.starts(with: noBreak) {
                shown.append(0x20)
                place += 2
            } else {
                shown.append(line[place])
                place += 1
            }
        }
        return shown
    }
}

/// Letters that a program puts before each line, without a blank behind them, to name a stream: "o# tracer: nop". The
/// first comment shows them. Without this decoder they would become a part of each name in a text of perf.
struct FrontDecoder: TextDecoder {
    private static let limit = 8
    private let front: [UInt8]
    private var buffer = LineBuffer()

    /// Nil when not all lines begin with the same letters.
    init?(_ text: TraceText) {
        let lines = text.firstLines(200)
        let comment = lines.lazy.compactMap { line in text.first("#", in: line).map { line.lowerBound..<$0 } }.first
        guard lines.count > 3, let comment, 1...Self.limit ~= comment.count,
            text[comment].allSatisfy({ ($0 | 0x20) &- 0x61 < 26 }),
            lines.allSatisfy({ text[$0].starts(with: text[comment]) })
        else { return nil }
        front = Array(text[comment])
    }

    mutating func decode(_ bytes: [UInt8], isLast: Bool, into text: inout [UInt8]) {
        let front = front
        buffer.lines(bytes, isLast: isLast) { line in
            text += line.starts(with: front) ? line.dropFirst(front.count) : line
            text.append(UInt8(ascii: "\n"))
        }
    }
}

/// Text that stands behind each line: a quotation mark, a further column of a table, the "$" of `cat -A`.
struct SuffixDecoder: TextDecoder {
    private static let limit = 64
    private let suffix: [UInt8]
    private var buffer = LineBuffer()

    /// Nil when the lines do not end with the same text, or when that text can belong to the lines themselves.
    init?(_ text: TraceText) {
        let lines = text.firstLines(200).dropFirst()
        guard lines.count >= 8, let first = lines.first else { return nil }
        var common = Array(text[first].suffix(Self.limit))
        for line in lines {
            let count = zip(common.reversed(), text[line].reversed()).prefix { $0 == $1 }.count
            common = Array(common.suffix(count))
            if common.isEmpty { return nil }
        }
        // The suffix begins at the first character that cannot end a line of a trace. The text before belongs to the
        // lines.
        let marks = Array("\"'$,;|^<}`".utf8)
        guard let begin = common.firstIndex(where: { marks.contains($0) }) else { return nil }
        suffix = Array(common[begin...])
    }

    mutating func decode(_ bytes: [UInt8], isLast: Bool, into text: inout [UInt8]) {
        // `cat -A` shows a tabulator as "^I".
        let (suffix, showsTabs) = (suffix, suffix.last == UInt8(ascii: "$"))
        buffer.lines(bytes, isLast: isLast) { line in
            let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            let isEnded = line.count >= suffix.count && line.suffix(suffix.count).elementsEqual(suffix)
            let body = isEnded ? line.dropLast(suffix.count) : line
            text += showsTabs ? Self.withTabs(body) : Array(body)
            text.append(UInt8(ascii: "\n"))
        }
    }

    private static func withTabs(_ line: ArraySlice<UInt8>) -> [UInt8] {
        var (line, shown) = (line, [UInt8]())
        while let tab = line.place(of: Array("^I".utf8)) {
            shown += line[..<tab.lowerBound]
            shown.append(0x09)
            line = line[tab.upperBound...]
        }
        return shown + line
    }
}

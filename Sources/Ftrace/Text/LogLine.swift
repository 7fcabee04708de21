// SPDX-License-Identifier: Apache-2.0

// Lines that a log has wrapped as a whole: the JSON of container logs and of `journalctl -o json`, and the escapes of
// /dev/kmsg. They are unwrapped in place, so that everything after this sees the lines of the trace. What a log puts
// in front of a line needs no unwrapping; see `LineHead`.

/// Unwraps lines.
enum LogLine {
    /// Names under which logs keep the text of a line.
    private static let keys = ["log", "MESSAGE", "message", "msg", "text"].map { Array("\"\($0)\"".utf8) }
    private static let (backslash, quote, newline) = (UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "\n"))

    /// Whether a line has to be unwrapped.
    @inline(__always)
    static func isWrapped(_ text: TraceText, _ line: Range<Int>) -> Bool {
        // Lines of most texts begin with a blank.
        guard !line.isEmpty, case let first = text[line.lowerBound], first > 0x20 else { return false }
        return first == UInt8(ascii: "{") || (first &- 0x30 < 10 && text.find("\\x0a", in: line) != nil)
    }

    /// Replaces each wrapped line by its text, with blanks behind it so that nothing else moves.
    static func unwrap(_ bytes: inout [UInt8]) {
        var begin = 0
        while begin < bytes.count {
            let end = bytes[begin...].firstIndex(of: newline) ?? bytes.count
            if bytes[begin] == UInt8(ascii: "{") {
                unwrapJSON(&bytes, begin..<end)
            } else if bytes[begin] &- 0x30 < 10 {
                unescapeRecord(&bytes, begin..<end)
            }
            begin = end + 1
        }
    }

    /// A line of JSON objects. One without a known key stays as it is.
    private static func unwrapJSON(_ bytes: inout [UInt8], _ line: Range<Int>) {
        guard let first = text(bytes, line) else { return }
        let place = place(bytes, line)
        // As a network console puts it before a line. There is room for it: it stood in the line, with its name.
        let text = place + unescaped(bytes, first..<line.upperBound)
        for (offset, at) in line.enumerated() { bytes[at] = offset < text.count ? text[offset] : 0x20 }
    }

    /// The text of a string up to its end.
    private static func unescaped(_ bytes: [UInt8], _ string: Range<Int>) -> [UInt8] {
        var (text, from): ([UInt8], Int) = ([], string.lowerBound)
        while from < string.upperBound, bytes[from] != quote {
            var (byte, length) = (bytes[from], 1)
            if byte == backslash, from + 1 < string.upperBound {
                (byte, length) = escape(bytes, from, string.upperBound)
            }
            text.append(byte == newline ? 0x20 : byte)
            from += length
        }
        return text
    }

    /// Names of the line's place, with a mark and a tabulator behind them; empty where it has none.
    private static func place(_ bytes: [UInt8], _ line: Range<Int>) -> [UInt8] {
        var fields: OriginFields.Record = [:]
        let parts = bytes[line].split(separator: quote, omittingEmptySubsequences: false)
        // A key, a colon and a value.
        for part in parts.indices.dropLast(2) {
            let between = parts[part + 1].filter { $0 > 0x20 }
            guard between == [UInt8(ascii: ":")], parts[part].count <= 64,
                let name = OriginFields.name(of: String(decoding: parts[part], as: UTF8.self), within: nil)
            else { continue }
            OriginFields.take(name, parts[part + 2], into: &fields)
        }
        let names = fields.sorted { $0.key < $1.key }.map(\.value)
        return names.isEmpty ? [] : Array((names.joined(separator: ": ") + ":\t").utf8)
    }

    /// Where the text begins.
    private static func text(_ bytes: [UInt8], _ line: Range<Int>) -> Int? {
        for place in line where bytes[place] == quote {
            for key in keys where bytes[place..<line.upperBound].starts(with: key) {
                // A colon, and blanks as some programs have them.
                let mark = bytes[place + key.count..<line.upperBound].prefix { $0 <= 0x20 || $0 == UInt8(ascii: ":") }
                if mark.contains(UInt8(ascii: ":")), mark.endIndex < line.upperBound, bytes[mark.endIndex] == quote {
                    return mark.endIndex + 1
                }
            }
        }
        return nil
    }

    private static func escape(_ bytes: [UInt8], _ place: Int, _ end: Int) -> (byte: UInt8, length: Int) {
        return switch Unicode.Scalar(bytes[place + 1]) {
        case "n", "r": (newline, 2)
        case "t": (0x09, 2)
        case "u":
            if place + 6 <= end,
                let code = UInt32(String(decoding: bytes[place + 2..<place + 6], as: UTF8.self), radix: 16),
                code < 0x80
            {
                (UInt8(code), 6)
            } else {
                (UInt8(ascii: "?"), 2)
            }
        case let other: (UInt8(truncatingIfNeeded: other.value), 2)
        }
    }

    /// A record of /dev/kmsg, in which the line ends of one message are "\x0a".
    private static func unescapeRecord(_ bytes: inout [UInt8], _ line: Range<Int>) {
        let escape = Array("\\x0a".utf8)
        var place = line.lowerBound
        while let next = bytes[place..<line.upperBound].firstIndex(of: backslash) {
            place = next + 1
            guard bytes[next..<line.upperBound].starts(with: escape) else { continue }
            bytes.replaceSubrange(next..<next + 4, with: [newline, 0x20, 0x20, 0x20])
        }
    }
}

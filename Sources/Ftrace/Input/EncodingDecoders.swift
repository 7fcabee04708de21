// SPDX-License-Identifier: Apache-2.0

// Texts in another encoding: UTF-16, as Windows and some consoles write it; lines that end with a carriage return or a
// zero alone; mail in quoted-printable; HTML, whose tags are removed and whose "&gt;" becomes ">".

/// UTF-16, with a byte order mark or without one.
struct UTF16Decoder: TextDecoder {
    private let isBigEndian: Bool
    private var rest: [UInt8] = []
    /// The first half of a surrogate pair, whose second half follows; else 0.
    private var lead: UInt32 = 0

    /// Nil when the text that begins with `head` has another encoding.
    init?(_ head: [UInt8]) {
        if head.starts(with: [0xff, 0xfe]) {
            isBigEndian = false
        } else if head.starts(with: [0xfe, 0xff]) {
            isBigEndian = true
        } else {
            // In UTF-16, each ASCII character has a zero as one of its two bytes.
            let bytes = head.prefix(512)
            let (even, odd) = bytes.enumerated().reduce(into: (0, 0)) { zeros, byte in
                if byte.element == 0 { if byte.offset % 2 == 0 { zeros.0 += 1 } else { zeros.1 += 1 } }
            }
            guard bytes.count >= 32, max(even, odd) > bytes.count * 2 / 5, min(even, odd) == 0 else { return nil }
            isBigEndian = even > odd
        }
    }

    mutating func decode(_ bytes: [UInt8], isLast: Bool, into text: inout [UInt8]) {
        rest += bytes
        var place = 0
        while place + 1 < rest.count {
            let (first, second) = (UInt32(rest[place]), UInt32(rest[place + 1]))
            place += 2
            let unit = isBigEndian ? first << 8 | second : second << 8 | first
            if unit == 0xfeff { continue }
            if 0xd800..<0xdc00 ~= unit {
                lead = unit
                continue
            }
            let code = 0xdc00..<0xe000 ~= unit && lead != 0 ? 0x10000 + (lead - 0xd800) << 10 + (unit - 0xdc00) : unit
            lead = 0
            text.append(code: code)
        }
        rest.removeFirst(place)
    }
}

/// Lines that end with a carriage return or a zero, in a text without any line feed.
struct LineEndDecoder: TextDecoder {
    private let end: UInt8

    /// Nil when there are no such lines.
    init?(_ text: TraceText) {
        let candidates = [UInt8(ascii: "\r"), 0]
        // A text of line ends and blanks alone is not changed.
        guard text.contains(where: { $0 > 0x20 }),
            let end = candidates.first(where: { candidate in text.count { $0 == candidate } > 1 })
        else { return nil }
        self.end = end
    }

    mutating func decode(_ bytes: [UInt8], isLast: Bool, into text: inout [UInt8]) {
        text += bytes.lazy.map { $0 == end ? UInt8(ascii: "\n") : $0 }
    }
}

/// Quoted-printable, as in mail: "page=3D0xfffff124802cb600 mapping=" and "=3D0x0" are one line.
struct QuotedPrintableDecoder: TextDecoder {
    private var buffer = LineBuffer()

    /// Whether a text is in quoted-printable. Each "=" of the encoded text is "=3D"; the head of a mail has fewer
    /// others.
    static func isWrapped(_ text: TraceText) -> Bool {
        var (encoded, others) = (0, 0)
        for place in text.indices.dropLast(2) where text[place] == UInt8(ascii: "=") {
            let (first, second) = (text[place + 1], text[place + 2])
            if first == UInt8(ascii: "3"), second == UInt8(ascii: "D") {
                encoded += 1
            } else if first > 0x20, code(first, second) == nil {
                others += 1
            }
        }
        return encoded > others
    }

    /// The byte of "=3D" and the like; nil where its two characters are no digits in base 16, or mean a control
    /// character that no text has.
    private static func code(_ first: UInt8, _ second: UInt8) -> UInt8? {
        func value(_ digit: UInt8) -> UInt8? {
            if digit &- 0x30 < 10 { return digit - 0x30 }
            return digit &- 0x41 < 6 ? digit - 0x41 + 10 : nil
        }
        guard let high = value(first), let low = value(second) else { return nil }
        let code = high << 4 | low
        return code >= 0x20 || [0x09, 0x0a, 0x0d].contains(code) ? code : nil
    }

    mutating func decode(_ bytes: [UInt8], isLast: Bool, into text: inout [UInt8]) {
        buffer.lines(bytes, isLast: isLast) { line in
            var line = line
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            let isJoined = line.last == UInt8(ascii: "=")
            if isJoined { line.removeLast() }
            var place = line.startIndex
            while place < line.endIndex {
                if line[place] == UInt8(ascii: "="), place + 2 < line.endIndex,
                    let code = Self.code(line[place + 1], line[place + 2])
                {
                    text.append(code)
                    place += 3
                } else {
                    text.append(line[place])
                    place += 1
                }
            }
            if !isJoined { text.append(UInt8(ascii: "\n")) }
        }
    }
}

/// HTML: the text that a browser shows.
struct HTMLDecoder: TextDecoder {
    private static let names: [(String, UInt8)] = [
        ("lt", UInt8(ascii: "<")), ("gt", UInt8(ascii: ">")), ("amp", UInt8(ascii: "&")), ("quot", UInt8(ascii: "\"")),
        ("apos", UInt8(ascii: "'")), ("nbsp", 0x20),
    ]
    /// Words of the kernel that have the form of a tag. A page that was not escaped may have them.
    private static let kernels = ["<stack trace>", "<user stack trace>", "<idle>"].map { Array($0.utf8) }
    private var buffer = LineBuffer()

    /// Whether a text, given in lower case, begins as a whole page.
    static func begins(_ text: some StringProtocol) -> Bool {
        text.hasPrefix("<!doctype html") || text.hasPrefix("<html")
    }

    mutating func decode(_ bytes: [UInt8], isLast: Bool, into text: inout [UInt8]) {
        buffer.lines(bytes, isLast: isLast) { line in
            var place = line.startIndex
            while place < line.endIndex {
                let rest = line[place...]
                if line[place] == UInt8(ascii: "<"), let end = Self.tag(rest) {
                    if ["br", "br/", "/p", "/tr", "/li", "/div"].contains(where: { Self.starts(rest.dropFirst(), $0) }),
                        end + 1 < line.endIndex
                    {
                        text.append(UInt8(ascii: "\n"))
                    }
                    place = end + 1
                } else if line[place] == UInt8(ascii: "&"), let (code, end) = Self.character(rest) {
                    text.append(code: code == 0xa0 ? 0x20 : code)
                    place = end + 1
                } else {
                    text.append(line[place])
                    place += 1
                }
            }
            text.append(UInt8(ascii: "\n"))
        }
    }

    /// Whether a tag without its "<" has this name: "br" of "BR />".
    private static func starts(_ text: ArraySlice<UInt8>, _ word: String) -> Bool {
        text.count > word.utf8.count && zip(text, word.utf8).allSatisfy { $0 | 0x20 == $1 | 0x20 }
            && [0x20, UInt8(ascii: ">"), UInt8(ascii: "/")].contains(text[text.startIndex + word.utf8.count])
    }

    /// The place of the ">" that ends a tag; nil when this "<" begins no tag. A "<" of the text itself should be
    /// "&lt;".
    private static func tag(_ text: ArraySlice<UInt8>) -> Int? {
        let first = text.dropFirst().first ?? 0
        guard first == UInt8(ascii: "/") || (first | 0x20) &- 0x61 < 26 else { return nil }
        if kernels.contains(where: { text.starts(with: $0) }) { return nil }
        return text.prefix(512).firstIndex(of: UInt8(ascii: ">"))
    }

    /// The character that "&gt;", "&#62;" or "&#x3e;" means, and the place of its semicolon; nil for anything else.
    private static func character(_ text: ArraySlice<UInt8>) -> (code: UInt32, end: Int)? {
        guard let end = text.prefix(12).firstIndex(of: UInt8(ascii: ";")) else { return nil }
        let name = String(decoding: text[text.startIndex + 1..<end], as: UTF8.self)
        if name.hasPrefix("#") {
            let digits = name.dropFirst()
            let code =
                digits.first == "x" || digits.first == "X" ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
            return code.map { ($0, end) }
        }
        return names.first { $0.0 == name }.map { (UInt32($0.1), end) }
    }
}

extension [UInt8] {
    /// Appends a character in UTF-8; a question mark where `code` is no character.
    mutating func append(code: UInt32) {
        if code < 0x80 { return append(UInt8(code)) }
        append(contentsOf: Unicode.Scalar(code).map { Array(String(Character($0)).utf8) } ?? [UInt8(ascii: "?")])
    }
}

// Compact JSON: one object a line, keys in the order in which they are written. Numbers beyond 2^53,
// where readers lose digits, become strings. Text is kept exactly; what a terminal would obey (control
// characters, bidirectional overrides) is written as \u escapes, which mean the same.

/// Builds one JSON value.
struct JSONWriter {
    private(set) var bytes: [UInt8] = []
    private var needsComma = false

    /// One object without anything around it.
    static func line(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.braced("{", "}", body)
        writer.bytes.append(UInt8(ascii: "\n"))
        return writer.bytes
    }

    mutating func object(_ key: String, _ body: (inout JSONWriter) -> Void) {
        name(key)
        braced("{", "}", body)
    }

    mutating func list<Element>(
        _ key: String, _ elements: some Sequence<Element>, _ body: (inout JSONWriter, Element) -> Void
    ) {
        name(key)
        braced("[", "]") { writer in
            for element in elements {
                writer.separate()
                writer.braced("{", "}") { body(&$0, element) }
            }
        }
    }

    mutating func null(_ key: String) {
        name(key)
        bytes += "null".utf8
    }

    mutating func text(_ key: String, _ value: String?) {
        guard let value else { return null(key) }
        name(key)
        quote(value)
    }

    mutating func number(_ key: String, _ value: UInt64?) {
        guard let value else { return null(key) }
        name(key)
        write(value)
    }

    private mutating func write(_ value: UInt64) {
        if value <= 1 << 53 { bytes += String(value).utf8 } else { quote(String(value)) }
    }

    mutating func signed(_ key: String, _ value: Int64) {
        if value >= 0 { return number(key, UInt64(value)) }
        name(key)
        if value >= -(1 << 53) { bytes += String(value).utf8 } else { quote(String(value)) }
    }

    /// The shortest digits that give the same value; null for what is no number.
    mutating func decimal(_ key: String, _ value: Double?) {
        guard let value, value.isFinite else { return null(key) }
        name(key)
        bytes += value.description.utf8
    }

    mutating func texts(_ key: String, _ values: some Sequence<String>) {
        elements(key, values) { $0.quote($1) }
    }

    mutating func numbers(_ key: String, _ values: [UInt64]) {
        elements(key, values) { $0.write($1) }
    }

    private mutating func elements<Element>(
        _ key: String, _ values: some Sequence<Element>, _ write: (inout JSONWriter, Element) -> Void
    ) {
        name(key)
        bytes.append(UInt8(ascii: "["))
        needsComma = false
        for value in values {
            separate()
            write(&self, value)
        }
        bytes.append(UInt8(ascii: "]"))
        needsComma = true
    }

    mutating func flag(_ key: String, _ value: Bool?) {
        guard let value else { return null(key) }
        name(key)
        bytes += (value ? "true" : "false").utf8
    }

    private mutating func braced(_ open: Unicode.Scalar, _ close: Unicode.Scalar, _ body: (inout JSONWriter) -> Void) {
        bytes.append(UInt8(ascii: open))
        needsComma = false
        body(&self)
        bytes.append(UInt8(ascii: close))
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    /// Keys are this program's own and need no escapes.
    private mutating func name(_ key: String) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        bytes += key.utf8
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func quote(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        defer { bytes.append(UInt8(ascii: "\"")) }
        // Nearly all text is plain, and then needs no look at its characters.
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
            bytes += text.utf8
            return
        }
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": bytes += #"\""#.utf8
            case "\\": bytes += #"\\"#.utf8
            case "\n": bytes += #"\n"#.utf8
            case "\r": bytes += #"\r"#.utf8
            case "\t": bytes += #"\t"#.utf8
            case _ where scalar.isObeyedByTerminals:
                for unit in UTF16.encode(scalar) ?? .init() { escape(unit) }
            default: bytes += UTF8.encode(scalar) ?? .init()
            }
        }
    }

    private mutating func escape(_ unit: UInt16) {
        let digits = String(unit, radix: 16)
        bytes += #"\u"#.utf8
        bytes += repeatElement(UInt8(ascii: "0"), count: 4 - digits.utf8.count)
        bytes += digits.utf8
    }
}

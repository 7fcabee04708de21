// SPDX-License-Identifier: Apache-2.0

// Compact JSON: one object on each line, keys in the order in which they are written. Numbers beyond 2^53, where
// readers lose digits, become strings. Text is kept exactly; characters that a terminal would interpret (control
// characters, bidirectional overrides) are written as \u escapes, which mean the same.

import Events

extension [UInt8] {
    /// Appends one object and a line end; `write` may be called again, as by `appendText`.
    @inline(__always)
    mutating func appendLine(_ write: (inout JSONWriter) -> Void) {
        appendText { output in
            var writer = JSONWriter(output: output)
            writer.braced("{", "}", write)
            writer.output.append(UInt8(ascii: "\n"))
            output = writer.output
        }
    }
}

/// The name of a member. It is a word of this program and needs no escapes. Nearly all names are literals, so the
/// compiler knows their length.
public enum JSONKey: ExpressibleByStringLiteral {
    case literal(StaticString)
    case word(String)

    public init(stringLiteral text: StaticString) { self = .literal(text) }
    public init(_ text: String) { self = .word(text) }
}

/// Builds one JSON value.
public struct JSONWriter {
    fileprivate var output: TextOutput
    private var needsComma = false

    fileprivate init(output: TextOutput) { self.output = output }

    /// One object and a line end.
    public static func line(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLine(body)
        return bytes
    }

    /// Members as they are in an object, without a comma before or after them.
    static func members(_ members: [(key: String, value: String?)]) -> String {
        var bytes: [UInt8] = []
        bytes.appendText { output in
            var writer = JSONWriter(output: output)
            for (key, value) in members { writer.text(JSONKey(key), value) }
            output = writer.output
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Members that `members(_:)` has made.
    @inline(__always)
    mutating func append(members: String) {
        separate()
        output.append(word: members)
    }

    @inline(__always)
    public mutating func object(_ key: JSONKey, _ body: (inout JSONWriter) -> Void) {
        name(key)
        braced("{", "}", body)
    }

    mutating func list<Element>(
        _ key: JSONKey, _ elements: some Sequence<Element>, _ body: (inout JSONWriter, Element) -> Void
    ) {
        name(key)
        braced("[", "]") { writer in
            for element in elements {
                writer.separate()
                writer.braced("{", "}") { body(&$0, element) }
            }
        }
    }

    @inline(__always)
    public mutating func null(_ key: JSONKey) {
        name(key)
        output.append("null")
    }

    /// Text of any origin.
    @inline(__always)
    public mutating func text(_ key: JSONKey, _ value: String?) {
        name(key)
        if let value { quote(value) } else { output.append("null") }
    }

    /// A task's name.
    @inline(__always)
    mutating func text(_ key: JSONKey, _ comm: Comm) {
        name(key)
        quote(comm)
    }

    /// A word of this program, which needs no escapes.
    @inline(__always)
    public mutating func word(_ key: JSONKey, _ value: String?) {
        name(key)
        guard let value else { return output.append("null") }
        quoted { $0.append(word: value) }
    }

    /// Text of digits and signs, or nothing.
    @inline(__always)
    mutating func quoted(_ key: JSONKey, _ write: (inout TextOutput) -> Void) {
        name(key)
        quoted(write)
    }

    @inline(__always)
    public mutating func number(_ key: JSONKey, _ value: UInt64?) {
        name(key)
        if let value { write(value) } else { output.append("null") }
    }

    private mutating func write(_ value: UInt64) {
        if value <= 1 << 53 { output.append(decimal: value) } else { quoted { $0.append(decimal: value) } }
    }

    mutating func signed(_ key: JSONKey, _ value: Int64) {
        name(key)
        if value.magnitude <= 1 << 53 { output.append(signed: value) } else { quoted { $0.append(signed: value) } }
    }

    /// The shortest digits that give the same value; null for a value that is no number.
    mutating func decimal(_ key: JSONKey, _ value: Double?) {
        guard let value, value.isFinite else { return null(key) }
        name(key)
        output.append(word: value.description)
    }

    public mutating func texts(_ key: JSONKey, _ values: some Sequence<String>) {
        elements(key, values) { $0.quote($1) }
    }

    mutating func numbers(_ key: JSONKey, _ values: [UInt64]) {
        elements(key, values) { $0.write($1) }
    }

    private mutating func elements<Element>(
        _ key: JSONKey, _ values: some Sequence<Element>, _ write: (inout JSONWriter, Element) -> Void
    ) {
        name(key)
        braced("[", "]") { writer in
            for value in values {
                writer.separate()
                write(&writer, value)
            }
        }
    }

    @inline(__always)
    mutating func flag(_ key: JSONKey, _ value: Bool?) {
        name(key)
        if let value { output.append(value ? "true" : "false") } else { output.append("null") }
    }

    @inline(__always)
    fileprivate mutating func braced(
        _ open: Unicode.Scalar, _ close: Unicode.Scalar, _ body: (inout JSONWriter) -> Void
    ) {
        output.append(UInt8(ascii: open))
        needsComma = false
        body(&self)
        output.append(UInt8(ascii: close))
        needsComma = true
    }

    @inline(__always)
    private mutating func separate() {
        if needsComma { output.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    @inline(__always)
    private mutating func name(_ key: JSONKey) {
        output.append(needsComma ? ",\"" : "\"")
        needsComma = true
        switch key {
        case .literal(let text): output.append(text)
        case .word(let text): output.append(word: text)
        }
        output.append("\":")
    }

    // MARK: Text

    @inline(__always)
    private mutating func quoted(_ write: (inout TextOutput) -> Void) {
        output.append(UInt8(ascii: "\""))
        write(&output)
        output.append(UInt8(ascii: "\""))
    }

    private mutating func quote(_ text: String) {
        // Nearly all text is plain, and its characters need no further check.
        quoted { if !$0.append(plain: text, without: "\"", "\\") { Self.escape(text, to: &$0) } }
    }

    private mutating func quote(_ comm: Comm) {
        quoted { if !$0.append(plain: comm, without: "\"", "\\") { Self.escape(comm.text, to: &$0) } }
    }

    private static func escape(_ text: String, to output: inout TextOutput) {
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output.append(#"\""#)
            case "\\": output.append(#"\\"#)
            case "\n": output.append(#"\n"#)
            case "\r": output.append(#"\r"#)
            case "\t": output.append(#"\t"#)
            case _ where scalar.isObeyedByTerminals:
                for unit in UTF16.encode(scalar) ?? .init() {
                    output.append(#"\u"#)
                    output.append(hex: UInt64(unit), width: 4)
                }
            default:
                for byte in UTF8.encode(scalar) ?? .init() { output.append(byte) }
            }
        }
    }
}

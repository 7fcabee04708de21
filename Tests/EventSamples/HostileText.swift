// SPDX-License-Identifier: Apache-2.0

// Texts that another task can choose, each with what it is meant to do to an output. One table for all outputs: those of
// findings and reports, recordings, messages and `provoke`. The kernel ends each text at a NUL, so none is in them.

public import Events

/// One text as its bytes, which need not be UTF-8.
public struct HostileText: Sendable, CustomStringConvertible {
    /// What it tries.
    public let description: String
    public let bytes: [UInt8]

    init(_ description: String, _ bytes: [UInt8]) { (self.description, self.bytes) = (description, bytes) }
    init(_ description: String, _ text: String) { self.init(description, Array(text.utf8)) }

    /// What a reader of the bytes gets; U+FFFD for bytes that are not UTF-8.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The name that a task with these bytes has: fifteen of them, as the kernel keeps them.
    public var comm: Comm {
        var comm = Comm(low: 0, high: 0)
        for (position, byte) in bytes.prefix(15).enumerated() {
            if position < 8 {
                comm.low |= UInt64(byte) << UInt64(8 * position)
            } else {
                comm.high |= UInt64(byte) << UInt64(8 * (position - 8))
            }
        }
        return comm
    }

    /// Harmless, of one word: what other texts are compared with.
    public static let plain = HostileText("a harmless word", "plain")

    /// The same text with another control character for each line feed. Both are shown in equal room.
    public var withoutLineFeeds: HostileText {
        HostileText(description + ", without line feeds", bytes.map { $0 == 0x0a ? 0x0b : $0 })
    }

    /// The table.
    public static let all =
        [
            HostileText("clears a screen and colours it", "\u{1b}[2J\u{1b}[31mred"),
            HostileText("sets a window's title", "\u{1b}]0;owned\u{7}"),
            HostileText("escapes of eight bits", "\u{7}\u{8}\u{9b}31m\u{85}\u{90}"),
            HostileText("deletes", "ab\u{8}\u{8}\u{7f}"),
            HostileText("adds lines", "a\nb\r\nc"),
            HostileText("only line ends", "\n\r\n"),
            HostileText("lines of Unicode", "\u{2028}x\u{2029}y"),
            HostileText("a tab first", "\tx"),
            HostileText("turns a line round", "\u{202e}gnp.exe"),
            HostileText("isolates", "\u{2066}a\u{2069}\u{200f}"),
            HostileText("invisible", "\u{200b}\u{feff}\u{e0001}b"),
            HostileText("combining", "e\u{301}\u{301}"),
            HostileText("wide", "日本語名"),
            HostileText("no UTF-8", [0x61, 0xff, 0x62, 0xc3, 0x28, 0xed, 0xa0, 0x80]),
            HostileText("only bytes of continuation", [UInt8](repeating: 0x9b, count: 16)),
            HostileText("cut in a character", "fourteen bytesé"),
            HostileText("replaced before", "\u{fffd}"),
            HostileText("every byte but NUL", Array(1...255)),
            HostileText("ends a string", "a\"b,c\\d'e"),
            HostileText("a backslash last", "x\\"),
            HostileText("ends a JSON string", "\",\"cause\":\"reclaim\",\"x\":\""),
            HostileText("ends a CSV field", "\",1,2\r\n=3"),
            HostileText("a command of a spreadsheet", "=cmd|'/C'!A0"),
            HostileText("a sum", "@SUM(A1)"),
            HostileText("a formula with plus", "+1+1"),
            HostileText("a formula with minus", "-2"),
            HostileText("a wide formula", "＝1"),
            HostileText("ends a label", "x\"} 1\nforged 9 #"),
            HostileText("ends a label with a backslash", "\\\"} 1"),
            HostileText("a help line", "# HELP x y"),
            HostileText("ends a literal of metadata", "\";\n};\nenv { x = \""),
            HostileText("an octal escape", "\\012\\033[2J"),
            HostileText("a format of printf", "%s%n%08x"),
            HostileText("a script", "<script>x"),
            HostileText("ends a title", "</title><b>"),
            HostileText("ends an attribute", "\"><img onerror"),
            HostileText("ends a quoted attribute", "'><svg/onload"),
            HostileText("character references", "&lt;&#60;&amp;"),
            HostileText("opens a comment", "<!--"),
            HostileText("ends a section", "]]>"),
            HostileText("ends a style", "</style>"),
            HostileText("slashes", "//x"),
            HostileText("climbs", "../../etc/passwd"),
            HostileText("empty", ""),
            HostileText("very long", String(repeating: "/x", count: 2048)),
            HostileText("very long escapes", "/mnt/" + String(repeating: "\u{1b}]0;x\u{7}/", count: 90) + "x"),
            HostileText("very long and wide", String(repeating: "名", count: 1365)),
        ]

    /// What a terminal would interpret instead of showing it; also what ends a line.
    public static func isInterpreted(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}

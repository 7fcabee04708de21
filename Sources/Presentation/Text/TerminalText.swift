// SPDX-License-Identifier: Apache-2.0

// Makes text from the kernel safe for a terminal. A task chooses its own name and the names of its files. So characters
// that a terminal would interpret, or that would change the direction of a line, are shown as their numbers. This file
// also counts the columns of text, so that the columns of a table stay aligned.

extension Unicode.Scalar {
    /// Control characters, bidirectional overrides and other invisible formatting, line separators, and characters
    /// without a meaning of their own.
    var isObeyedByTerminals: Bool {
        if isASCII { return value < 0x20 || value == 0x7f }
        return switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: true
        default: false
        }
    }

    /// Columns on a terminal.
    var columns: Int {
        if value < 0x300 { return 1 }
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark: return 0
        default: return Self.isWide(value) ? 2 : 1
        }
    }

    /// The blocks that East Asian Width calls wide; the few exceptions inside them do not matter here.
    private static func isWide(_ value: UInt32) -> Bool {
        switch value {
        case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0x4dbf, 0x4e00...0xa4cf, 0xa960...0xa97f,
            0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60, 0xffe0...0xffe6,
            0x1f300...0x1f64f, 0x1f680...0x1f6ff, 0x1f900...0x1faff, 0x20000...0x3fffd:
            true
        default: false
        }
    }
}

/// Text that is safe to show, split so that it can be shortened without cutting an escape.
public struct TerminalText {
    private let pieces: [(text: String, columns: Int)]

    init(_ text: String) {
        pieces = text.unicodeScalars.map { scalar in
            guard scalar.isObeyedByTerminals else { return (String(scalar), scalar.columns) }
            let escaped = Self.escape(scalar)
            return (escaped, escaped.utf8.count)
        }
    }

    /// `\x1b`, or `\u{202e}` beyond one byte.
    static func escape(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        if scalar.value > 0xff { return "\\u{\(digits)}" }
        return "\\x" + (digits.utf8.count < 2 ? "0" : "") + digits
    }

    /// The whole text with all characters escaped that a terminal would interpret.
    public static func escaped(_ text: String) -> String {
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if scalar.isObeyedByTerminals {
                result += escape(scalar)
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    var columns: Int { pieces.reduce(0) { $0 + $1.columns } }
    var text: String { pieces.reduce(into: "") { $0 += $1.text } }

    /// At most `limit` columns: the beginning, and `…` for what is missing.
    func head(_ limit: Int) -> String {
        Self.cut(pieces, columns: columns, to: limit).reduce(into: "") { $0 += $1 }
    }

    /// At most `limit` columns: the end, which distinguishes paths, after `…`.
    func tail(_ limit: Int) -> String {
        Self.cut(pieces.reversed(), columns: columns, to: limit).reversed().reduce(into: "") { $0 += $1 }
    }

    private static func cut(
        _ pieces: some Sequence<(text: String, columns: Int)>, columns: Int, to limit: Int
    ) -> [String] {
        if columns <= limit { return pieces.map(\.text) }
        guard limit > 0 else { return [] }
        var (kept, used) = ([String](), 1)
        for piece in pieces {
            if used + piece.columns > limit { break }
            kept.append(piece.text)
            used += piece.columns
        }
        return kept + ["…"]
    }
}

/// Short text for times and large counts, as in a table with little room.
public enum ShortNumber {
    /// Three digits and a unit: `840ns`, `10.4us`, `1.20s`.
    static func duration(_ ns: UInt64) -> String {
        let units: [(size: UInt64, name: String)] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us")]
        guard let unit = units.first(where: { ns >= $0.size }) else { return "\(ns)ns" }
        return threeDigits(ns, of: unit.size) + unit.name
    }

    /// Whole up to 99999, else three digits and k, M, G or T.
    static func count(_ count: UInt64) -> String {
        let units: [(size: UInt64, name: String)] = [
            (1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1000, "k"),
        ]
        guard count > 99_999, let unit = units.first(where: { count >= $0.size }) else { return "\(count)" }
        return threeDigits(count, of: unit.size) + unit.name
    }

    /// Of bytes: `512 B`, `10.4 KiB`, `1.20 GiB`.
    public static func bytes(_ count: UInt64) -> String {
        let units: [(size: UInt64, name: String)] = [
            (1 << 40, " TiB"), (1 << 30, " GiB"), (1 << 20, " MiB"), (1 << 10, " KiB"),
        ]
        guard let unit = units.first(where: { count >= $0.size }) else { return "\(count) B" }
        return threeDigits(count, of: unit.size) + unit.name
    }

    /// The largest unit in which it is whole: `500ms`, `10s`.
    static func plain(_ ns: UInt64) -> String {
        let units: [(size: UInt64, name: String)] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us")]
        guard ns > 0, let unit = units.first(where: { ns % $0.size == 0 }) else { return "\(ns)ns" }
        return "\(ns / unit.size)\(unit.name)"
    }

    /// Nanoseconds as seconds with three decimals.
    static func seconds(_ ns: UInt64) -> String { fixed(Double(ns / 1_000_000) / 1000, places: 3) }

    /// Three digits where that is enough: `0.0123`, `1.23`, `12.3`, `123`; from 99999 on as a count.
    static func decimal(_ value: Double) -> String {
        guard value.isFinite, value > 0 else { return "0" }
        if value >= 99.95 { return count(UInt64(min(value.rounded(), 1e18))) }
        var (places, scaled) = (2, value)
        if scaled >= 9.995 { places = 1 }
        while scaled < 0.9995, places < 6 { (places, scaled) = (places + 1, scaled * 10) }
        return fixed(value, places: places)
    }

    /// At most two decimals: a value below a hundredth is shown as nearly nothing.
    static func coarse(_ value: Double) -> String {
        value >= 9.995 ? decimal(value) : fixed(value.isFinite ? max(0, value) : 0, places: 2)
    }

    /// Of a share from 0 to 1: `100%`, `12.3%`, `0.12%`.
    static func percent(_ share: Double) -> String {
        let percent = share * 100
        return percent > 0 && percent < 0.005
            ? "<0.01%" : fixed(percent, places: percent >= 99.95 ? 0 : percent >= 9.995 ? 1 : 2) + "%"
    }

    /// Rounded to `places` decimals; for values that are not negative and below 10^12.
    static func fixed(_ value: Double, places: Int) -> String {
        let scale = (0..<places).reduce(1.0) { scale, _ in scale * 10 }
        let scaled = max(0, (value * scale).rounded())
        let digits = String(Int64(scaled < 9e18 ? scaled : 9e18))
        guard places > 0 else { return digits }
        let padded = String(repeating: "0", count: max(0, places + 1 - digits.utf8.count)) + digits
        return padded.dropLast(places) + "." + padded.suffix(places)
    }

    /// Cut, not rounded, so that the result never reaches the next unit.
    private static func threeDigits(_ value: UInt64, of size: UInt64) -> String {
        let whole = value / size
        if whole >= 100 { return "\(whole)" }
        let digits: UInt64 = whole >= 10 ? 10 : 100
        let part = value % size / (size / digits)
        return "\(whole)." + (digits == 100 && part < 10 ? "0" : "") + "\(part)"
    }
}

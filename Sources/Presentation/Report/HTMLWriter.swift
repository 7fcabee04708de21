// SPDX-License-Identifier: Apache-2.0

// HTML with pictures in it, element by element. Everything that is written goes through one escape, so
// that no text can become markup, whoever it is from; untrusted text is set apart from what is around it,
// so that its direction of writing stays its own.

/// Builds a page.
struct HTMLWriter {
    private(set) var bytes: [UInt8] = []
    /// Titles whose meanings the page owes its reader.
    private(set) var titles: Set<String> = []

    typealias Attributes = KeyValuePairs<String, String>

    init() { bytes += "<!doctype html>\n".utf8 }

    /// An element and what is in it.
    /// `data` are further attributes, each with `data-` before its key; those without a value are left out.
    mutating func element(
        _ name: String, _ attributes: Attributes = [:], data: [(key: String, value: String)] = [],
        _ body: (inout HTMLWriter) -> Void
    ) {
        open(name, attributes, data)
        body(&self)
        bytes += "</\(name)>".utf8
        if !Self.isInline(name) { bytes.append(UInt8(ascii: "\n")) }
    }

    mutating func element(_ name: String, _ attributes: Attributes, _ text: String) {
        element(name, attributes) { $0.text(text) }
    }

    mutating func element(_ name: String, _ text: String) {
        element(name) { $0.text(text) }
    }

    /// A title of numbers, as an element: the glossary of the page has its meaning, and the reader who points at it sees it.
    mutating func title(_ name: String, _ text: String, _ attributes: [(key: String, value: String)] = []) {
        let meaning = explain(text)
        open(name, attributes + [(key: "title", value: meaning ?? "")])
        self.text(text)
        bytes += "</\(name)>".utf8
    }

    /// The glossary of the page will have this title, if there is something to say of it.
    @discardableResult
    mutating func explain(_ title: String) -> String? {
        guard let meaning = Glossary.meaning(of: title) else { return nil }
        titles.insert(title)
        return meaning
    }

    /// An element without an end.
    mutating func void(_ name: String, _ attributes: Attributes = [:]) {
        open(name, attributes)
        if !Self.isInline(name) { bytes.append(UInt8(ascii: "\n")) }
    }

    mutating func text(_ text: String) { bytes += Self.escaped(text).utf8 }

    /// Text that somebody else chose.
    mutating func foreign(_ text: String) { element("bdi", text) }

    /// A style sheet of this program. The policy of a page may want a nonce.
    mutating func style(_ sheet: StaticString, nonce: String = "") {
        element("style", ["nonce": nonce]) { $0.bytes += sheet.description.utf8 }
    }

    /// A script of this program. The policy of a page has its nonce or its hash.
    mutating func script(_ script: StaticString, nonce: String = "") {
        element("script", ["nonce": nonce]) { $0.bytes += script.description.utf8 }
    }

    private mutating func open(
        _ name: String, _ attributes: Attributes, _ data: [(key: String, value: String)] = []
    ) {
        let data = data.map { (key: "data-" + $0.key, value: $0.value) }
        open(name, data + attributes.map { (key: $0.key, value: $0.value) })
    }

    private mutating func open(_ name: String, _ attributes: [(key: String, value: String)]) {
        bytes += "<\(name)".utf8
        for (key, value) in attributes where !value.isEmpty { bytes += " \(key)=\"\(Self.escaped(value))\"".utf8 }
        bytes.append(UInt8(ascii: ">"))
    }

    /// Control characters, bidirectional overrides and the like are shown by number, as on a terminal.
    static func escaped(_ text: String) -> String {
        let shown = TerminalText.escaped(text)
        guard shown.utf8.contains(where: { "&<>\"'".utf8.contains($0) }) else { return shown }
        return shown.unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(scalar)
            }
        }
    }

    /// Elements after which a line would not end.
    private static func isInline(_ name: String) -> Bool {
        ["td", "th", "bdi", "span", "strong", "dt", "dd", "b", "code"].contains(name)
    }
}

// MARK: Pictures

/// A picture of given size whose parts are given in its own coordinates; it is drawn as wide as the page has
/// room. What it shows is said in words as well.
struct Picture {
    let width: Double
    let height: Double
    private var parts = HTMLWriter.fragment()

    init(width: Double, height: Double) { (self.width, self.height) = (width, height) }

    /// `says` are its exact figures, for the reader who points at it; `cause` is what it is about, if it is about one.
    mutating func box(
        _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String, says: String = "",
        cause: String = "", bin: Int? = nil
    ) {
        guard width > 0, height > 0 else { return }
        parts.element(
            "rect",
            [
                "x": Self.text(x), "y": Self.text(y), "width": Self.text(width), "height": Self.text(height),
                "class": style, "data-says": says, "data-cause": cause, "data-bin": bin.map { "\($0)" } ?? "",
            ]
        ) { _ in }
    }

    mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
        parts.element(
            "line",
            ["x1": Self.text(x1), "y1": Self.text(y1), "x2": Self.text(x2), "y2": Self.text(y2), "class": style]
        ) { _ in }
    }

    enum Anchor: String {
        case start
        case middle
        case end
    }

    mutating func label(_ x: Double, _ y: Double, _ text: String, _ anchor: Anchor = .start, _ style: String = "") {
        parts.element(
            "text", ["x": Self.text(x), "y": Self.text(y), "text-anchor": anchor.rawValue, "class": style], text)
    }

    /// Puts it on a page; `id` is unique there.
    func write(
        id: String, title: String, description: String, style: String = "", into page: inout HTMLWriter,
        data: [(key: String, value: String)] = []
    ) {
        page.element("div", ["class": style.isEmpty ? "plot" : "plot " + style], data: data) {
            $0.element(
                "svg",
                [
                    "viewBox": "0 0 \(Self.text(width)) \(Self.text(height))", "role": "img",
                    "aria-labelledby": "\(id)-title \(id)-text",
                ]
            ) {
                $0.element("title", ["id": "\(id)-title"], title)
                $0.element("desc", ["id": "\(id)-text"], description)
                $0.append(parts)
            }
        }
    }

    /// To a tenth.
    private static func text(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        let text = ShortNumber.fixed(abs(value), places: 1)
        return (value < 0 ? "-" : "") + (text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
    }
}

extension HTMLWriter {
    /// A part of a page.
    static func fragment() -> HTMLWriter {
        var writer = HTMLWriter()
        writer.bytes = []
        return writer
    }

    mutating func append(_ fragment: HTMLWriter) { bytes += fragment.bytes }
}

// SPDX-License-Identifier: Apache-2.0

// Lines inside JSON, as log services and `journalctl -o json` write them: {"log":"app-123 [001] d..2. …\n"}. A text has
// one object a line, an array of objects, or one object with all lines; it may be indented, and text may stand before
// an object. The key of the lines is the first key whose value has an event. Text that is no JSON is passed on
// unchanged.

/// Takes the lines out of JSON.
struct JSONDecoder: TextDecoder {
    /// Keys whose values are seen as lines, until a value with an event shows the key.
    private static let usual: Set<String> = [
        "log", "message", "msg", "text", "line", "textpayload", "body", "output", "content", "_raw", "@message",
    ]
    /// The largest number of containers within each other. JSON of logs has few; beyond this number all are forgotten.
    private static let depthLimit = 1024
    /// The bytes that can follow the "[" of an array that is not one of numbers; and the bytes with which a line inside
    /// a container can begin.
    private static let (first, inner) = (Array("{[\"".utf8), Array("{}]\",:".utf8))
    /// The bytes, besides those of numbers, of a line such as "}, {".
    private static let frame = Array("{}[]eE".utf8)
    /// The begin of the mark that the recipe writes into a trace before its events.
    private static let marker = Array(": tracing_mark_write: futexscope ".utf8)
    /// The largest number of bytes of a key. A longer key is ignored with its value.
    private static let keyLimit = 256

    /// The largest number of bytes of a string that are kept without a known key of lines: one string may have the
    /// whole console of a machine.
    var stringLimit = 16 << 20
    /// Bytes of lines that are collected before they are passed on.
    private static let pieceLimit = 256 << 10

    /// An object or an array.
    private struct Container {
        let isArray: Bool
        /// Of the member whose value this container is.
        let key: String?
        /// An object that is an element of an array, or the outermost object: the fields that name a place belong to
        /// it, also those of objects within it.
        let isRecord: Bool
        var fields: OriginFields.Record = [:]
    }

    /// How the input's present line is read.
    private enum LineKind {
        /// It has only blanks so far.
        case unknown
        /// It begins with "[": that of an array, or that of a time, "[   15.867499] ".
        case bracket
        /// Whether it is JSON is decided at its end; only then it is read.
        case held
        /// It is JSON, and each byte is read when it arrives.
        case read
    }

    private var containers: [Container] = []
    /// How many containers are open within each other.
    var depth: Int { containers.count }
    /// The key of the next value in the innermost object.
    private var key: String?
    /// The key of the lines, once a value with an event has shown it.
    private var chosen: String?
    /// A complete string: a key if a colon follows, else a value.
    private var pending: [UInt8]?
    private var string: [UInt8] = []
    private var isInString = false
    /// The string is too long, and its further bytes are dropped.
    private var isCut = false
    /// The number of bytes at which the string is examined for lines next.
    private var lookLimit = pieceLimit
    /// The bytes of an escape so far, from its backslash on.
    private var escape: [UInt8] = []
    /// The bytes of a line that is an array of numbers, "MESSAGE":[97,112,112], as journalctl writes one with control
    /// characters.
    private var numbers: [UInt8] = []
    private var number: UInt32?
    /// The input's present line, unchanged.
    private var line: [UInt8] = []
    private var lineKind = LineKind.unknown
    private var beginsInside = false
    /// The line had a string inside a container; lines were taken out of it.
    private var (hasString, hasYield) = (false, false)
    /// The values of this text end with "\n", so a value without it is a part of a line.
    private var haveEnds = false
    /// Lines of a record that has not ended: a field behind them may name another place.
    private var held: [UInt8] = []
    private var origins = OriginFields()
    /// The bytes that were passed on last end within a line.
    private var isWithinLine = false

    init(isString: Bool = false) {
        guard isString else { return }
        // The string is read as {"text": STRING.
        containers = [Container(isArray: false, key: nil, isRecord: true)]
        (key, chosen, beginsInside) = ("text", "text", true)
    }

    /// Whether all of a text is one string with "\n" as escapes: "app-123 [001] …\napp-123 [001] …".
    static func isString(_ text: TraceText) -> Bool {
        let lines = text.firstLines(2)
        guard lines.count <= 1 else { return false }
        // `text` is only the begin of the input, so the end of the string is not required.
        let rest = text.drop { $0 <= 0x20 }
        return rest.first == UInt8(ascii: "\"") && rest.place(of: Array("\\n".utf8)) != nil
    }

    /// Whether the lines of a text are inside JSON. `text` is the begin of the input.
    static func isWrapped(_ text: TraceText) -> Bool {
        let rest = text.drop { $0 <= 0x20 }
        if beginsJSON(rest) {
            // A text may begin with one line of JSON without being JSON.
            let lines = text.firstLines(10)
            return lines.count(where: { isJSON(text[$0]) }) * 2 >= lines.count
        }
        let lines = text.firstLines(60)
        let objects = lines.count { line in
            text[line].last == UInt8(ascii: "}")
                && (text.find("{\"", in: line) != nil || text.find("{ \"", in: line) != nil)
        }
        return objects > 0 && objects >= lines.count / 2
    }

    /// Whether a text begins with an object that has a key, or with an array that is not one of numbers.
    private static func beginsJSON(_ text: some Collection<UInt8>) -> Bool {
        let next = text.dropFirst().first { $0 > 0x20 }
        switch text.first {
        case UInt8(ascii: "{"): return next == UInt8(ascii: "\"")
        case UInt8(ascii: "["): return next.map { first.contains($0) } ?? false
        default: return false
        }
    }

    /// Whether a line has a form that is usual in JSON and not in a trace.
    private static func isJSON(_ line: some Collection<UInt8>) -> Bool {
        let rest = line.drop { $0 <= 0x20 }
        return beginsJSON(rest) || rest.first == UInt8(ascii: "\"") || isFrame(line)
    }

    /// Whether a line has only brackets, commas and numbers, or one of the words `true`, `false` and `null`.
    private static func isFrame(_ line: some Collection<UInt8>) -> Bool {
        let isNumeric = line.allSatisfy { $0 <= 0x20 || $0 &- 0x2b < 15 && $0 != 0x2f || frame.contains($0) }
        if isNumeric { return line.place(of: Array("--".utf8)) == nil }
        let word = line.prefix(64).filter { $0 > 0x20 && $0 != UInt8(ascii: ",") }
        return ["true", "false", "null"].contains { word.elementsEqual($0.utf8) }
    }

    mutating func decode(_ bytes: [UInt8], isLast: Bool, into text: inout [UInt8]) {
        for byte in bytes { take(byte, into: &text) }
        if isLast {
            endLine(into: &text)
            passHeld(into: &text)
            if let last = text.last, last != UInt8(ascii: "\n") { text.append(UInt8(ascii: "\n")) }
        }
    }

    private mutating func take(_ byte: UInt8, into text: inout [UInt8]) {
        if byte == UInt8(ascii: "\n") { return endLine(into: &text) }
        // One byte over the limit is kept, so that the line counts as too long.
        if line.count <= LineCutter.lineLimit { line.append(byte) }
        switch lineKind {
        case .read: read(byte, into: &text)
        case .held: break
        case .unknown where byte <= 0x20: break
        case .unknown where byte == UInt8(ascii: "["): lineKind = .bracket
        case .unknown:
            // "{" in the first column begins the next record, even if the last one was not closed.
            if byte == UInt8(ascii: "{"), line.count == 1 {
                endValue(into: &text)
                passHeld(into: &text)
                (containers, key) = ([], nil)
            }
            let isRead = containers.isEmpty || Self.inner.contains(byte)
            lineKind = isRead ? .read : .held
            if isRead { read(byte, into: &text) }
        case .bracket where byte <= 0x20: break
        case .bracket:
            let isRead = Self.first.contains(byte)
            lineKind = isRead ? .read : .held
            if isRead {
                read(UInt8(ascii: "["), isFirst: true, into: &text)
                read(byte, into: &text)
            }
        }
    }

    private mutating func read(_ byte: UInt8, isFirst: Bool = false, into text: inout [UInt8]) {
        if isInString { return takeInString(byte, into: &text) }
        switch Unicode.Scalar(byte) {
        case "{",
            "[" where isFirst || !containers.isEmpty:
            open(byte, into: &text)
        case "}" where !containers.isEmpty, "]" where !containers.isEmpty:
            endValue(into: &text)
            close(into: &text)
        case "\"" where !containers.isEmpty:
            (isInString, string, isCut, hasString, lookLimit) = (true, [], false, true, Self.pieceLimit)
        case ":" where pending != nil:
            key = pending.flatMap { $0.count > Self.keyLimit ? nil : String(decoding: $0, as: UTF8.self) }
            pending = nil
        case "," where !containers.isEmpty:
            endValue(into: &text)
        default:
            if !containers.isEmpty, byte &- 0x30 < 10 { number = (number ?? 0) &* 10 &+ UInt32(byte &- 0x30) }
        }
    }

    private mutating func open(_ byte: UInt8, into text: inout [UInt8]) {
        if containers.count < Self.depthLimit {
            let isArray = byte == UInt8(ascii: "[")
            containers.append(
                Container(isArray: isArray, key: key, isRecord: !isArray && containers.last?.isArray != false))
        } else {
            passHeld(into: &text)
            containers = []
        }
        (key, pending, number, numbers) = (nil, nil, nil, [])
    }

    private mutating func close(into text: inout [UInt8]) {
        if let container = containers.last, container.isArray, !numbers.isEmpty, let name = container.key,
            isWanted(name, numbers)
        {
            emit(numbers, of: name, into: &text)
        }
        if containers.last?.isRecord == true { passHeld(into: &text) }
        containers.removeLast()
        (numbers, key) = ([], nil)
    }

    /// Passes on the held lines, with a mark before them where their place differs from that of the lines before.
    private mutating func passHeld(into text: inout [UInt8]) {
        guard !held.isEmpty else { return }
        let fields = containers.reduce(into: OriginFields.Record()) { $0.merge($1.fields) { _, inner in inner } }
        if let mark = origins.mark(before: fields) { text += (isWithinLine ? [UInt8(ascii: "\n")] : []) + mark }
        text += held
        isWithinLine = held.last != UInt8(ascii: "\n")
        held.removeAll(keepingCapacity: held.count <= Self.pieceLimit)
    }

    /// The end of one of the input's lines. A line that is no JSON is passed on: no line was taken out of it, and it
    /// has no string in a container, either an older one or one that it begins with. A line of brackets and numbers
    /// alone belongs to the JSON around it.
    private mutating func endLine(into text: inout [UInt8]) {
        // In JSON a string cannot contain a line end, so this line was cut.
        let isCutLine = isInString
        if isCutLine {
            pending = string
            (isInString, string, escape) = (false, [], [])
        }
        if pending != nil, key != nil || containers.last?.isArray == true { endValue(into: &text) }
        if isCutLine {
            passHeld(into: &text)
            (containers, key, pending) = ([], nil, nil)
        }
        let isFrame = Self.isFrame(line)
        if lineKind == .held || lineKind == .bracket, isFrame {
            for byte in line { read(byte, isFirst: true, into: &text) }
        }
        let first = line.first { $0 > 0x20 }
        let isPart = isFrame && (beginsInside || !containers.isEmpty)
        let isObject = hasString && (beginsInside || first == UInt8(ascii: "{") || first == UInt8(ascii: "["))
        let isForeign = lineKind != .unknown && !isPart && !isObject && !hasYield
        if isForeign {
            passHeld(into: &text)
            text += line
            text.append(UInt8(ascii: "\n"))
            // An object that this line opens with its last byte continues in the next line: "Nov 25 host app: {".
            let last = line.last { $0 > 0x20 }
            if lineKind == .held || last != UInt8(ascii: "{") && last != UInt8(ascii: "[") {
                (containers, key, pending, number, numbers) = ([], nil, nil, nil, [])
            }
        }
        line.removeAll(keepingCapacity: true)
        (lineKind, hasString, hasYield) = (.unknown, false, false)
        beginsInside = !containers.isEmpty
    }

    private mutating func takeInString(_ byte: UInt8, into text: inout [UInt8]) {
        if !escape.isEmpty {
            escape.append(byte)
            unescape()
        } else if byte == UInt8(ascii: "\\") {
            escape = [byte]
        } else if byte == UInt8(ascii: "\"") {
            (isInString, pending, string) = (false, string, [])
        } else if !isCut {
            string.append(byte)
        }
        if isInString, string.count >= min(stringLimit, lookLimit), !isCut { passOn(into: &text) }
    }

    /// Passes on the whole lines of a long string, if its key is wanted. A string without any is cut at `stringLimit`,
    /// and a line "[truncated]" is added to it, which the reader counts as a loss.
    private mutating func passOn(into text: inout [UInt8]) {
        if containers.last?.isArray == false, let key, isWanted(key, string),
            let end = string.lastIndex(of: UInt8(ascii: "\n"))
        {
            passHeld(into: &text)
            held += string[...end]
            string.removeSubrange(...end)
            passHeld(into: &text)
            hasYield = true
        } else if string.count >= stringLimit {
            isCut = true
            string += Array("\n[truncated]\n".utf8)
        } else {
            lookLimit = 2 * string.count
        }
    }

    private mutating func unescape() {
        if isCut, escape[1] != UInt8(ascii: "u") || escape.count == 6 {
            escape = []
            return
        }
        switch Unicode.Scalar(escape[1]) {
        case "n": string.append(UInt8(ascii: "\n"))
        case "r": string.append(UInt8(ascii: "\r"))
        case "t": string.append(0x09)
        case "b", "f": string.append(0x20)
        case "u":
            guard escape.count == 6 else { return }
            string.append(code: UInt32(String(decoding: escape[2...], as: UTF8.self), radix: 16) ?? 0xfffd)
        case let other: string.append(UInt8(truncatingIfNeeded: other.value))
        }
        escape = []
    }

    // MARK: Values

    /// Takes the string or the number that has ended, if there is one.
    private mutating func endValue(into text: inout [UInt8]) {
        let container = containers.last
        if let number, container?.isArray == true, numbers.count < LineCutter.lineLimit {
            numbers.append(UInt8(truncatingIfNeeded: number))
        }
        if let value = pending {
            if container?.isArray == true {
                if isLineOfArray(value, container?.key) { emit(value, of: nil, into: &text) }
            } else if let key {
                if isWanted(key, value) { emit(value, of: key, into: &text) }
                if let name = OriginFields.name(of: key, within: container?.key),
                    let record = containers.lastIndex(where: \.isRecord)
                {
                    OriginFields.take(name, value, into: &containers[record].fields)
                }
            }
        }
        (pending, number) = (nil, nil)
        if container?.isArray != true { key = nil }
    }

    /// Whether the values of this key are lines. The first value with an event decides which key that is.
    private mutating func isWanted(_ key: String, _ value: [UInt8]) -> Bool {
        if chosen == nil, value[...].hasEvent || value.place(of: Self.marker) != nil { chosen = key }
        return chosen.map { $0 == key } ?? Self.usual.contains(key.lowercased())
    }

    /// Whether a string of an array is a line: the array has no key, or the key of a list of lines. A number alone is
    /// no line: Loki writes ["1764100319123456789", "app-123 [001] …"].
    private func isLineOfArray(_ value: [UInt8], _ key: String?) -> Bool {
        guard value.contains(where: { $0 &- 0x30 >= 10 }) else { return false }
        return key.map { ["values", "lines", "logs", "messages", "events", "output"].contains($0.lowercased()) } ?? true
    }

    /// Appends a value to the held lines, with a line end unless it is only a part of a line.
    private mutating func emit(_ value: [UInt8], of key: String?, into text: inout [UInt8]) {
        hasYield = true
        let isEnded = value.last == UInt8(ascii: "\n")
        // Only the runtime of a container cuts a line into several values, and its key is "log".
        if isEnded, key == "log" { haveEnds = true }
        held += value
        if !isEnded, !haveEnds { held.append(UInt8(ascii: "\n")) }
        if held.count >= Self.pieceLimit || containers.isEmpty { passHeld(into: &text) }
    }
}

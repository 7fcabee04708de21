// SPDX-License-Identifier: Apache-2.0

// Lines inside JSON, as log services and `journalctl -o json` give them out: one object a line, an array of them, one
// object with all lines in it, indented or not, behind other text or not. Which key has the lines is learnt from the
// first one that has a line of a trace. What is no JSON is passed on.

/// Takes the lines out of JSON.
struct JSONDecoder: TextDecoder {
    /// Keys under which lines are kept, before one is known to be it.
    private static let usual: Set<String> = [
        "log", "message", "msg", "text", "line", "textpayload", "body", "output", "content", "_raw", "@message",
    ]
    /// Containers within each other that are followed; JSON of lines has few.
    private static let depthLimit = 1024
    /// With what an array of something else than numbers begins, and with what a line inside of a container.
    private static let (first, inner) = (Array("{[\"".utf8), Array("{}]\",:".utf8))
    /// Besides numbers.
    private static let frame = Array("{}[]eE".utf8)
    /// What the recipe writes into a trace before its events.
    private static let marker = Array(": tracing_mark_write: futexscope ".utf8)
    /// Bytes of a key; longer ones are none that lines are kept under.
    private static let keyLimit = 256

    /// Bytes of a string that are kept as long as it is not known whether lines are in it; a console of one machine may
    /// come as one.
    var stringLimit = 16 << 20
    /// Bytes of lines that are kept before they are passed on.
    private static let pieceLimit = 256 << 10

    private struct Container {
        let isArray: Bool
        /// Of the container itself, for an array.
        let key: String?
        /// One of several that are alike, or the outermost one: fields of a record stand in it, and in others within.
        let isRecord: Bool
        var fields: OriginFields.Record = [:]
    }

    /// What a line is, as far as it has been read.
    private enum LineKind {
        /// Nothing but blanks so far.
        case unknown
        /// It begins with a bracket, which may be that of an array or that of a time.
        case bracket
        /// It is read when it has ended, if it is JSON at all.
        case held
        case read
    }

    private var containers: [Container] = []
    /// How many containers are open within each other.
    var depth: Int { containers.count }
    /// Of the value that comes next, in the innermost object.
    private var key: String?
    /// The one that has the lines.
    private var chosen: String?
    /// A string that has ended, and is a key or a value.
    private var pending: [UInt8]?
    private var string: [UInt8] = []
    private var isInString = false
    /// Nothing more of the string is kept.
    private var isCut = false
    /// Bytes of the string at which it is looked at next.
    private var lookLimit = pieceLimit
    /// What an escape has so far, from its backslash on.
    private var escape: [UInt8] = []
    /// The bytes of a line that come as numbers.
    private var numbers: [UInt8] = []
    private var number: UInt32?
    /// The line as it is.
    private var line: [UInt8] = []
    private var lineKind = LineKind.unknown
    private var beginsInside = false
    /// What the line has: a string inside of containers, lines that were taken out.
    private var (hasString, hasYield) = (false, false)
    /// Lines have their ends with them, so that one without is a part.
    private var haveEnds = false
    /// Lines of a record that has not ended, since fields behind them may name another place.
    private var held: [UInt8] = []
    private var origins = OriginFields()
    /// What was passed on last was a part of a line.
    private var isWithinLine = false

    init(isString: Bool = false) {
        guard isString else { return }
        // As if an object with one key was around it.
        containers = [Container(isArray: false, key: nil, isRecord: true)]
        (key, chosen, beginsInside) = ("text", "text", true)
    }

    /// Whether all of a text is one string, with its ends of lines as escapes.
    static func isString(_ text: TraceText) -> Bool {
        let lines = text.firstLines(2)
        guard lines.count <= 1 else { return false }
        // It may go on behind the first bytes of the text.
        let rest = text.drop { $0 <= 0x20 }
        return rest.first == UInt8(ascii: "\"") && rest.place(of: Array("\\n".utf8)) != nil
    }

    static func isWrapped(_ text: TraceText) -> Bool {
        let rest = text.drop { $0 <= 0x20 }
        if beginsJSON(rest) {
            // One line of JSON may stand before others.
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

    /// Whether an object or an array of something else than numbers begins.
    private static func beginsJSON(_ text: some Collection<UInt8>) -> Bool {
        let next = text.dropFirst().first { $0 > 0x20 }
        switch text.first {
        case UInt8(ascii: "{"): return next == UInt8(ascii: "\"")
        case UInt8(ascii: "["): return next.map { first.contains($0) } ?? false
        default: return false
        }
    }

    /// Whether a line may be one of JSON, and hardly another.
    private static func isJSON(_ line: some Collection<UInt8>) -> Bool {
        let rest = line.drop { $0 <= 0x20 }
        return beginsJSON(rest) || rest.first == UInt8(ascii: "\"") || isFrame(line)
    }

    /// Whether a line has nothing but brackets, commas, numbers and the other words of JSON.
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
        if line.count < LineCutter.lineLimit { line.append(byte) }
        switch lineKind {
        case .read: read(byte, into: &text)
        case .held: break
        case .unknown where byte <= 0x20: break
        case .unknown where byte == UInt8(ascii: "["): lineKind = .bracket
        case .unknown:
            // In the first column the next record begins, whatever has become of the last one.
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

    /// The lines that were kept, behind a mark where they are of another place than those before.
    private mutating func passHeld(into text: inout [UInt8]) {
        guard !held.isEmpty else { return }
        let fields = containers.reduce(into: OriginFields.Record()) { $0.merge($1.fields) { _, inner in inner } }
        if let mark = origins.mark(before: fields) { text += (isWithinLine ? [UInt8(ascii: "\n")] : []) + mark }
        text += held
        isWithinLine = held.last != UInt8(ascii: "\n")
        held.removeAll(keepingCapacity: held.count <= Self.pieceLimit)
    }

    /// What is no JSON is passed on: a line that has no string in it where one may be, or stands before an object
    /// without a line. Brackets and numbers alone go with the strings around them.
    private mutating func endLine(into text: inout [UInt8]) {
        // No string has a line end in it: this line was cut.
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
            // Something may have been opened in the last place, and goes on in the next line.
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

    /// The whole lines of a string that is long, if it has any; it is cut otherwise, and says so.
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

    /// A string or a number has ended.
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

    private mutating func isWanted(_ key: String, _ value: [UInt8]) -> Bool {
        if chosen == nil, value[...].hasEvent || value.place(of: Self.marker) != nil { chosen = key }
        return chosen.map { $0 == key } ?? Self.usual.contains(key.lowercased())
    }

    /// Strings of an array are lines where it has no key, or one that says so. Some have a time before each line.
    private func isLineOfArray(_ value: [UInt8], _ key: String?) -> Bool {
        guard value.contains(where: { $0 &- 0x30 >= 10 }) else { return false }
        return key.map { ["values", "lines", "logs", "messages", "events", "output"].contains($0.lowercased()) } ?? true
    }

    private mutating func emit(_ value: [UInt8], of key: String?, into text: inout [UInt8]) {
        hasYield = true
        let isEnded = value.last == UInt8(ascii: "\n")
        // Only a container's runtime cuts lines into parts.
        if isEnded, key == "log" { haveEnds = true }
        held += value
        if !isEnded, !haveEnds { held.append(UInt8(ascii: "\n")) }
        if held.count >= Self.pieceLimit || containers.isEmpty { passHeld(into: &text) }
    }
}

// SPDX-License-Identifier: Apache-2.0

// Texts that another program has wrapped as a whole: in another encoding, in the JSON of a log service, in HTML, in a
// mail, in the fields of a journal, in the output of a terminal. The first bytes of a text show how it is wrapped. It
// is unwrapped while it is read, so the reader gets only the lines of the trace. A text is passed on unchanged unless
// it is certainly wrapped.

import Events

/// Removes one wrapping from a stream of bytes.
protocol TextDecoder {
    /// Takes the next bytes of the stream, the last ones if `isLast`, and appends to `text` what they contain.
    mutating func decode(_ bytes: [UInt8], isLast: Bool, into text: inout [UInt8])
}

/// Finds out how a text is wrapped, and chooses the decoders for it.
enum Unwrapping {
    /// The largest number of wrappings within each other, such as UTF-16 around JSON.
    private static let depthLimit = 4
    /// Bytes at the begin of a text that decide how it is wrapped.
    private static let headLimit = 64 << 10
    /// The largest number of decoded bytes that are passed on at once.
    private static let pieceLimit = 256 << 10

    /// The bytes of `input` without their wrappings.
    /// - Throws: What `input` throws.
    static func unwrapped(_ input: @escaping FtraceReader.Input) throws -> FtraceReader.Input {
        var input = input
        for _ in 0..<depthLimit {
            var head: [UInt8] = []
            var isMore = true
            // One read from a pipe may give only a few bytes.
            while head.count < headLimit, isMore { isMore = try input(&head) }
            input = pushedBack(head, before: input)
            guard let decoder = decoder(for: head) else { break }
            input = decoded(input, by: decoder)
        }
        return input
    }

    private static func pushedBack(_ head: [UInt8], before input: @escaping FtraceReader.Input) -> FtraceReader.Input {
        var head = head
        return { bytes in
            guard !head.isEmpty else { return try input(&bytes) }
            bytes += head
            head = []
            return true
        }
    }

    private static func decoded(
        _ input: @escaping FtraceReader.Input, by decoder: any TextDecoder
    ) -> FtraceReader.Input {
        var decoder = decoder
        var isOver = false
        // A decoder may give many bytes at once, but the next stage needs many times the size of its block. So they are
        // passed on in pieces.
        var (text, place, isEmpty): ([UInt8], Int, Bool) = ([], 0, true)
        return { bytes in
            while place == text.count, !isOver {
                text.removeAll(keepingCapacity: text.count <= 4 * pieceLimit)
                place = 0
                var chunk: [UInt8] = []
                isOver = try !input(&chunk)
                decoder.decode(chunk, isLast: isOver, into: &text)
                // An input whose wrapping contains nothing is not empty, and must not be reported as empty.
                if isOver, isEmpty, text.isEmpty { text.append(UInt8(ascii: "\n")) }
                if !text.isEmpty { isEmpty = false }
            }
            let end = min(text.count, place + pieceLimit)
            bytes += text[place..<end]
            defer { place = end }
            return end > place
        }
    }

    // MARK: Choice of a decoder

    /// The decoder for a text that begins with `head`; nil for a text that is not wrapped.
    private static func decoder(for head: [UInt8]) -> (any TextDecoder)? {
        if let encoding = UTF16Decoder(head) { return encoding }
        var padded = Array(head.prefix(headLimit))
        TraceText.pad(&padded)
        return TraceText.reading(padded: padded) { text in
            let all = 0..<text.count
            func has(_ words: StaticString...) -> Bool { words.contains { text.find($0, in: all) != nil } }
            if JSONDecoder.isWrapped(text) { return JSONDecoder(isString: false) }
            if JSONDecoder.isString(text) { return JSONDecoder(isString: true) }
            guard has("\n") else { return LineEndDecoder(text) }
            if has("=3D"), has("=\n", "=\r\n"), QuotedPrintableDecoder.isWrapped(text) {
                return QuotedPrintableDecoder()
            }
            let start = String(decoding: text.prefix(256).drop { $0 <= 0x20 }, as: UTF8.self).lowercased()
            if HTMLDecoder.begins(start) || has("&lt;", "=&gt;", "&#60;", "&#x3c;", "&#x3C;", "&#62;", "&nbsp;"),
                // Lines of the kernel with "<" or ">". In HTML these would be "&lt;" and "&gt;".
                !has("<stack trace>", "<idle>-", "<...>-", " <- ")
            {
                return HTMLDecoder()
            }
            if has("__CURSOR=", "\n    MESSAGE=") { return FieldDecoder() }
            if has(" stdout P ", " stderr P "), PartDecoder.isWrapped(text) { return PartDecoder() }
            return ScreenDecoder(text) ?? FrontDecoder(text) ?? SuffixDecoder(text)
        }
    }
}

/// Cuts a stream into lines, for a decoder that needs one line at a time.
struct LineBuffer {
    private var rest: [UInt8] = []

    /// Calls `take` with each whole line, without its end; at the end of the stream also with a last line without an
    /// end.
    mutating func lines(_ bytes: [UInt8], isLast: Bool, _ take: (ArraySlice<UInt8>) -> Void) {
        rest += bytes
        var begin = 0
        while let end = rest[begin...].firstIndex(of: UInt8(ascii: "\n")) {
            take(rest[begin..<end])
            begin = end + 1
        }
        // A line without an end must not be kept for ever. It is cut, and its rest becomes a line that is not
        // understood.
        if begin < rest.count, isLast || rest.count - begin > 4 * LineCutter.lineLimit {
            take(rest[begin...])
            begin = rest.count
        }
        rest.removeFirst(begin)
    }
}

extension TraceText {
    /// The first lines that are not empty, at most `count`, without their ends.
    func firstLines(_ count: Int) -> [Range<Int>] {
        var (lines, begin): ([Range<Int>], Int) = ([], 0)
        while begin < self.count, lines.count < count, let end = first("\n", in: begin..<self.count) {
            let isReturn = end > begin && self[end - 1] == UInt8(ascii: "\r")
            if begin < (isReturn ? end - 1 : end) { lines.append(begin..<(isReturn ? end - 1 : end)) }
            begin = end + 1
        }
        return lines
    }
}

extension ArraySlice<UInt8> {
    /// Whether an event of the recipe is in it: ": fs_" as the kernel prints one, or ":fs_" as perf prints one.
    var hasEvent: Bool { Self.eventMarks.contains { place(of: $0) != nil } }

    private static let eventMarks = [": fs_", ":fs_"].map { Array($0.utf8) }
}

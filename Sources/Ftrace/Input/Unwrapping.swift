// SPDX-License-Identifier: Apache-2.0

// Texts that something has wrapped as a whole: another encoding, the JSON of a log service, a page of HTML, a mail, the
// fields of a journal, a terminal. How a text is wrapped is learnt from its first bytes, and it is unwrapped while it is
// read, so that everything after this sees the lines of the trace. An ordinary text is passed on as it is,
// and so is one of which it is not sure that it is wrapped.

import Events

/// Takes one wrapping off a stream of bytes.
protocol TextDecoder {
    /// Appends what is in `bytes`; no more of them come when `isLast`.
    mutating func decode(_ bytes: [UInt8], isLast: Bool, into text: inout [UInt8])
}

/// Finds out what a text is wrapped in.
enum Unwrapping {
    /// The largest number of wrappings within each other that are removed.
    private static let depthLimit = 4
    /// Bytes from which the wrapping is learnt.
    private static let headLimit = 64 << 10
    /// Bytes of what a decoder has given that are passed on at once.
    private static let pieceLimit = 256 << 10

    /// The same bytes without what they are wrapped in.
    static func unwrapped(_ input: @escaping FtraceReader.Input) throws -> FtraceReader.Input {
        var input = input
        for _ in 0..<depthLimit {
            var head: [UInt8] = []
            var isMore = true
            // A pipe gives less than asked for.
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
        // What a decoder gives at once may be much, and a block of short lines takes many times their size.
        var (text, place, isEmpty): ([UInt8], Int, Bool) = ([], 0, true)
        return { bytes in
            while place == text.count, !isOver {
                text.removeAll(keepingCapacity: text.count <= 4 * pieceLimit)
                place = 0
                var chunk: [UInt8] = []
                isOver = try !input(&chunk)
                decoder.decode(chunk, isLast: isOver, into: &text)
                // What has no line of a trace in it is not an empty input.
                if isOver, isEmpty, text.isEmpty { text.append(UInt8(ascii: "\n")) }
                if !text.isEmpty { isEmpty = false }
            }
            let end = min(text.count, place + pieceLimit)
            bytes += text[place..<end]
            defer { place = end }
            return end > place
        }
    }

    // MARK: Which one

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
                // In HTML these have names of characters.
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

/// Cuts a stream into lines for a decoder that looks at one at a time.
struct LineBuffer {
    private var rest: [UInt8] = []

    /// Each whole line without its end; at the end of the stream also what is left.
    mutating func lines(_ bytes: [UInt8], isLast: Bool, _ take: (ArraySlice<UInt8>) -> Void) {
        rest += bytes
        var begin = 0
        while let end = rest[begin...].firstIndex(of: UInt8(ascii: "\n")) {
            take(rest[begin..<end])
            begin = end + 1
        }
        // A line without an end would be kept for ever; the rest of it is another line, which nothing understands.
        if begin < rest.count, isLast || rest.count - begin > 4 * LineCutter.lineLimit {
            take(rest[begin...])
            begin = rest.count
        }
        rest.removeFirst(begin)
    }
}

extension TraceText {
    /// The first lines that have anything in them, at most `count`.
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
    /// Whether an event of the recipe stands in it, as the kernel or perf prints one.
    var hasEvent: Bool {
        place(of: Array(": fs_".utf8)) != nil || place(of: Array(":fs_".utf8)) != nil
    }
}

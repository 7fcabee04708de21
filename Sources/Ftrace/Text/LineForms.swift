// SPDX-License-Identifier: Apache-2.0

// Lines of a trace are like lines before them: the same task on the same processor, the same event with numbers of
// the same length. What a line has in common with one that was read is compared, 32 bytes at a time, and only its
// numbers are read. This saves time and changes nothing: where the bytes are not the same, or what was a digit is
// none, the line is read as if nothing was known.

import Events

/// Reads lines, and learns from them.
struct LineForms: Sendable {
    private let names: KnownNames
    private var heads = HeadForms()
    private var tails = TailForms()
    /// Names of events that are not needed, with their colons and what stands before them.
    private var unneeded = Patterns<2>(count: unneededCount)
    private static let unneededCount = 64
    /// Lines of which nothing but numbers had to be read.
    private(set) var alike: UInt64 = 0

    init(names: KnownNames) { self.names = names }

    /// Reads the bytes of `line` and stores what they say in it; `values` get those of its arguments, as `Arguments`
    /// packs them. Returns the place where the line of the trace begins, or where the frame does that follows a prefix;
    /// nil for any other line.
    @inline(__always)
    mutating func read(_ text: TraceText, into line: inout TraceLine, _ values: inout [UInt64]) -> Int? {
        let range = line.range
        return readKnown(text, range, into: &line, &values)
            ? range.lowerBound : readUnknown(text, range, into: &line, &values)
    }

    /// A line that is like earlier ones. False for any other line.
    @inline(__always)
    private mutating func readKnown(
        _ text: TraceText, _ body: Range<Int>, into line: inout TraceLine, _ values: inout [UInt64]
    ) -> Bool {
        guard let known = heads.match(text, body) else { return false }
        let tail = known.end..<body.upperBound
        if tails.read(text, tail, into: &line, &values) {
            alike &+= 1
            heads.store(known, in: &line)
            return true
        }
        let place = Self.namePlace(text, tail)
        guard unneeded.lengths[place] <= tail.count, unneeded.match(text, at: tail.lowerBound, place) else {
            return false
        }
        line.meaning = .unneeded
        return true
    }

    /// A line that is unlike those before it, at least from its beginning on.
    @inline(never)
    private mutating func readUnknown(
        _ text: TraceText, _ range: Range<Int>, into line: inout TraceLine, _ values: inout [UInt64]
    ) -> Int? {
        if let frame = Frame(text, range) { return store(frame, in: &line, &values) }
        guard let head = LineHead(text, range) else {
            return Frame(within: text, range).flatMap { store($0, in: &line, &values) }
        }
        let body = head.begin..<range.upperBound
        // Behind what a log puts before it, it may be known.
        if head.begin == range.lowerBound || !readKnown(text, body, into: &line, &values) {
            readWhole(text, body, head, into: &line, &values)
        }
        return head.begin
    }

    private func store(_ frame: Frame, in line: inout TraceLine, _ values: inout [UInt64]) -> Int? {
        line.meaning = .frame(frame.kind, isOfPerf: frame.isOfPerf)
        values.append(frame.function)
        return frame.begin > 0 ? frame.begin : nil
    }

    /// By what stands behind the time, which is a blank and a name.
    @inline(__always)
    private static func namePlace(_ text: TraceText, _ tail: Range<Int>) -> Int {
        (text.word(at: tail.lowerBound + 1) ^ text.word(at: tail.lowerBound + 9) &* 31).place(among: unneededCount)
    }

    /// Of which nothing is known; it is learnt.
    private mutating func readWhole(
        _ text: TraceText, _ body: Range<Int>, _ head: LineHead, into line: inout TraceLine, _ values: inout [UInt64]
    ) {
        let isLikely = heads.learn(head, text, body)
        guard !head.name.isEmpty else { return }
        // Perhaps only the head was unknown.
        if isLikely, tails.read(text, head.timeEnd..<body.upperBound, into: &line, &values) {
            line.head = head.event
            line.hash.add(head.event)
            return
        }
        guard let event = names.event(EventName.hash(text, head.name)) else {
            let tail = head.timeEnd..<head.name.upperBound + 1
            _ = unneeded.learn(text, tail, at: Self.namePlace(text, tail), without: [])
            line.meaning = .unneeded
            return
        }
        var arguments = Arguments()
        var numbers: [NumberInLine] = []
        if event.hasArguments {
            // Where no arguments were printed, what perf has behind them begins where they would.
            let end =
                head.event.oddities.contains(.isPerf)
                ? max(head.arguments, Self.endOfPerf(text, body)) : body.upperBound
            arguments.read(text, head.arguments..<end, of: event, names: names) { numbers.append($0) }
        }
        arguments.pack(into: &values)
        // Behind a head that is never known no tail is looked for.
        if isLikely, !arguments.isDamaged {
            tails.learn(text, head.timeEnd..<body.upperBound, event, arguments, numbers)
        }
        (line.meaning, line.head) = (.event(event), head.event)
        (line.keys, line.words) = (arguments.packedKeys, arguments.wordCount)
        line.hash = EventHash(event, keys: line.keys)
        for value in values[line.firstValue...] { line.hash.add(value) }
        line.hash.add(head.event)
    }
}

extension LineForms {
    /// Where the arguments end in a line of perf, which may print behind them where the event was: an address, a
    /// function and an object, as in " ffffffff96d277e5 folio_unlock+0x1 ([kernel.kallsyms])".
    static func endOfPerf(_ text: TraceText, _ body: Range<Int>) -> Int {
        var end = body.upperBound
        func takeWord() -> Range<Int>? {
            guard let blank = text[body.lowerBound..<end].lastIndex(of: 0x20), blank + 1 < end else { return nil }
            defer { end = blank }
            return blank + 1..<end
        }
        guard var word = takeWord() else { return body.upperBound }
        if text[word.lowerBound] == UInt8(ascii: "("), text[word.upperBound - 1] == UInt8(ascii: ")") {
            guard let next = takeWord() else { return body.upperBound }
            word = next
        }
        guard text.first("=", in: word) == nil, let address = takeWord(), address.count == 16,
            text.number(at: address.lowerBound, digits: 16, isHexadecimal: true) != nil
        else { return body.upperBound }
        return end
    }
}

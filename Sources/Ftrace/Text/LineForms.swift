// SPDX-License-Identifier: Apache-2.0

// Lines of a trace are like lines before them: the same task on the same processor, the same event with numbers of
// the same length. What a line has in common with one that was read is compared, eight bytes at a time, and only its
// numbers are read. This saves time and changes nothing: where the bytes are not the same, or what was a digit is
// none, the line is read as if nothing was known.

import Events

/// Reads lines, and learns from them.
struct LineForms: Sendable {
    private let names: KnownNames
    private var heads = HeadForms()
    private var tails = TailForms()
    /// Names of events that are not needed, with their colons and what stands before them.
    private var unneeded = KnownTexts()
    /// Lines of which nothing but numbers had to be read.
    private(set) var alike: UInt64 = 0

    init(names: KnownNames) { self.names = names }

    /// What is in a line.
    enum Reading {
        case noLine
        /// Without the name of an event.
        case nameless
        /// Of an event that is not needed.
        case unneeded
        /// With the keys of its arguments, as `Arguments` packs them, and how many the text has in all.
        case event(EventName, EventHead, keys: UInt32, words: UInt8)
        case frame(Frame)

        /// Whether it is an event of the recipe, or a stack.
        var isOfTask: Bool {
            switch self {
            case .nameless: true
            case .event(let name, _, _, _): if case .marker = name { false } else { true }
            case .noLine, .unneeded, .frame: false
            }
        }
    }

    /// Reads the line in `line`. A trace's line may begin later in it; `begin` becomes the place where it does.
    /// `values` get those of its arguments, as `Arguments` packs them.
    @inline(__always)
    mutating func read(
        _ text: TraceText, _ line: Range<Int>, begin: inout Int, into values: inout [UInt64]
    ) -> Reading {
        begin = line.lowerBound
        if let known = heads.match(text, line) {
            let tail = known.end..<line.upperBound
            if let place = tails.match(text, tail, into: &values) {
                alike &+= 1
                return .event(
                    tails.events[place], heads.event(known), keys: tails.keys[place], words: tails.wordCounts[place])
            }
            if unneeded.length(at: Self.namePlace(text, tail), inFrontOf: text, tail) > 0 { return .unneeded }
        }
        return readUnknown(text, line, begin: &begin, into: &values)
    }

    /// A line that is unlike those before it, at least from its beginning on.
    @inline(never)
    private mutating func readUnknown(
        _ text: TraceText, _ line: Range<Int>, begin: inout Int, into values: inout [UInt64]
    ) -> Reading {
        if let frame = Frame(text, line) { return .frame(frame) }
        guard let head = LineHead(text, line) else {
            return Frame(within: text, line).map { .frame($0) } ?? .noLine
        }
        begin = head.begin
        let body = begin..<line.upperBound
        // Behind what a log puts before it, it may be known.
        guard begin > line.lowerBound, let known = heads.match(text, body) else {
            return readWhole(text, body, head, into: &values)
        }
        let tail = known.end..<body.upperBound
        if let place = tails.match(text, tail, into: &values) {
            alike &+= 1
            return .event(
                tails.events[place], heads.event(known), keys: tails.keys[place], words: tails.wordCounts[place])
        }
        if unneeded.length(at: Self.namePlace(text, tail), inFrontOf: text, tail) > 0 { return .unneeded }
        return readWhole(text, body, head, into: &values)
    }

    /// By what stands behind the time, which is a blank and a name.
    @inline(__always)
    private static func namePlace(_ text: TraceText, _ tail: Range<Int>) -> Int {
        KnownTexts.place(of: text.word(at: tail.lowerBound + 1) ^ text.word(at: tail.lowerBound + 9) &* 31)
    }

    /// Of which nothing is known; it is learnt.
    private mutating func readWhole(
        _ text: TraceText, _ body: Range<Int>, _ head: LineHead, into values: inout [UInt64]
    ) -> Reading {
        let isLikely = heads.learn(head, text, body)
        guard !head.name.isEmpty else { return .nameless }
        guard let event = names.event(EventName.hash(text, head.name)) else {
            let tail = head.timeEnd..<head.name.upperBound + 1
            _ = unneeded.learn(text, tail, at: Self.namePlace(text, tail))
            return .unneeded
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
        return .event(event, head.event, keys: arguments.packedKeys, words: arguments.wordCount)
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

/// Where a line has a number that is an argument's value.
struct NumberInLine {
    var key: Arguments.Key?
    /// Of its digits.
    var range: Range<Int>
    var isHexadecimal: Bool
    var isNegative: Bool
}

/// What stood before the time of a line, and how the time was written.
private struct HeadForms {
    private struct Form {
        /// Digits before and behind the point.
        var seconds = 0
        var fraction = 0
        /// The seconds of the newest line, as they stand there, and in nanoseconds: lines of one second come in a row.
        var latest: UInt64 = 0
        var latestNs: UInt64 = 0
        var event = EventHead()
    }
    private var texts = KnownTexts()
    private var forms = KnownTexts.each(Form())

    /// A line's head that is known.
    struct Match {
        fileprivate var place: Int
        fileprivate var time: UInt64
        /// Behind the colon of the time.
        var end: Int
    }

    func event(_ match: Match) -> EventHead {
        var event = forms[match.place].event
        event.time = match.time
        return event
    }

    /// By the columns of the task's number.
    @inline(__always)
    private static func place(_ text: TraceText, _ begin: Int) -> Int {
        KnownTexts.place(of: text.word(at: begin + 16))
    }

    @inline(__always)
    mutating func match(_ text: TraceText, _ body: Range<Int>) -> Match? {
        guard body.count > 16 else { return nil }
        let place = Self.place(text, body.lowerBound)
        let length = texts.length(at: place, inFrontOf: text, body)
        let (seconds, fraction) = (forms[place].seconds, forms[place].fraction)
        let time = body.lowerBound &+ length
        let end = time &+ seconds &+ fraction &+ 2
        guard length > 0, end < body.upperBound else { return nil }
        let word = text.word(at: time, count: seconds)
        if word != forms[place].latest || word == 0 {
            guard let whole = EightBytes(word).decimal(exactly: seconds) else { return nil }
            (forms[place].latest, forms[place].latestNs) = (word, whole &* 1_000_000_000)
        }
        guard text[time &+ seconds] == UInt8(ascii: "."),
            let high = EightBytes(text.word(at: time &+ seconds &+ 1)).decimal(exactly: min(fraction, 8)),
            text[end &- 1] == UInt8(ascii: ":")
        else { return nil }
        var nanoseconds = high &* 1000
        if fraction == 9 {
            let last = text[end &- 2] &- 0x30
            guard last < 10 else { return nil }
            nanoseconds = high &* 10 &+ UInt64(last)
        }
        return Match(place: place, time: forms[place].latestNs &+ nanoseconds, end: end)
    }

    /// Only what any line that begins so has in common with this one: the task's name ends in the first of the
    /// columns that are tried, whatever follows; and the time has microseconds or nanoseconds. False for any other.
    mutating func learn(_ head: LineHead, _ text: TraceText, _ body: Range<Int>) -> Bool {
        let dash = body.lowerBound + 16
        let digits = text[head.time..<head.timeEnd - 1].split(separator: UInt8(ascii: "."))
        let place = Self.place(text, body.lowerBound)
        guard head.event.oddities.isEmpty,
            head.columns == 16 || (head.columns == 8 && head.time > dash && text[dash] != UInt8(ascii: "-")),
            digits.count == 2, digits[0].count <= 8, digits[1].count == 6 || digits[1].count == 9,
            texts.learn(text, body.lowerBound..<head.time, at: place)
        else { return false }
        forms[place] = Form(seconds: digits[0].count, fraction: digits[1].count, event: head.event)
        return true
    }
}

/// What stood behind the time of a line of an event that is needed, and where numbers were in it.
private struct TailForms {
    private static let wayCount = 4
    private static let count = 64 * wayCount
    private static let wordLimit = 40
    private static let numberLimit = 16

    private struct Number {
        var offset: UInt16 = 0
        var digits: UInt8 = 0
        var isHexadecimal = false
        var isNegative = false
        var isKept = false
    }

    private(set) var events = Array(repeating: EventName.marker, count: count)
    private(set) var keys = [UInt32](repeating: 0, count: count)
    private(set) var wordCounts = [UInt8](repeating: 0, count: count)
    /// Bytes; 0 where nothing is known.
    private var lengths = [Int](repeating: 0, count: count)
    /// The bytes, and which bits of them count: not those of numbers.
    private var words = [UInt64](repeating: 0, count: count * wordLimit)
    private var masks = [UInt64](repeating: 0, count: count * wordLimit)
    /// In the order of their keys.
    private var numbers = Array(repeating: Number(), count: count * numberLimit)
    private var numberCounts = [Int](repeating: 0, count: count)
    /// Where the next one is put among those of a like kind.
    private var nextWays = [UInt8](repeating: 0, count: count / wayCount)

    @inline(__always)
    private static func place(_ text: TraceText, _ tail: Range<Int>) -> Int {
        let mixed = text.word(at: tail.lowerBound &+ 1) ^ text.word(at: tail.lowerBound &+ 9) &* 31
        return Int(truncatingIfNeeded: ((mixed &+ UInt64(tail.count)) &* 0x9e37_79b9_7f4a_7c15) >> 58) * wayCount
    }

    /// The place of the form that this one has.
    @inline(__always)
    func match(_ text: TraceText, _ tail: Range<Int>, into values: inout [UInt64]) -> Int? {
        guard tail.count > 16 else { return nil }
        let first = Self.place(text, tail)
        for place in first..<first &+ Self.wayCount where lengths[place] == tail.count {
            let at = place &* Self.wordLimit
            guard text.isLike(words, masks: masks, at: at, from: tail.lowerBound, count: tail.count) else { continue }
            return readNumbers(text, tail, place, into: &values) ? place : nil
        }
        return nil
    }

    /// False, and nothing, when one of them is none.
    @inline(__always)
    private func readNumbers(
        _ text: TraceText, _ tail: Range<Int>, _ place: Int, into values: inout [UInt64]
    ) -> Bool {
        let before = values.count
        let first = place &* Self.numberLimit
        let count = numberCounts[place]
        precondition(first >= 0 && count >= 0 && count <= numbers.count &- first)
        return unsafe numbers.withUnsafeBufferPointer { numbers in
            // `numbers` has all of these, by the comparison above.
            for index in first..<first &+ count {
                let number = unsafe numbers[index]
                guard
                    let value = text.number(
                        at: tail.lowerBound &+ Int(number.offset), digits: Int(number.digits),
                        isHexadecimal: number.isHexadecimal)
                else {
                    values.removeLast(values.count - before)
                    return false
                }
                if number.isKept { values.append(number.isNegative ? 0 &- value : value) }
            }
            return true
        }
    }

    mutating func learn(
        _ text: TraceText, _ tail: Range<Int>, _ event: EventName, _ arguments: borrowing Arguments,
        _ found: [NumberInLine]
    ) {
        let keys = arguments.packedKeys
        guard tail.count > 16, tail.count <= 8 * Self.wordLimit, found.count <= Self.numberLimit,
            found.allSatisfy({ $0.range.count <= 16 }),
            // Each value comes from a number here, and no number from elsewhere.
            found.count(where: { $0.key != nil }) == Arguments.count(of: keys)
        else { return }
        let first = Self.place(text, tail)
        let place = first + Int(nextWays[first / Self.wayCount])
        nextWays[first / Self.wayCount] = UInt8(place - first + 1) % UInt8(Self.wayCount)
        (events[place], self.keys[place], lengths[place]) = (event, keys, tail.count)
        wordCounts[place] = arguments.wordCount
        let begin = place * Self.wordLimit
        let last = (tail.count - 1) / 8
        for word in 0...last {
            words[begin + word] = text.word(at: tail.lowerBound + 8 * word, count: tail.count - 8 * word)
            masks[begin + word] = .max
        }
        masks[begin + last] >>= UInt64(8 * (last + 1) - tail.count) * 8
        let inOrder = found.sorted { ($0.key?.rawValue ?? .max) < ($1.key?.rawValue ?? .max) }
        for (index, number) in inOrder.enumerated() {
            let digits = number.range.lowerBound - tail.lowerBound..<number.range.upperBound - tail.lowerBound
            numbers[place * Self.numberLimit + index] = Number(
                offset: UInt16(digits.lowerBound), digits: UInt8(digits.count), isHexadecimal: number.isHexadecimal,
                isNegative: number.isNegative, isKept: number.key != nil)
            for place in digits {
                let byte: UInt64 = 0xff << UInt64(place % 8 * 8)
                words[begin + place / 8] &= ~byte
                masks[begin + place / 8] &= ~byte
            }
        }
        numberCounts[place] = inOrder.count
    }
}

/// Bytes that stood in a text, each up to 64 of them in a place that something about them decides.
private struct KnownTexts {
    private static let count = 64
    private static let wordLimit = 8

    private var words = [UInt64](repeating: 0, count: count * wordLimit)
    /// 0 where nothing is known.
    private var lengths = [Int](repeating: 0, count: count)

    /// Something for each place.
    static func each<Element>(_ element: Element) -> [Element] { Array(repeating: element, count: count) }

    /// Where that is kept which has this word.
    @inline(__always)
    static func place(of word: UInt64) -> Int { Int(truncatingIfNeeded: (word &* 0x9e37_79b9_7f4a_7c15) >> 58) }

    /// How many bytes are kept there, if `range` begins with them; else 0.
    @inline(__always)
    func length(at place: Int, inFrontOf text: TraceText, _ range: Range<Int>) -> Int {
        let length = lengths[place]
        guard length > 0, length <= range.count,
            text.isLike(words, at: place * Self.wordLimit, from: range.lowerBound, count: length)
        else { return 0 }
        return length
    }

    /// Keeps them there in place of others; false where they are too many.
    mutating func learn(_ text: TraceText, _ range: Range<Int>, at place: Int) -> Bool {
        guard range.count <= 8 * Self.wordLimit else { return false }
        lengths[place] = range.count
        for word in 0..<Self.wordLimit {
            words[place * Self.wordLimit + word] = text.word(
                at: range.lowerBound + word * 8, count: range.count - word * 8)
        }
        return true
    }
}

// SPDX-License-Identifier: Apache-2.0

// Where a line comes from. A journal of several hosts, logs of several pods or `grep -H` over several files put lines of
// several kernels into one text, and what happened on one explains nothing on another. What stands before a line has
// words that name its place, and others that differ from line to line: times, numbers, levels, threads. Those that are
// known to differ are left out; any other word counts, since two places that are taken for one give a wrong cause, and
// one that is taken for two gives a loss.

import Events

/// The words before a line that may name its place.
enum Origin {
    /// Of no words at all; 0 stands for a line of which nothing is known.
    static let none: UInt32 = 0x811c_9dc5

    /// One number for all of them.
    static func hash(_ text: TraceText, _ prefix: Range<Int>) -> UInt32 {
        var hash = none
        words(text, prefix) { word in hash = mixed(hash, text[word]) }
        return hash
    }

    static func mixed(_ hash: UInt32, _ word: some Sequence<UInt8>) -> UInt32 {
        let mixed = word.reduce(hash) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
        return (mixed ^ 0x2f) &* 0x0100_0193 | 1
    }

    /// Each word, in the order of the text; `skip` gets those that name no place.
    static func words(
        _ text: TraceText, _ prefix: Range<Int>, skip: (Range<Int>) -> Void = { _ in }, _ take: (Range<Int>) -> Void
    ) {
        var place = prefix.lowerBound
        var before: UInt8 = 0
        // What the word before says of the next one.
        var value = Value.none
        while place < prefix.upperBound {
            let byte = text[place]
            guard isPart[Int(byte)] else {
                // The colours of a terminal.
                if byte == 0x1b, place + 1 < prefix.upperBound, text[place + 1] == UInt8(ascii: "[") {
                    place += 2
                    while place < prefix.upperBound, text[place] < 0x40 { place += 1 }
                }
                if byte > 0x20 || before == 0 || isPart[Int(before)] { before = byte }
                place += 1
                continue
            }
            let begin = place
            var hasLetter = false
            while place < prefix.upperBound, case let byte = text[place], isPart[Int(byte)] {
                if byte.isLetter || byte >= 0x80 { hasLetter = true }
                place += 1
            }
            let after = place < prefix.upperBound ? text[place] : 0
            let isLast =
                text[place - 1] == UInt8(ascii: "-") && text[place..<prefix.upperBound].allSatisfy { $0 <= 0x20 }
            let word = isLast ? withoutNumber(text, begin..<place) : begin..<place
            let isValue = value
            value = after == UInt8(ascii: "=") ? (isKey(text, word) ? .place : .other) : .none
            if value == .none, isValue != .other,
                isValue == .place || isAddress(text, word)
                    || (hasLetter && !isVarying(text, word, before: before, after: after))
            {
                take(word)
            } else {
                skip(begin..<place)
            }
            before = text[place - 1]
        }
    }

    private enum Value { case none, place, other }

    /// Whether a byte is a part of a word.
    private static let isPart: [Bool] = (0..<256).map { byte in
        let marks = Array("-./_@+~%*#".utf8)
        return byte >= 0x80 || UInt8(byte).isLetterOrDigit || marks.contains(UInt8(byte))
    }

    /// Keys of a log whose values name a place.
    private static func isKey(_ text: TraceText, _ word: Range<Int>) -> Bool {
        OriginFields.name(of: String(decoding: text[word].prefix(64), as: UTF8.self), within: nil) != nil
    }

    /// "10.0.0.7".
    private static func isAddress(_ text: TraceText, _ word: Range<Int>) -> Bool {
        text[word].count { $0 == UInt8(ascii: ".") } == 3
            && text[word].allSatisfy { $0 &- 0x30 < 10 || $0 == UInt8(ascii: ".") }
    }

    /// "console.txt-17-", as grep begins a line of the context of what it has found.
    private static func withoutNumber(_ text: TraceText, _ word: Range<Int>) -> Range<Int> {
        var end = word.upperBound
        guard word.count > 1, text[end - 1] == UInt8(ascii: "-") else { return word }
        end -= 1
        var digits = end
        while digits > word.lowerBound, text[digits - 1] &- 0x30 < 10 { digits -= 1 }
        if digits < end, digits - 1 > word.lowerBound, text[digits - 1] == UInt8(ascii: "-") { end = digits - 1 }
        return word.lowerBound..<end
    }

    private static let names: Set<String> = [
        // Levels and facilities.
        "emerg", "alert", "crit", "critical", "err", "error", "fatal", "warn", "warning", "notice", "info", "debug",
        "trace", "kern", "user", "daemon", "auth", "syslog", "authpriv", "local0", "local1", "local2", "local3",
        "local4", "local5", "local6", "local7", "stdout", "stderr",
    ]
    private static let months: Set<String> = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]
    private static let days: Set<String> = [
        "mon", "tue", "wed", "thu", "fri", "sat", "sun", "am", "pm", "utc", "gmt", "cet", "cest", "eet", "eest", "wet",
        "west", "bst", "ist", "jst", "kst", "msk", "est", "edt", "cst", "cdt", "mst", "mdt", "pst", "pdt",
    ]

    /// Whether a word is one of those that differ between lines of one place.
    private static func isVarying(_ text: TraceText, _ word: Range<Int>, before: UInt8, after: UInt8) -> Bool {
        let first = text[word.lowerBound]
        let digits = text[word].count { $0 &- 0x30 < 10 }
        if word.count == 1 {
            // A flag of /dev/kmsg, a level, a part of a container's line. A host may have a name like that.
            return before == UInt8(ascii: ",")
                || (before <= 0x20 && before != 0 && after == 0x20 && "iwefdvnp".utf8.contains(first | 0x20))
        }
        if first &- 0x30 < 10 {
            let letters = text[word].lazy.filter { $0.isLetter }.prefix(16)
            // "2025-11-25T19:51:59Z", "12:30PM", "15us", "01E" and numbers in base 16.
            if letters.allSatisfy({ "tzampnusoe".utf8.contains($0 | 0x20) }) { return true }
            if first == 0x30, text[word.lowerBound + 1] | 0x20 == UInt8(ascii: "x") { return true }
            return letters.count == 3 && months.contains(String(decoding: letters.map { $0 | 0x20 }, as: UTF8.self))
        }
        if digits == word.count - 1 {
            // "[  T123]" of printk, "I1125 19:51:59" of klog.
            if after == UInt8(ascii: "]"), first == UInt8(ascii: "T") || first == UInt8(ascii: "C") { return true }
            if after == 0x20, digits == 4, "IWEF".utf8.contains(first) { return true }
        }
        guard word.count <= 32 else { return false }
        let name = String(decoding: text[word].map { $0.isLetter ? $0 | 0x20 : $0 }, as: UTF8.self)
        if names.contains(name) { return true }
        if after <= 0x20 || after == UInt8(ascii: ",") || after == UInt8(ascii: "]") {
            if months.contains(name) || days.contains(name) { return true }
        }
        // "CPU3", "thread-12".
        let stem = name.drop { $0 == "#" }.prefix { $0 != "#" && $0 != "-" && !$0.isNumber }
        return stem == "cpu" || stem.hasSuffix("thread") || name.has("-thread-")
    }
}

extension UInt8 {
    fileprivate var isLetter: Bool { (self | 0x20) &- 0x61 < 26 }
    fileprivate var isLetterOrDigit: Bool { self &- 0x30 < 10 || isLetter }
}

/// What stood before lines, and the numbers that `Origin` has for it. Lines are like those before them, but for the
/// digits of what names no place: this saves time and changes nothing.
struct OriginForms: Sendable {
    private static let count = 8
    private static let wordLimit = 16

    /// By their lengths: the bytes, and in which of them any digit may stand.
    private var words = [UInt64](repeating: 0, count: count * wordLimit)
    private var digits = [UInt64](repeating: 0, count: count * wordLimit)
    private var lengths = [Int](repeating: 0, count: count)
    private var hashes = [UInt32](repeating: 0, count: count)

    /// What `Origin.hash` gives.
    @inline(__always)
    mutating func hash(_ text: TraceText, _ prefix: Range<Int>) -> UInt32 {
        let place = prefix.count % Self.count
        if lengths[place] == prefix.count, isLike(text, prefix, place * Self.wordLimit) { return hashes[place] }
        return learn(text, prefix, place)
    }

    @inline(__always)
    private func isLike(_ text: TraceText, _ prefix: Range<Int>, _ first: Int) -> Bool {
        var (position, place) = (prefix.lowerBound, first)
        while position < prefix.upperBound {
            let word = text.word(at: position, count: prefix.upperBound - position)
            let mask = digits[place]
            guard (word ^ words[place]) & ~mask == 0, EightBytes(word).areDecimal(mask) else { return false }
            (position, place) = (position + 8, place + 1)
        }
        return true
    }

    @inline(never)
    private mutating func learn(_ text: TraceText, _ prefix: Range<Int>, _ place: Int) -> UInt32 {
        let begin = prefix.lowerBound
        var masks = [UInt64](repeating: 0, count: Self.wordLimit)
        var hash = Origin.none
        let isShort = prefix.count <= 8 * Self.wordLimit
        Origin.words(text, prefix) { word in
            // What kind of a word it is may hang on the digits of a number in base 16.
            guard isShort, text.word(at: word.lowerBound, count: 2) | 0x2000 != 0x7830 else { return }
            for byte in word where text[byte] &- 0x30 < 10 {
                masks[(byte - begin) / 8] |= 0xff << UInt64((byte - begin) % 8 * 8)
            }
        } _: { word in
            hash = Origin.mixed(hash, text[word])
        }
        guard isShort else { return hash }
        (lengths[place], hashes[place]) = (prefix.count, hash)
        for number in 0..<Self.wordLimit {
            let at = place * Self.wordLimit + number
            digits[at] = masks[number]
            let left = prefix.count - 8 * number
            words[at] = left > 0 ? text.word(at: begin + 8 * number, count: left) : 0
        }
        return hash
    }
}

/// The place of the lines so far.
struct Origins {
    private static let nameLimit = 8
    private static let marks = Array(":]|>;\"".utf8)

    /// What the next line is compared with: the number of what stood before the newest line; 0 as long as there was
    /// none, and where the next line has to be looked at in any case.
    private(set) var hash: UInt32 = 0
    /// Of each word before the newest line, with those before it.
    private var words: [UInt32]?
    /// Bytes before the newest line.
    private var prefixCount = 0
    /// What was seen once where two lines seem to have been joined.
    private var joined: Set<UInt32> = []
    /// Something of a task's name may stand in what is taken for the prefix.
    private var isLoose = false
    /// By the marks of a decoder: the place of the lines that come, and that of the newest line of the trace.
    private var announced = ""
    private var named = ""
    /// The number of lines of each place, as far as there is room.
    private var counts: [String: UInt64] = [:]
    private var name = ""
    private var begin: UInt64 = 0
    /// Number of times that it was another one.
    private(set) var changes: UInt64 = 0

    /// Takes what stands before line `number`, where it is not as before the one before; true when this is another
    /// place.
    mutating func isChange(
        _ text: TraceText, _ prefix: Range<Int>, number: UInt64, isFrame: Bool, isLoose: Bool, extends: Bool
    ) -> Bool {
        // What says that lines were lost is no place.
        if Notice.lostLines(text[prefix]) != nil { return false }
        self.isLoose = self.isLoose || isLoose
        var prefix = prefix
        if self.isLoose {
            let mark = prefix.last { Self.marks.contains(text[$0]) || text[$0] < 0x20 }
            prefix = prefix.lowerBound..<(mark.map { $0 + 1 } ?? prefix.lowerBound)
        }
        let (read, names) = Self.read(text, prefix)
        let isFirst = words == nil
        if !isFirst, named == announced, isSame(text, prefix, read, isFrame: isFrame) {
            if extends, read.count > words?.count ?? 0 { (words, name) = (read, names.joined(separator: " ")) }
            hash = words?.last ?? Origin.none
            return false
        }
        if !isFirst {
            changes += 1
            count(to: number)
        }
        (words, hash, prefixCount, named) = (read, read.last ?? Origin.none, prefix.count, announced)
        (name, begin) = (announced.isEmpty ? names.joined(separator: " ") : announced, number)
        return !isFirst
    }

    private mutating func isSame(
        _ text: TraceText, _ prefix: Range<Int>, _ read: [UInt32], isFrame: Bool
    ) -> Bool {
        let words = words ?? []
        if read == words { return true }
        // Any line with an arrow in it may be taken for a frame.
        if isLoose || isFrame { return zip(read, words).allSatisfy { $0 == $1 } }
        // The next lines of a record, which a journal puts below its first one.
        if read.isEmpty, !prefix.isEmpty, text[prefix].allSatisfy({ $0 <= 0x20 }) { return true }
        // The line ends with what stood before the line before, and something else stands before that: the rest of
        // another line. The second one that is like it is no accident.
        let begin = prefix.upperBound - prefixCount
        guard prefixCount > 0, begin > prefix.lowerBound, let last = read.last,
            Origin.hash(text, begin..<prefix.upperBound) == words.last ?? Origin.none,
            !text[begin - 1].isLetterOrDigit || !text[begin].isLetterOrDigit
        else { return false }
        return joined.count < 256 && joined.insert(last).inserted
    }

    private static func read(_ text: TraceText, _ prefix: Range<Int>) -> ([UInt32], [String]) {
        var (read, names): ([UInt32], [String]) = ([], [])
        Origin.words(text, prefix) { word in
            read.append(Origin.mixed(read.last ?? Origin.none, text[word]))
            if names.count < 2 { names.append(String(decoding: text[word].prefix(64), as: UTF8.self)) }
        }
        return (read, names)
    }

    private mutating func count(to number: UInt64) {
        if counts[name] != nil || counts.count < 4 * Self.nameLimit {
            counts[name, default: 0] += number - begin
        }
        begin = number
    }

    /// Takes the mark of a decoder; false where the line is none.
    mutating func takeMark(_ line: Slice<TraceText>) -> Bool {
        guard line.starts(with: OriginFields.mark) else { return false }
        let names = line.dropFirst(OriginFields.mark.count).split(separator: 0x20)
            .map { String(decoding: $0, as: UTF8.self) }
        guard names.count == 2 else { return false }
        if announced.isEmpty {
            // The lines before had no mark.
            if words != nil, name.isEmpty { name = names[0] }
            named = names[0]
        }
        (announced, hash) = (names[1], 0)
        return true
    }

    /// In one line, what was found and what to do, with the number of the last line; nil for a text of one place.
    mutating func summary(to number: UInt64) -> String? {
        guard changes > 0 else { return nil }
        count(to: number + 1)
        // A line that was cut or joined is no place of its own.
        let known = counts.filter { $0.value > 1 }.map { $0.key.isEmpty ? "no name" : $0.key }.sorted()
        let names =
            known.prefix(Self.nameLimit).joined(separator: ", ") + (known.count > Self.nameLimit ? ", \u{2026}" : "")
        return
            "lines of several places\(names.isEmpty ? "" : " (\(names))") follow each other, and what happened on one explains nothing on another: \(counted(changes, "change")) of the place \(noun(changes, "ends", "end")) what was in progress; report each place by itself: `grep PLACE FILE | futexscope report -`"
    }
}

extension EventHead.Oddities {
    /// What stands before the name may be a part of it, or the other way round.
    static let uncertainName: EventHead.Oddities = [.isNameDoubtful, .isNameShort, .isPerf]
}

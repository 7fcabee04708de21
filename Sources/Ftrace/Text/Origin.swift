// SPDX-License-Identifier: Apache-2.0

// The place of a line: the host, the pod or the file that it comes from. A journal of several hosts, logs of several
// pods or `grep -H` over several files put lines of several kernels into one text, and an event of one kernel does not
// explain an event of another. Some words of a line's prefix name its place, and others differ from line to line: in
// "Nov 25 19:51:59 web-1 kernel: [   15.867499] ", "web-1" and "kernel" name it.
//
// Words that are known to differ are ignored (times, numbers, levels, threads), and all others count. This is because
// two places that are seen as one give a wrong cause, and one place that is seen as two gives only a loss.

import Events

/// The words of a prefix that may name the place of its line.
enum Origin {
    /// The hash of no words. No hash is 0, so that 0 can stand for an unknown prefix.
    static let none: UInt32 = 0x811c_9dc5

    /// The hash of all words that may name the place.
    static func hash(_ text: TraceText, _ prefix: Range<Int>) -> UInt32 {
        var hash = none
        words(text, prefix) { word in hash = mixed(hash, text[word]) }
        return hash
    }

    /// The hash of some words, extended by one more.
    static func mixed(_ hash: UInt32, _ word: some Sequence<UInt8>) -> UInt32 {
        let mixed = word.reduce(hash) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
        return (mixed ^ 0x2f) &* 0x0100_0193 | 1
    }

    /// Calls `take` for each word that may name the place and `skip` for each other one, in the order of the text.
    static func words(
        _ text: TraceText, _ prefix: Range<Int>, skip: (Range<Int>) -> Void = { _ in }, _ take: (Range<Int>) -> Void
    ) {
        var place = prefix.lowerBound
        var before: UInt8 = 0
        // Whether the next word is the value of a key: "host=web-1".
        var value = Value.none
        while place < prefix.upperBound {
            let byte = text[place]
            let isBegin = place == prefix.lowerBound || !isPart[Int(text[place - 1])]
            if isBegin, value != .other, let end = addressEnd(text, place..<prefix.upperBound) {
                take(place..<end)
                (place, before, value) = (end, text[end - 1], .none)
                continue
            }
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

    /// The next word is no value, the value of a key that names a place, or the value of another key.
    private enum Value { case none, place, other }

    /// By each byte, whether it is a part of a word.
    fileprivate static let isPart: [Bool] = (0..<256).map { byte in
        let marks = Array("-./_@+~%*#".utf8)
        return byte >= 0x80 || UInt8(byte).isLetterOrDigit || marks.contains(UInt8(byte))
    }

    /// Whether the value of this key names a place.
    private static func isKey(_ text: TraceText, _ word: Range<Int>) -> Bool {
        OriginFields.name(of: String(decoding: text[word].prefix(64), as: UTF8.self), within: nil) != nil
    }

    /// The end of an IPv6 address or of the address of a network card, "fe80::1%eth0" and "52:54:00:12:34:56", if one
    /// begins here. An IPv6 address has eight groups, or two colons in a row; that of a network card has six groups of
    /// two digits. Without a letter it may be a time.
    private static func addressEnd(_ text: TraceText, _ range: Range<Int>) -> Int? {
        var (place, colons, isDouble) = (range.lowerBound, 0, false)
        while place < range.upperBound, case let byte = text[place], byte == UInt8(ascii: ":") || byte.isHexDigit {
            if byte == UInt8(ascii: ":") {
                colons += 1
                if place > range.lowerBound, text[place - 1] == byte { isDouble = true }
            }
            place += 1
        }
        guard isDouble || colons > 4 else { return nil }
        let groups = text[range.lowerBound..<place].split(separator: UInt8(ascii: ":"))
        guard isDouble || groups.count == 8 || (groups.count == 6 && groups.allSatisfy { $0.count == 2 }),
            groups.joined().contains(where: { $0.isLetter })
        else { return nil }
        guard place < range.upperBound, case let after = text[place], isPart[Int(after)] else { return place }
        // An interface may follow, or a port.
        guard after == UInt8(ascii: "%") else { return after == UInt8(ascii: ".") ? place : nil }
        while place < range.upperBound, isPart[Int(text[place])] { place += 1 }
        return place
    }

    /// Whether a word is an IPv4 address, "10.0.0.7", "/10.0.0.7" or "@10.0.0.7": it names a place although it has no
    /// letter.
    private static func isAddress(_ text: TraceText, _ word: Range<Int>) -> Bool {
        text[word].count { $0 == UInt8(ascii: ".") } == 3
            && text[word].allSatisfy { $0 &- 0x2e < 12 || $0 == UInt8(ascii: "@") }
    }

    /// "console.txt" of "console.txt-17-", with which `grep -n -C` begins a line of context; any other word as it is.
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

    /// Whether a word may differ between lines of one place. `before` and `after` are the bytes around it.
    private static func isVarying(_ text: TraceText, _ word: Range<Int>, before: UInt8, after: UInt8) -> Bool {
        let first = text[word.lowerBound]
        let digits = text[word].count { $0 &- 0x30 < 10 }
        if word.count == 1 {
            // A flag of /dev/kmsg ("4,519,15962815,c;"), a level (" E "), a part of a container's line (" stdout F ").
            // Any other word of one letter may be the name of a host.
            return before == UInt8(ascii: ",")
                || (before <= 0x20 && before != 0 && after == 0x20 && "iwefdvnp".utf8.contains(first | 0x20))
        }
        if first &- 0x30 < 10 {
            let letters = text[word].lazy.filter { $0.isLetter }.prefix(16)
            // "2025-11-25T19:51:59Z", "12:30PM", "15us" and "01E"; then "0x1f" and "25-Nov-2025".
            if letters.allSatisfy({ "tzampnusoe".utf8.contains($0 | 0x20) }) { return true }
            if first == 0x30, text[word.lowerBound + 1] | 0x20 == UInt8(ascii: "x") { return true }
            return letters.count == 3 && months.contains(String(decoding: letters.map { $0 | 0x20 }, as: UTF8.self))
        }
        if digits == word.count - 1 {
            // "[  T123]" of printk; "I1125 19:51:59" of klog.
            if after == UInt8(ascii: "]"), first == UInt8(ascii: "T") || first == UInt8(ascii: "C") { return true }
            if after == 0x20, digits == 4, "IWEF".utf8.contains(first) { return true }
        }
        guard word.count <= 32 else { return false }
        let name = String(decoding: text[word].map { $0.isLetter ? $0 | 0x20 : $0 }, as: UTF8.self)
        if names.contains(name) { return true }
        if after <= 0x20 || after == UInt8(ascii: ",") || after == UInt8(ascii: "]") {
            if months.contains(name) || days.contains(name) { return true }
        }
        // "CPU3" and "thread-12" differ from line to line, but "thread-12  | " is a container.
        let stem = name.drop { $0 == "#" }.prefix { $0 != "#" && $0 != "-" && !$0.isNumber }
        if stem == "cpu" { return true }
        guard stem.hasSuffix("thread") || name.has("-thread-") else { return false }
        return text[word.upperBound...].first { $0 != 0x20 } != UInt8(ascii: "|")
    }
}

extension UInt8 {
    fileprivate var isLetter: Bool { (self | 0x20) &- 0x61 < 26 }
    fileprivate var isHexDigit: Bool { self &- 0x30 < 10 || (self | 0x20) &- 0x61 < 6 }
    fileprivate var isLetterOrDigit: Bool { self &- 0x30 < 10 || isLetter }
}

/// A cache of prefixes and their hashes by `Origin`. Most prefixes differ from an earlier one only in the digits of
/// ignored words, and such a prefix has the same hash.
struct OriginForms: Sendable {
    private static let count = 8
    private static let wordLimit = 16

    /// Indexed by the length of a prefix: its bytes, and a mask of the bytes that may be any digit.
    private var words = [UInt64](repeating: 0, count: count * wordLimit)
    private var digits = [UInt64](repeating: 0, count: count * wordLimit)
    private var lengths = [Int](repeating: 0, count: count)
    private var hashes = [UInt32](repeating: 0, count: count)

    /// The same as `Origin.hash`.
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
            // "0x1f": with other digits a number in base 16 may be another kind of word, so its digits must not differ.
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

/// The places of the lines so far, and how often the place has changed.
struct Origins {
    private static let nameLimit = 8
    private static let marks = Array(":]|>;\"".utf8)

    /// The hash of the newest line's prefix, to compare the next one with. 0 where the next line must be examined in
    /// any case: at the start, and after a mark of a decoder.
    private(set) var hash: UInt32 = 0
    /// For each word of the current place, the hash of the words up to it. Nil before the first line.
    private var words: [UInt32]?
    /// Bytes of the prefix with which the current place began.
    private var prefixCount = 0
    /// Hashes of prefixes that began with the rest of another line and were seen once.
    private var joined: Set<UInt32> = []
    /// A part of a task's name may be in the prefixes.
    private var isLoose = false
    /// The name in the last mark of a decoder, and the name in the mark that was valid for the newest line of the
    /// trace.
    private var announced = ""
    private var named = ""
    /// The number of lines of each place by its name. At most `4 * nameLimit` names are kept.
    private var counts: [String: UInt64] = [:]
    /// The name of the current place, and the number of its first line.
    private var name = ""
    private var begin: UInt64 = 0
    /// How often the place has changed.
    private(set) var changes: UInt64 = 0

    /// Takes the prefix of line `number`, whose hash differs from `hash`. True when the line is of another place.
    /// - Parameters:
    ///   - isFrame: The line is a frame of a stack.
    ///   - isLoose: A part of a task's name may be in the prefix.
    ///   - extends: Further words of the prefix belong to the current place.
    mutating func isChange(
        _ text: TraceText, _ prefix: Range<Int>, number: UInt64, isFrame: Bool, isLoose: Bool, extends: Bool
    ) -> Bool {
        // "** 14 printk messages dropped ** " before a line is no place.
        if Notice.lostLines(text[prefix]) != nil { return false }
        self.isLoose = self.isLoose || isLoose
        var prefix = prefix
        if self.isLoose {
            let mark = prefix.last { Self.isMark(text, $0, in: prefix) }
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

    /// Whether the words before this byte are whole: a mark of a prefix is in no name of a task. A "-" of its own is the
    /// empty value of syslog (RFC 5424).
    private static func isMark(_ text: TraceText, _ place: Int, in prefix: Range<Int>) -> Bool {
        let byte = text[place]
        guard byte == UInt8(ascii: "-") else { return marks.contains(byte) || byte < 0x20 }
        let isEnd = place + 1 == prefix.upperBound || text[place + 1] == 0x20
        return isEnd && place > prefix.lowerBound && text[place - 1] == 0x20
    }

    private mutating func isSame(
        _ text: TraceText, _ prefix: Range<Int>, _ read: [UInt32], isFrame: Bool
    ) -> Bool {
        let words = words ?? []
        if read == words { return true }
        // Here it is enough that one list of words begins with the other one: words of a task's name may be in the
        // prefix, and any line with "=> " in it may be read as a frame.
        if isLoose || isFrame { return zip(read, words).allSatisfy { $0 == $1 } }
        // A journal prints the further lines of a record with blanks in place of the prefix.
        if read.isEmpty, !prefix.isEmpty, text[prefix].allSatisfy({ $0 <= 0x20 }) { return true }
        // Two lines were joined: "order=0 caller=get_futex_key+0x18d <4>web-1: app-123 …" has the rest of another line
        // before the known prefix "<4>web-1: ". This is an accident only once, so the same text a second time is another place.
        let begin = prefix.upperBound - prefixCount
        guard prefixCount > 0, begin > prefix.lowerBound, let last = read.last,
            Origin.hash(text, begin..<prefix.upperBound) == words.last ?? Origin.none,
            !Origin.isPart[Int(text[begin - 1])] || !Origin.isPart[Int(text[begin])]
        else { return false }
        return joined.count < 256 && joined.insert(last).inserted
    }

    /// For each word that may name the place, the hash of the words up to it; and the first two of these words.
    private static func read(_ text: TraceText, _ prefix: Range<Int>) -> ([UInt32], [String]) {
        var (read, names): ([UInt32], [String]) = ([], [])
        Origin.words(text, prefix) { word in
            read.append(Origin.mixed(read.last ?? Origin.none, text[word]))
            if names.count < 2 { names.append(String(decoding: text[word].prefix(64), as: UTF8.self)) }
        }
        return (read, names)
    }

    /// Counts the lines of the current place up to line `number`, which is not one of them.
    private mutating func count(to number: UInt64) {
        if counts[name] != nil || counts.count < 4 * Self.nameLimit {
            counts[name, default: 0] += number - begin
        }
        begin = number
    }

    /// Takes the mark of a decoder, "\u{1}place OLD NEW"; false for any other line.
    mutating func takeMark(_ line: Slice<TraceText>) -> Bool {
        guard line.starts(with: OriginFields.mark) else { return false }
        let names = line.dropFirst(OriginFields.mark.count).split(separator: 0x20)
            .map { String(decoding: $0, as: UTF8.self) }
        guard names.count == 2 else { return false }
        if announced.isEmpty {
            // The lines before the first mark are of the place OLD.
            if words != nil, name.isEmpty { name = names[0] }
            named = names[0]
        }
        (announced, hash) = (names[1], 0)
        return true
    }

    /// One line with the places and with what to do; nil for a text of one place. `number` is that of the last line.
    mutating func summary(to number: UInt64) -> String? {
        guard changes > 0 else { return nil }
        count(to: number + 1)
        // A place with one line is probably a line that was cut or joined.
        let known = counts.filter { $0.value > 1 }.map { $0.key.isEmpty ? "no name" : $0.key }.sorted()
        let names =
            known.prefix(Self.nameLimit).joined(separator: ", ") + (known.count > Self.nameLimit ? ", \u{2026}" : "")
        return
            "lines of several places\(names.isEmpty ? "" : " (\(names))") follow each other, and what happened on one explains nothing on another: \(counted(changes, "change")) of the place \(noun(changes, "ends", "end")) what was in progress; report each place by itself: `grep PLACE FILE | futexscope report -`"
    }
}

extension EventHead.Oddities {
    /// It is not certain where the prefix ends and the name of the task begins.
    static let uncertainName: EventHead.Oddities = [.isNameDoubtful, .isNameShort, .isPerf]
}

// SPDX-License-Identifier: Apache-2.0

// Lines that are no events but say something about the lines around them: some were lost, or another dump, trace or
// boot begins. Or a line is known to say nothing. The words are those of the kernel, of printk, and of the consoles and
// journals through which a dump may have come.

import Events

/// The meaning of a line that is no event.
enum Notice: Equatable {
    /// Events were lost in the kernel's trace buffer: their number, 1 where the line has none.
    case lostEvents(UInt64)
    /// Lines were lost by a console, a journal or another program between the kernel and the text: their number, 1
    /// where the line has none.
    case lostLines(UInt64)
    /// A dump or a boot begins, so no task or lookup continues from the lines before.
    case begin
    /// A known line of the kernel, of ftrace or of a log, without a meaning for lookups.
    case nothing

    /// Nil for a line of another program. `prefix` is the number of bytes that lines of the trace have before their
    /// head.
    init?(_ text: Slice<TraceText>, behind prefix: Int) {
        let body = text.dropFirst(prefix)
        let termsOfBody = Self.terms(text.base, body.indices)
        // A prefix may end within a word.
        let terms = prefix == 0 ? termsOfBody : termsOfBody.union(Self.terms(text.base, text.indices))
        if terms.isSuperset(of: [.lost, .event]), let count = Self.lostEvents(text) {
            self = .lostEvents(count)
        } else if terms.isSuperset(of: [.verb, .noun]),
            let count = Self.lostLines(body) ?? (body.count < prefix ? Self.lostLines(text) : nil)
        {
            // A short line may lack the prefix, and then its first bytes are words of the notice.
            self = .lostLines(count)
        } else if terms.contains(.begin), Self.isBegin(text) {
            self = .begin
        } else if (!termsOfBody.contains(.word) || termsOfBody.contains(.omission)) && Self.isGap(body)
            || terms.contains(.console) && Self.isBreak(body) || terms.contains(.work) && Self.isOverload(body)
            || (text.count < prefix + Self.shorter && Self.behindMarks(text).contains(where: Self.isGap))
        {
            self = .lostLines(1)
        } else if Self.isNothing(body), !body.isEmpty || !Self.behindMarks(text).contains(where: { $0.count > 1 }) {
            self = .nothing
        } else {
            return nil
        }
    }

    // MARK: Losses

    /// "CPU:1 [LOST 12 EVENTS]", "CPU:1 [12 EVENTS DROPPED]", "[12 events lost]", with anything before it.
    private static func lostEvents(_ text: Slice<TraceText>) -> UInt64? {
        let text = text.trimmed
        guard text.last == UInt8(ascii: "]"), let open = text.lastIndex(of: UInt8(ascii: "[")) else { return nil }
        let words = text[open...].dropFirst().dropLast().split(separator: 0x20)
        guard words.count <= 4, words.contains(where: { $0.isOne(of: lostWords) }),
            words.contains(where: { $0.isOne(of: eventWords) })
        else { return nil }
        return words.lazy.compactMap { UInt64(String(decoding: $0, as: UTF8.self)) }.first.map { max($0, 1) } ?? 1
    }

    /// How many lines were lost, according to a line that has one of `verbs` near one of `nouns`; nil for any other
    /// line.
    ///
    /// "** 14 printk messages dropped **", "Missed 3 kernel messages", "/dev/kmsg buffer overrun, some messages lost.",
    /// "Lost 5 message(s)!". The count is the number next to one of these words; 1 where there is none.
    static func lostLines(_ text: Slice<TraceText>) -> UInt64? {
        var verbs: [(place: Int, needsCount: Bool, needsPipe: Bool)] = []
        var nouns: [(place: Int, isPipe: Bool)] = []
        var numbers: [(place: Int, value: UInt64)] = []
        var place = 0
        var before: Slice<TraceText>?
        for word in text.prefix(512).split(whereSeparator: { !$0.isAlphanumeric }) {
            place += 1
            if let first = word.first, first &- 0x30 < 10 {
                if !isTime(word, in: text), let value = UInt64(String(decoding: word, as: UTF8.self)) {
                    numbers.append((place, value))
                }
            } else if word.isOne(of: Self.verbs) {
                verbs.append((place, word.isOne(of: ["more", "shown"]), word.isOne(of: ["broken"])))
                // "ttyS ttyS0: 14 input overrun(s)": a serial line lost characters.
                if let before, word.isOne(of: ["overrun", "overruns"]), before.isOne(of: conditionalNouns.lines) {
                    nouns.append((place - 1, false))
                }
            } else {
                let isOfTrace = before?.isOne(of: ["trace"]) ?? false
                let isPipe = word.isOne(of: ["kmsg"]) || (word.isOne(of: [conditionalNouns.pipe]) && isOfTrace)
                if isPipe || word.isOne(of: Self.nouns) { nouns.append((place, isPipe)) }
            }
            before = word
        }
        // A firewall prints "OUTPUT DROP IN= OUT=eth0" for a packet.
        guard !verbs.isEmpty, !nouns.isEmpty, text.place(of: Array(" OUT=".utf8)) == nil else { return nil }
        for verb in verbs {
            let near = nouns.filter { abs($0.place - verb.place) <= 5 && ($0.isPipe || !verb.needsPipe) }
            guard !near.isEmpty else { continue }
            // Of several numbers, the one that is nearest to verb and noun counts.
            func distance(_ place: Int) -> Int {
                abs(place - verb.place) + (near.map { abs($0.place - place) }.min() ?? 0)
            }
            let number = numbers.filter { number in
                abs(number.place - verb.place) == 1 || near.contains { abs($0.place - number.place) == 1 }
            }.min { distance($0.place) < distance($1.place) }
            if verb.needsCount, number == nil { continue }
            return max(number?.value ?? 1, 1)
        }
        return nil
    }

    /// Whether a number is a part of a time: "[   15.999999]", "19:51:59".
    private static func isTime(_ number: Slice<TraceText>, in text: Slice<TraceText>) -> Bool {
        let before = text[text.startIndex..<number.startIndex]
        if let mark = before.last, mark == UInt8(ascii: ".") || mark == UInt8(ascii: ":"),
            let digit = before.dropLast().last, digit &- 0x30 < 10
        {
            return true
        }
        let after = text[number.endIndex..<text.endIndex]
        if after.first == UInt8(ascii: "."), let digit = after.dropFirst().first, digit &- 0x30 < 10 { return true }
        guard text.first == UInt8(ascii: "["), let close = text.firstIndex(of: UInt8(ascii: "]")) else { return false }
        return number.startIndex < close
            && text[text.startIndex..<close].dropFirst().allSatisfy { $0 <= 0x20 || $0 &- 0x2e < 12 && $0 != 0x2f }
    }

    private static let scissors = ["8<", ">8", "✂"].map { Array($0.utf8) }
    private static let dots = ["...", "…", "[..]", ". . ."].map { Array($0.utf8) }

    /// Whether a person or a program has marked a place where lines were omitted: "...", "[…]", "[snip]", "--- 8< ---",
    /// or "--", which grep prints between groups of lines.
    private static func isGap(_ text: Slice<TraceText>) -> Bool {
        let text = text.trimmed
        let isLine = text.count <= 160 && !text.contains { $0.isAlphanumeric && $0 != UInt8(ascii: "8") }
        guard text.count <= 48 || isLine, text.count > 1 else { return false }
        if text.elementsEqual("--".utf8) { return true }
        let words = text.split { !$0.isAlphanumeric }.filter { $0.contains { $0 &- 0x30 >= 10 } }
        let hasDots = dots.contains { text.place(of: $0) != nil }
        if words.isEmpty {
            // No words, and perhaps a number.
            return text.contains { $0 &- 0x30 >= 10 }
                && (hasDots || text.starts(with: "@@ ".utf8) || scissors.contains { text.place(of: $0) != nil })
        }
        guard words.count <= 3 else { return false }
        // "[...14 lines...]", "(snip)", "-- 14 lines hidden --" and "--More--".
        let isEnclosed = zip("([<-".utf8, ")]>-".utf8).contains { text.first == $0 && text.last == $1 }
        return words.contains { $0.isOne(of: omissions.alone) }
            || (hasDots && words.contains { $0.isOne(of: omissions.dotted) })
            || (isEnclosed && words.contains { $0.isOne(of: omissions.enclosed) })
    }

    /// A mark of omitted lines may lack a part of the prefix, such as the kernel's time "[   15.867499] ", which only
    /// the kernel's own lines have. It is searched in lines of at most this many bytes more than the prefix.
    private static let shorter = 24

    /// The parts of a line behind each of its last six marks, the shortest first, and the whole line: "host kernel:
    /// ..." gives "..." and itself. A mark is a character with which a prefix can end.
    private static func behindMarks(_ text: Slice<TraceText>) -> [Slice<TraceText>] {
        let marks = text.indices.reversed().lazy.filter { place in
            text[place] == 0x09 || ":]|>;\"".utf8.contains(text[place])
        }
        return marks.prefix(6).map { text[($0 + 1)...].trimmed }.filter { !$0.isEmpty } + [text.trimmed]
    }

    /// "serial8250: too much work for irq4": the serial port may have lost characters.
    private static func isOverload(_ text: Slice<TraceText>) -> Bool {
        text.place(of: Array("too much work for irq".utf8)) != nil
    }

    /// How many lines were lost, according to a comment that is not one of ftrace's own, such as "# [12 lines
    /// omitted]".
    static func comment(_ text: Slice<TraceText>) -> UInt64? {
        let words = text.drop { $0 == UInt8(ascii: "#") }
        return lostEvents(words) ?? lostLines(words) ?? (isGap(words) || isBreak(words) ? 1 : nil)
    }

    /// Whether a line ends with a rule, "---------" or "=====", and has at most a prefix and a blank before it.
    static func isRule(_ text: Slice<TraceText>) -> Bool {
        let text = text.trimmed
        guard let last = text.last, last == UInt8(ascii: "-") || last == UInt8(ascii: "=") else { return false }
        let count = text.reversed().prefix { $0 == last }.count
        return count >= 3 && (count == text.count || text.dropLast(count).last.map { $0 <= 0x20 } ?? true)
    }

    /// Whether the console was not recorded for a while: "[-- Console down --]", "SOL session closed by BMC". Other
    /// sessions and connections do not matter.
    private static func isBreak(_ text: Slice<TraceText>) -> Bool {
        let words = text.prefix(96).split { !$0.isAlphanumeric }
        guard let noun = words.firstIndex(where: { $0.isOne(of: consoles) }) else { return false }
        return words[noun...].prefix(3).contains {
            $0.isOne(of: ["closed", "disconnected", "established", "down", "up"])
        }
    }

    // MARK: Begins and lines without a meaning

    /// "Dumping ftrace buffer:", "Dumping ftrace instance NAME buffer:"; the first line of `trace-cmd report`, "cpus=8"; or
    /// the first lines of a boot: "Linux version 6.12.1-amd64 (builder@host) (gcc …" of the kernel, "-- Boot …" and
    /// "-- Reboot --" of a journal.
    private static func isBegin(_ text: Slice<TraceText>) -> Bool {
        let range = text.startIndex..<text.endIndex
        if let place = text.base.find("Dumping ftrace ", in: range) {
            return text.base.find("buffer", in: place..<text.endIndex) != nil
        }
        if let place = text.base.find("Linux version ", in: range) {
            return text.base.find(" (", in: place..<text.endIndex) != nil
        }
        return ["-- Boot ", "-- Reboot --", "cpus="].contains { text.trimmed.starts(with: $0.utf8) }
    }

    /// Whether a known program prints such a line, and it says nothing about lost lines.
    private static func isNothing(_ text: Slice<TraceText>) -> Bool {
        // " SUBSYSTEM=pci": /dev/kmsg prints properties of a message below its text.
        if text.first == 0x20, case let name = text.dropFirst().prefix(while: { $0 &- 0x41 < 26 || $0 == 0x5f }),
            name.count > 2, text[name.endIndex...].first == UInt8(ascii: "=")
        {
            return true
        }
        let text = text.trimmed
        guard let last = text.last else { return true }
        // "---------------------------------", around a dump, behind any prefix.
        if last == UInt8(ascii: "-"), text.suffix(16).allSatisfy({ $0 == UInt8(ascii: "-") }), text.count >= 16 {
            return true
        }
        if text.starts(with: "version = ".utf8) || text.ends(with: "is empty")
            || text.ends(with: "(ftrace buffer empty)")
        {
            return true
        }
        // " 1)   0.123 us    |  foo();" of the function graph tracer.
        let digits = text.prefix { $0 &- 0x30 < 10 }
        if !digits.isEmpty, text[digits.endIndex...].first == UInt8(ascii: ")") { return true }
        // "   12.345 |   0)  app-123  |   0.123 us    |  foo();", the same with time and task.
        let columns = text.prefix(64).split(separator: UInt8(ascii: "|"), maxSplits: 2)
        if columns.count == 3, columns[0].allSatisfy({ $0 &- 0x30 < 10 || $0 == UInt8(ascii: ".") || $0 == 0x20 }),
            columns[1].drop(while: { $0 == 0x20 }).drop(while: { $0 &- 0x30 < 10 }).first == UInt8(ascii: ")")
        {
            return true
        }
        return text.allSatisfy { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "=") }
    }
}

extension Slice<TraceText> {
    /// The line without blanks and control characters at both ends.
    fileprivate var trimmed: Slice<TraceText> {
        var text = self
        while let first = text.first, first <= 0x20 { text = text.dropFirst() }
        while let last = text.last, last <= 0x20 { text = text.dropLast() }
        return text
    }

    fileprivate func ends(with word: String) -> Bool { suffix(word.utf8.count).elementsEqual(word.utf8) }

    /// Whether it is one of these lower-case words, in letters of either case.
    fileprivate func isOne(of words: [String]) -> Bool {
        words.contains { word in
            word.utf8.count == count && zip(self, word.utf8).allSatisfy { $0 | 0x20 == $1 }
        }
    }
}

extension UInt8 {
    fileprivate var isAlphanumeric: Bool { self &- 0x30 < 10 || (self | 0x20) &- 0x61 < 26 }
}

// SPDX-License-Identifier: Apache-2.0

// Lines that are no events but say something about the lines around them: that some were lost, that another dump, trace
// or boot begins, or nothing at all. The words are those of the kernel, of printk, and of the consoles and journals
// through which a dump may have come.

/// What a line without an event says.
enum Notice: Equatable {
    /// Events were lost in the kernel's trace buffer: how many, 1 where it is not said.
    case lostEvents(UInt64)
    /// Lines were lost by a console, a journal or something else that the text has passed through.
    case lostLines(UInt64)
    /// A dump, or another boot, begins: nothing goes on from the lines before.
    case begin
    /// A part of ordinary output that says nothing of futexes.
    case nothing

    /// Nil for a line that belongs to something else.
    init?(_ text: Slice<TraceText>) {
        if let count = Self.lostEvents(text) {
            self = .lostEvents(count)
        } else if let count = Self.lostLines(text) {
            self = .lostLines(count)
        } else if Self.isBegin(text) {
            self = .begin
        } else if Self.isNothing(text) {
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
        guard words.count <= 4, words.contains(where: { $0.isOne(of: ["lost", "dropped"]) }),
            words.contains(where: { $0.isOne(of: ["events", "event"]) })
        else { return nil }
        return words.lazy.compactMap { UInt64(String(decoding: $0, as: UTF8.self)) }.first.map { max($0, 1) } ?? 1
    }

    private static let verbs = [
        "lost", "lose", "dropped", "drop", "missed", "suppressed", "overrun", "overflow", "overflowed", "discarded",
        "truncated",
    ]
    private static let nouns = [
        "message", "messages", "printk", "kmsg", "line", "lines", "record", "records", "entries", "events", "log",
        "output",
    ]

    /// "** 14 printk messages dropped **", "Missed 3 kernel messages", "/dev/kmsg buffer overrun, some messages lost.",
    /// "Lost 5 message(s)!": whatever says that lines were lost. The count stands next to one of these words; 1 where
    /// there is none.
    static func lostLines(_ text: Slice<TraceText>) -> UInt64? {
        var (verb, noun, number): (Int?, Int?, (place: Int, value: UInt64)?)
        var candidates: [(place: Int, value: UInt64)] = []
        var place = 0
        for word in text.prefix(512).split(whereSeparator: { !$0.isAlphanumeric }) {
            place += 1
            if let first = word.first, first &- 0x30 < 10 {
                if let value = UInt64(String(decoding: word, as: UTF8.self)) { candidates.append((place, value)) }
            } else if verb == nil, word.isOne(of: verbs) {
                verb = place
            } else if noun == nil, word.isOne(of: nouns) {
                noun = place
            }
        }
        guard let verb, let noun, abs(verb - noun) <= 5 else { return nil }
        // Of several the one that is nearest to both.
        func distance(_ place: Int) -> Int { abs(place - verb) + abs(place - noun) }
        number = candidates.filter { abs($0.place - verb) == 1 || abs($0.place - noun) == 1 }
            .min { distance($0.place) < distance($1.place) }
        return max(number?.value ?? 1, 1)
    }

    // MARK: The others

    /// "Dumping ftrace buffer:", "Dumping ftrace instance NAME buffer:", and the marks of a boot.
    private static func isBegin(_ text: Slice<TraceText>) -> Bool {
        let range = text.startIndex..<text.endIndex
        if let place = text.base.find("Dumping ftrace ", in: range) {
            return text.base.find("buffer", in: place..<text.endIndex) != nil
        }
        return text.base.find("Linux version ", in: range) != nil || text.starts(with: "-- Boot ".utf8)
            || text.starts(with: "-- Reboot --".utf8)
    }

    private static func isNothing(_ text: Slice<TraceText>) -> Bool {
        let text = text.trimmed
        guard let last = text.last else { return true }
        // The lines around a dump, behind whatever a console puts before them.
        if last == UInt8(ascii: "-"), text.suffix(16).allSatisfy({ $0 == UInt8(ascii: "-") }), text.count >= 16 {
            return true
        }
        let known = ["cpus=", "version = "].contains { text.starts(with: $0.utf8) }
        if known || text.ends(with: "is empty") || text.ends(with: "(ftrace buffer empty)") { return true }
        // " 1)   0.123 us    |  foo();" of the function graph tracer, and its heads.
        let digits = text.prefix { $0 &- 0x30 < 10 }
        if !digits.isEmpty, text[digits.endIndex...].first == UInt8(ascii: ")") { return true }
        return text.allSatisfy { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "=") }
    }
}

extension Slice<TraceText> {
    /// Without blanks and control characters at both ends.
    fileprivate var trimmed: Slice<TraceText> {
        var text = self
        while let first = text.first, first <= 0x20 { text = text.dropFirst() }
        while let last = text.last, last <= 0x20 { text = text.dropLast() }
        return text
    }

    fileprivate func ends(with word: String) -> Bool { suffix(word.utf8.count).elementsEqual(word.utf8) }

    /// Whether it is one of these words, in letters of either case.
    fileprivate func isOne(of words: [String]) -> Bool {
        words.contains { word in
            word.utf8.count == count && zip(self, word.utf8).allSatisfy { $0 | 0x20 == $1 }
        }
    }
}

extension UInt8 {
    fileprivate var isAlphanumeric: Bool { self &- 0x30 < 10 || (self | 0x20) &- 0x61 < 26 }
}

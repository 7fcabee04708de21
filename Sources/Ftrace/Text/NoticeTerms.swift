// SPDX-License-Identifier: Apache-2.0

// The words that notices consist of. Most lines of other programs have none of them. One pass over a line finds that
// out, so that the careful reading in Notice.swift is done for few lines.

extension Notice {
    /// Which of these words a line has.
    struct Terms: OptionSet {
        let rawValue: UInt32

        /// Words that say that something was lost, in any form; and words for what was lost, or where.
        static let verb = Terms(rawValue: 1 << 0)
        static let noun = Terms(rawValue: 1 << 1)
        /// Words with which people and programs mark omitted lines.
        static let omission = Terms(rawValue: 1 << 2)
        static let console = Terms(rawValue: 1 << 3)
        /// Words of the lines with which a boot, a dump or a report begins.
        static let begin = Terms(rawValue: 1 << 4)
        static let work = Terms(rawValue: 1 << 5)
        /// Any word with a letter.
        static let word = Terms(rawValue: 1 << 6)
        /// "lost" or "dropped", and "event" or "events".
        static let lost = Terms(rawValue: 1 << 7)
        static let event = Terms(rawValue: 1 << 8)
    }

    static let verbs = [
        "lost", "lose", "dropped", "drop", "dropping", "missed", "suppressed", "overrun", "overruns", "overflow",
        "overflowed", "discarded", "discarding", "truncated", "truncating", "skipped", "skipping", "omitted", "elided",
        "exceeded", "exceeds", "repeated", "broken", "more", "shown",
    ]
    static let nouns = [
        "message", "messages", "printk", "kmsg", "line", "lines", "record", "records", "entries", "events", "log",
        "output", "callbacks", "chunks", "backlog", "kb", "bytes", "logs",
    ]
    /// Words that are nouns behind or before some other words only: "trace pipe", "input overrun".
    static let conditionalNouns = (pipe: "pipe", lines: ["input", "fifo"])
    /// Words of a mark of omitted lines: alone, beside dots, and in brackets.
    static let omissions = (
        alone: ["snip", "snipped", "truncated", "omitted", "elided", "skipped"], dotted: ["lines", "more", "cut"],
        enclosed: ["cut", "deleted", "removed", "more", "trimmed", "hidden", "collapsed"]
    )
    static let consoles = ["console", "sol"]
    static let lostWords = ["lost", "dropped"]
    static let eventWords = ["events", "event"]

    private static let known: [(term: Terms, words: [String])] = [
        (.verb, verbs), (.noun, nouns + conditionalNouns.lines + [conditionalNouns.pipe]),
        (.omission, omissions.alone + omissions.dotted + omissions.enclosed), (.console, consoles),
        (.begin, ["ftrace", "version", "boot", "reboot", "cpus"]), (.work, ["work"]), (.lost, lostWords),
        (.event, eventWords),
    ]

    /// Terms by the hash of their word. Two words may have one place; then a line is read carefully without need.
    private static let table: [Terms] = {
        var table = [Terms](repeating: [], count: 1 << tableBits)
        for (term, words) in known {
            for word in words { table[place(of: word.utf8.reduce(seed) { mixed($0, $1) })].insert(term) }
        }
        return table
    }()
    private static let tableBits = 12
    private static let seed: UInt32 = 0x811c_9dc5

    @inline(__always)
    private static func mixed(_ hash: UInt32, _ byte: UInt8) -> UInt32 { (hash ^ UInt32(byte)) &* 0x0100_0193 }

    @inline(__always)
    private static func place(of hash: UInt32) -> Int { Int((hash &* 0x9e37_79b9) >> UInt32(32 - tableBits)) }

    /// Letters in lower case and digits as they are, by each byte; 0 for any other byte.
    private static let folded: [UInt8] = (0...255).map { (byte: UInt8) in
        byte &- 0x30 < 10 ? byte : (byte | 0x20) &- 0x61 < 26 ? byte | 0x20 : 0
    }

    /// The terms of a part of a line; it may have fewer than that.
    static func terms(_ text: TraceText, _ range: Range<Int>) -> Terms {
        var terms: Terms = []
        let (table, folded) = (Self.table.span, Self.folded.span)
        var hash = seed
        var (hasLetter, isInWord) = (false, false)
        for position in range {
            let byte = folded[Int(text[position])]
            if byte != 0 {
                hash = mixed(hash, byte)
                hasLetter = hasLetter || byte >= 0x61
                isInWord = true
            } else if isInWord {
                if hasLetter { terms.formUnion(table[place(of: hash)].union(.word)) }
                (hash, hasLetter, isInWord) = (seed, false, false)
            }
        }
        if hasLetter { terms.formUnion(table[place(of: hash)].union(.word)) }
        return terms
    }
}

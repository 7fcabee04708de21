// SPDX-License-Identifier: Apache-2.0

// The heads of lines, as far as they are known: everything before the time, and how the time is written. Only the
// digits of the time are read.

/// Heads of lines, and where the time is in them.
struct HeadForms: Sendable {
    private static let count = 64

    private struct Form {
        /// Bytes before the time.
        var time = 0
        /// Digits before and behind the point.
        var seconds = 0
        var fraction = 0
        /// The seconds of the newest line, as they stand there, and in nanoseconds: lines of one second come in a row.
        var latest: UInt64 = 0
        var latestNs: UInt64 = 0
        var event = EventHead()
    }
    private var patterns = Patterns<3>(count: count)
    private var forms = Array(repeating: Form(), count: count)

    /// A line's head that is known.
    struct Match {
        fileprivate var place: Int
        fileprivate var time: UInt64
        /// Behind the colon of the time.
        var end: Int
    }

    /// Stores the task and the time, with which the hash of the event is complete.
    @inline(__always)
    func store(_ match: Match, in line: inout TraceLine) {
        let event = forms[match.place].event
        // Field by field: a copy of all of it and then a write of the time takes longer.
        line.head = EventHead(
            tid: event.tid, tgid: event.tgid, isInterrupt: event.isInterrupt, oddities: event.oddities,
            comm: event.comm, time: match.time)
        line.hash.add(line.head)
    }

    /// By the columns of the task's number.
    @inline(__always)
    private static func place(_ text: TraceText, _ begin: Int) -> Int {
        text.word(at: begin + 16).place(among: count)
    }

    @inline(__always)
    mutating func match(_ text: TraceText, _ body: Range<Int>) -> Match? {
        guard body.count > 16 else { return nil }
        let place = Self.place(text, body.lowerBound)
        let length = patterns.lengths[place]
        guard length < body.count, patterns.match(text, at: body.lowerBound, place) else { return nil }
        let seconds = forms[place].seconds
        let time = body.lowerBound &+ forms[place].time
        let word = text.word(at: time, count: seconds)
        if word != forms[place].latest || word == 0 {
            guard let whole = EightBytes(word).decimal(exactly: seconds) else { return nil }
            (forms[place].latest, forms[place].latestNs) = (word, whole &* 1_000_000_000)
        }
        let fraction = text.word(at: time &+ seconds &+ 1)
        var nanoseconds: UInt64
        if forms[place].fraction == 6 {
            guard let microseconds = EightBytes(fraction).decimal(exactly: 6) else { return nil }
            nanoseconds = microseconds &* 1000
        } else {
            let first = fraction & 0xff &- 0x30
            guard first < 10, let last = EightBytes(text.word(at: time &+ seconds &+ 2)).decimal(exactly: 8) else {
                return nil
            }
            nanoseconds = first &* 100_000_000 &+ last
        }
        return Match(place: place, time: forms[place].latestNs &+ nanoseconds, end: body.lowerBound &+ length)
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
            patterns.learn(text, body.lowerBound..<head.timeEnd, at: place, without: digits.map(\.indices))
        else { return false }
        forms[place] = Form(
            time: head.time - body.lowerBound, seconds: digits[0].count, fraction: digits[1].count,
            event: head.event)
        return true
    }
}

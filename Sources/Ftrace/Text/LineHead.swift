// SPDX-License-Identifier: Apache-2.0

// The head of a line of a trace: task, processor, context, time and the event's name, as kernels, trace-cmd and perf
// print it. Logs and consoles put something before each line. No list says what: the task's number is found by what
// must follow it, and the name has a fixed number of columns before that. The name may hold any byte.

import Events

/// What stands before an event's arguments.
struct LineHead {
    /// Times are microseconds times a thousand where the text has no nanoseconds.
    var event = EventHead()
    /// Where the columns of the task's name begin. Whatever stands before them is no part of the trace's line.
    var begin = 0
    /// Name of the event without its group and its colon; empty where there is none, as for the function tracer.
    var name: Range<Int> = 0..<0
    /// Where its arguments begin.
    var arguments = 0
    /// Where its time begins. From `begin` to here all lines of a task are the same, on one processor and in one
    /// context.
    var time = 0
    /// Behind the colon that ends it.
    var timeEnd = 0
    /// How many columns the task's name has, where the line has all of them; else 0.
    var columns = 0
}

extension LineHead {
    /// Bytes before the task's number in which a line may have something that is not the trace's.
    private static let prefixLimit = 1024
    /// Columns of a task's name with processors in brackets, and in the latency format.
    private static let (wide, narrow) = (16, 8)

    /// Finds the head of a line of a trace in `range`, whatever stands before it there. Nil when there is none.
    ///
    /// The kernel and trace-cmd print a name in a fixed number of columns, so that the number of the task says where
    /// the line begins.
    init?(_ bytes: TraceText, _ range: Range<Int>) {
        for columns in [Self.wide, Self.narrow] {
            let dash = range.lowerBound + columns
            if dash < range.upperBound, bytes[dash] == UInt8(ascii: "-"),
                let head = Self.read(bytes, range, dash: dash), head.columns == columns, head.begin == range.lowerBound
            {
                self = head
                return
            }
        }
        var found: LineHead?
        var position = range.lowerBound
        var limit = min(range.upperBound, range.lowerBound + Self.prefixLimit)
        while position < limit, let dash = bytes.first("-", in: position..<limit) {
            position = dash + 1
            guard let head = Self.read(bytes, range, dash: dash) else { continue }
            // A name can look like a head. It ends before the true one, which is the last within its columns.
            if found == nil { limit = min(limit, dash + Self.wide) }
            found = head
        }
        guard let found = found ?? Self.readPerf(bytes, range) ?? Self.readPerfWithoutCPU(bytes, range) else {
            return nil
        }
        self = found
    }

    private static func read(_ bytes: TraceText, _ range: Range<Int>, dash: Int) -> LineHead? {
        // " -1/-1" of perf is no task's name with a number.
        if dash >= range.lowerBound + 4, bytes[(dash - 4)..<dash].elementsEqual(" -1/".utf8) { return nil }
        var head = LineHead()
        var scanner = Scanner(bytes: bytes, position: dash + 1, end: range.upperBound)
        guard let tid = scanner.decimal(), let id = UInt32(exactly: tid), scanner.skipBlanks() else { return nil }
        head.event.tid = id
        if scanner.take("(") {
            _ = scanner.skipBlanks()
            head.event.tgid = scanner.decimal().flatMap(UInt32.init(exactly:))
            guard scanner.skip(to: ")", within: 16) else { return nil }
            _ = scanner.skipBlanks()
        }
        let isBracketed = scanner.take("[")
        guard scanner.decimal() != nil else { return nil }
        if isBracketed {
            guard scanner.take("]"), scanner.skipBlanks() else { return nil }
            if !scanner.isAtDigit { guard scanner.context(&head.event) else { return nil } }
        } else {
            guard scanner.context(&head.event) else { return nil }
        }
        guard head.readTime(&scanner) else { return nil }
        head.columns = isBracketed ? wide : narrow
        head.readTask(bytes, range, end: dash)
        if head.columns == 0 { head.event.oddities.insert(.isNameShort) }
        return head
    }

    /// A line of `perf script`: "comm   218 [001]   907.507163:   group:event: …", the process before the thread or
    /// not.
    private static func readPerf(_ bytes: TraceText, _ range: Range<Int>) -> LineHead? {
        let limit = min(range.upperBound, range.lowerBound + prefixLimit)
        var position = range.lowerBound
        while position < limit, let bracket = bytes.first("[", in: position..<limit) {
            position = bracket + 1
            var scanner = Scanner(bytes: bytes, position: bracket + 1, end: range.upperBound)
            guard let cpu = scanner.decimal(), cpu < 1 << 20, scanner.take("]"), scanner.skipBlanks(),
                scanner.isAtDigit, bracket > range.lowerBound, bytes[bracket - 1] == 0x20
            else { continue }
            var head = LineHead()
            var end = bracket
            while end > range.lowerBound, bytes[end - 1] == 0x20 { end -= 1 }
            guard head.readPerfTask(bytes, range, end: end, &scanner) else { continue }
            return head
        }
        return nil
    }

    /// The same without the processor, as `-F` of perf may leave it out: "comm   218   907.507163: group:event: …". Only
    /// perf prints the group.
    private static func readPerfWithoutCPU(_ bytes: TraceText, _ range: Range<Int>) -> LineHead? {
        let limit = min(range.upperBound, range.lowerBound + prefixLimit)
        var position = range.lowerBound
        while position < limit, let point = bytes.first(".", in: position..<limit) {
            position = point + 1
            var time = point
            while time > range.lowerBound, bytes[time - 1] &- 0x30 < 10 { time -= 1 }
            var end = time
            while end > range.lowerBound, bytes[end - 1] == 0x20 { end -= 1 }
            guard time < point, end < time else { continue }
            var head = LineHead()
            var scanner = Scanner(bytes: bytes, position: time, end: range.upperBound)
            guard head.readPerfTask(bytes, range, end: end, &scanner) else { continue }
            // A group, or a stack, which has no name of an event.
            let isEvent =
                head.name.isEmpty
                ? bytes[head.arguments..<range.upperBound].starts(with: "<stack trace>".utf8)
                : bytes[head.name.lowerBound - 1] == UInt8(ascii: ":")
            guard isEvent else { continue }
            return head
        }
        return nil
    }

    /// The task before `end`, and the time and the name at the scanner.
    private mutating func readPerfTask(
        _ bytes: TraceText, _ range: Range<Int>, end: Int, _ scanner: inout Scanner
    ) -> Bool {
        var end = end
        guard let tid = Self.perfNumber(bytes, endingAt: &end, from: range.lowerBound) else { return false }
        event.tid = tid
        if end > range.lowerBound, bytes[end - 1] == UInt8(ascii: "/") {
            end -= 1
            guard let pid = Self.perfNumber(bytes, endingAt: &end, from: range.lowerBound) else { return false }
            event.tgid = pid
        }
        guard end > range.lowerBound, bytes[end - 1] == 0x20, readTime(&scanner), !event.oddities.contains(.isCount)
        else { return false }
        while end > range.lowerBound, bytes[end - 1] == 0x20 { end -= 1 }
        // Where no name is left, this is the rest of a line that was cut within the task's number.
        guard end > range.lowerBound, !bytes[end - 1].isMark else { return false }
        event.oddities.insert(.isPerf)
        readTask(bytes, range, end: end)
        return true
    }

    /// A task's number; the largest one, which no task has, for the -1 that perf prints of a task that is gone.
    private static func perfNumber(_ bytes: TraceText, endingAt end: inout Int, from begin: Int) -> UInt32? {
        guard let number = bytes.number(endingAt: &end, from: begin) else { return nil }
        guard number == 1, end - begin >= 2, bytes[end - 1] == UInt8(ascii: "-"),
            bytes[end - 2] == 0x20 || bytes[end - 2] == UInt8(ascii: "/")
        else { return number }
        end -= 1
        return .max
    }

    /// The time and what follows it.
    private mutating func readTime(_ scanner: inout Scanner) -> Bool {
        time = scanner.position
        guard let time = scanner.time(oddities: &event.oddities) else { return false }
        event.time = time
        timeEnd = scanner.position
        scanner.skipBlanksAndColours()
        // What `trace-cmd report --ts-diff` puts here: the time since the line before.
        let begin = scanner.position
        if scanner.take("("), scanner.take("+"), scanner.decimal() != nil, scanner.take(")") {
            _ = scanner.skipBlanks()
        } else {
            scanner.position = begin
            // The period, which perf may print here.
            if scanner.decimal() == nil || !scanner.skipBlanks() { scanner.position = begin }
        }
        scanner.name(&self)
        return true
    }

    /// The task's name, which ends at `end`.
    private mutating func readTask(_ bytes: TraceText, _ range: Range<Int>, end: Int) {
        begin = range.lowerBound
        if columns > 0 {
            begin = max(begin, end - columns)
            if end - begin < columns { columns = 0 }
        }
        var first = begin
        while first < end, bytes[first] == 0x20 || (columns == 0 && bytes[first] == 0x09) { first += 1 }
        if event.oddities.contains(.isPerf) {
            readPerfName(bytes, &first, end: end)
        } else {
            if columns == 0, first > range.lowerBound, bytes[first - 1] == 0x09 { event.oddities.insert(.isTabbed) }
            readName(bytes, range, &first, end: end)
        }
        guard event.comm != .nameless else { return }
        if end - first > 15 {
            // Still longer than a name can be: where it begins is not known.
            event.comm = .nameless
            return
        }
        let length = end - first
        event.comm = Comm(
            low: bytes.word(at: first, count: length), high: bytes.word(at: first + 8, count: length - 8))
    }
    /// Where a name begins that has columns.
    private mutating func readName(_ bytes: TraceText, _ range: Range<Int>, _ first: inout Int, end: Int) {
        let hasMark = (first..<max(first, end - 1)).contains { bytes[$0].isMark && bytes[$0 + 1] == 0x20 }
        let blanks = first - begin
        // A name has fifteen bytes at most, so that a blank begins the wide columns of any. Where there is none, or
        // where a mark and a blank stand in columns that are full, blanks were taken away and something else is in them.
        let isDoubtful =
            switch columns {
            case Self.wide: blanks == 0 || (blanks == 1 && hasMark && begin > range.lowerBound)
            case Self.narrow: hasMark && blanks < 2
            default: end - first > 15 || hasMark
            }
        guard isDoubtful else { return }
        event.oddities.insert(.isNameDoubtful)
        // Where no word goes on into the columns, all of it may be a name.
        let isWord = begin > range.lowerBound && bytes[begin - 1] > 0x20 && bytes[begin] > 0x20
        if columns == Self.narrow ? !isWord : blanks == 1 { event.comm = .nameless }
        takeLastWord(bytes, &first, end: end)
        columns = 0
    }

    /// Where a name of perf begins, which has no columns, so that nothing but what is in it says that.
    private mutating func readPerfName(_ bytes: TraceText, _ first: inout Int, end: Int) {
        if let mark = (first..<end).last(where: { bytes[$0] < 0x20 || bytes[$0] == UInt8(ascii: "\"") }) {
            first = mark + 1
        }
        while first < end - 1, [UInt8(ascii: "+"), UInt8(ascii: ">"), 0x20].contains(bytes[first]) { first += 1 }
        begin = first
        guard end - first > 15 else {
            // The name of a file may stand before it, or it may have a mark in it.
            if (first..<end - 1).contains(where: { bytes[$0].isMark }) { event.oddities.insert(.isNameMarked) }
            return
        }
        event.oddities.insert(.isNameDoubtful)
        takeLastWord(bytes, &first, end: end)
        // A name may have blanks and marks in it, and so begin before its last word.
        let isAmbiguous = (max(end - 15, 1)..<max(first, end - 15)).contains { place in
            bytes[place] > 0x20 && (bytes[place - 1] <= 0x20 || bytes[place - 1].isMark)
        }
        if isAmbiguous { event.comm = .nameless }
    }

    /// Takes what stands behind the last blank, or behind a mark where that is longer than a name can be.
    private mutating func takeLastWord(_ bytes: TraceText, _ first: inout Int, end: Int) {
        var place = end
        while place > first, bytes[place - 1] != 0x20 { place -= 1 }
        // No name is as long as that: what ends with a mark stands before it.
        if end - place > 15, let mark = (place..<end - 1).last(where: { bytes[$0].isMark }) { place = mark + 1 }
        (first, begin) = (place, place)
    }
}

extension EventHead.Oddities {
    /// A tabulator stands in place of the blanks before the name.
    static let isTabbed = EventHead.Oddities(rawValue: 16)
    /// A name of perf has a mark in it, with which something else may end that stands before it.
    static let isNameMarked = EventHead.Oddities(rawValue: 32)
}

extension UInt8 {
    /// A mark with which the things end that logs put before a line.
    var isMark: Bool {
        switch Unicode.Scalar(self) {
        case ":", "]", ";", ">", "|", ",": true
        default: false
        }
    }
}

/// Goes over the bytes of one line from left to right.
struct Scanner {
    let bytes: TraceText
    var position: Int
    let end: Int

    @inline(__always) var current: UInt8? { position < end ? bytes[position] : nil }
    @inline(__always) var isAtDigit: Bool { position < end && bytes[position] &- 0x30 < 10 }

    @inline(__always)
    mutating func take(_ byte: Unicode.Scalar) -> Bool {
        guard position < end, bytes[position] == UInt8(ascii: byte) else { return false }
        position += 1
        return true
    }

    /// Blanks and whatever control characters stand there; false when there was none.
    @inline(__always)
    mutating func skipBlanks() -> Bool {
        let begin = position
        while position < end {
            let blanks = EightBytes(bytes.word(at: position)).blanks
            position += blanks
            if blanks < 8 { break }
        }
        position = min(position, end)
        return position > begin
    }

    /// Goes to the next blank or control character, or to such a byte before it. Lines are alike, so that a
    /// processor foresees where words end: looking at eight bytes at once would be slower than at one.
    @inline(__always)
    mutating func skipWord(to byte: Unicode.Scalar? = nil) {
        let stop = byte.map { UInt8(ascii: $0) } ?? 0x20
        while position < end, case let byte = bytes[position], byte > 0x20, byte != stop { position += 1 }
    }

    mutating func skip(to byte: Unicode.Scalar, within count: Int) -> Bool {
        let limit = min(end, position + count)
        while position < limit {
            position += 1
            if bytes[position - 1] == UInt8(ascii: byte) { return true }
        }
        return false
    }

    /// An unsigned number; one that is too large wraps around.
    @inline(__always)
    mutating func decimal() -> UInt64? {
        guard isAtDigit else { return nil }
        let first = EightBytes(bytes.word(at: position)).decimal(atMost: end - position)
        position += first.count
        var value = first.value
        while first.count == 8, isAtDigit {
            value = value &* 10 &+ UInt64(bytes[position] &- 0x30)
            position += 1
        }
        return value
    }

    /// "d..2.": interrupts, need to reschedule, kind of interrupt, depths.
    mutating func context(_ head: inout EventHead) -> Bool {
        let begin = position
        skipWord()
        guard 4...8 ~= position - begin, (begin..<position).allSatisfy({ bytes[$0].isContext }) else { return false }
        switch bytes[begin + 2] {
        case UInt8(ascii: "h"), UInt8(ascii: "H"), UInt8(ascii: "s"), UInt8(ascii: "z"), UInt8(ascii: "Z"):
            head.isInterrupt = true
        default: break
        }
        return skipBlanks()
    }

    /// "12.345678:", "12.345678901:", "12345us+:" or a plain count, as nanoseconds.
    @inline(__always)
    mutating func time(oddities: inout EventHead.Oddities) -> UInt64? {
        guard let whole = decimal() else { return nil }
        if take(".") {
            let digits = EightBytes(bytes.word(at: position)).decimal(atMost: end - position)
            position += digits.count
            var fraction = digits.value
            if digits.count == 8, isAtDigit {
                fraction = fraction &* 10 &+ UInt64(bytes[position] &- 0x30)
                // What is smaller than a nanosecond.
                while isAtDigit { position += 1 }
            } else {
                for _ in digits.count..<9 { fraction &*= 10 }
            }
            return take(":") ? whole &* 1_000_000_000 &+ fraction : nil
        }
        if take("u") {
            guard take("s") else { return nil }
            // A mark says how long the next event takes to come.
            if !take(":") {
                position += 1
                guard take(":") else { return nil }
            }
            return whole &* 1000
        }
        oddities.insert(.isCount)
        return take(":") ? whole : nil
    }

    /// The event's name up to a colon, without the group that `perf script` puts before it.
    mutating func name(_ head: inout LineHead) {
        let line = position
        var begin = line
        skipWord(to: ":")
        while position + 1 < end, bytes[position] == UInt8(ascii: ":"), bytes[position + 1] > 0x20 {
            position += 1
            begin = position
            skipWord(to: ":")
        }
        if position < end, bytes[position] == UInt8(ascii: ":") {
            head.name = begin..<position
            position += 1
            skipBlanksAndColours()
        } else {
            position = line
            head.name = line..<line
        }
        head.arguments = position
    }
}

extension UInt8 {
    /// Whether the kernel prints such a character among those for the context of an event.
    fileprivate var isContext: Bool {
        switch Unicode.Scalar(self) {
        case ".", "#", "0"..."9", "A"..."Z", "a"..."z": true
        default: false
        }
    }
}

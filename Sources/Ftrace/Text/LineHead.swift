// SPDX-License-Identifier: Apache-2.0

// The head of a line of a trace: task, processor, context, time and the event's name, as kernels, trace-cmd and perf
// print it. Such as "           app-123     [001] d..2.    12.345678: fs_pin: ". Logs and consoles print a prefix of
// any form before it. So the head is found from the task's number: the text after the number has a fixed form, and the
// task's name has a fixed number of columns before it. The name may hold any byte.

import Events

/// What stands before an event's arguments.
struct LineHead {
    /// Its time is in nanoseconds. Where the text has only microseconds, it is a multiple of 1000.
    var event = EventHead()
    /// Where the columns of the task's name begin. The bytes before them are the prefix of a log.
    var begin = 0
    /// Name of the event without its group and its colon; empty where there is none, as for the function tracer.
    var name: Range<Int> = 0..<0
    /// Where its arguments begin.
    var arguments = 0
    /// Where its time begins. From `begin` to here all lines of a task are the same, on one processor and in one
    /// context.
    var time = 0
    /// Behind the colon that ends the time.
    var timeEnd = 0
    /// Number of columns of the task's name, if the line has all of them; else 0.
    var columns = 0
}

extension LineHead {
    /// Bytes from the begin of the line in which the task's number is searched.
    private static let prefixLimit = 1024
    /// Columns of a task's name: 16 in "             app-123     [001] d..2. 12.345678: ", 8 in the latency format
    /// "     app-123       1d..2. 12345us : ".
    private static let (wide, narrow) = (16, 8)

    /// Finds the head of a line of a trace in `range`, behind a prefix of any form. Nil when there is none.
    ///
    /// The kernel and trace-cmd print a name in a fixed number of columns. So the task's number shows where the head
    /// begins.
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
            // A task may be named "a-1 [0] 1.2: x", which has the form of a head. The true head follows within the
            // columns of such a name, so the last one counts.
            if found == nil { limit = min(limit, dash + Self.wide) }
            found = head
        }
        guard let found = found ?? Self.readPerf(bytes, range) ?? Self.readPerfWithoutCPU(bytes, range) else {
            return nil
        }
        self = found
    }

    private static func read(_ bytes: TraceText, _ range: Range<Int>, dash: Int) -> LineHead? {
        // " -1/-1", as perf prints it for a task that has ended, is not a name with a number.
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

    /// A line of `perf script`: "comm   218 [001]   907.507163:   group:event: …". A process may stand before the
    /// thread: "comm   210/218 [001] …".
    private static func readPerf(_ bytes: TraceText, _ range: Range<Int>) -> LineHead? {
        let limit = min(range.upperBound, range.lowerBound + prefixLimit)
        var position = range.lowerBound
        while position < limit, let bracket = bytes.first("[", in: position..<limit) {
            position = bracket + 1
            var scanner = Scanner(bytes: bytes, position: bracket + 1, end: range.upperBound)
            guard let cpu = scanner.decimal(), cpu < 1 << 20, scanner.take("]"), scanner.skipBlanks(),
                scanner.skipMode(), scanner.isAtDigit, bracket > range.lowerBound, bytes[bracket - 1] == 0x20
            else { continue }
            var head = LineHead()
            var end = bracket
            while end > range.lowerBound, bytes[end - 1] == 0x20 { end -= 1 }
            guard head.readPerfTask(bytes, range, end: end, &scanner) else { continue }
            return head
        }
        return nil
    }

    /// A line of `perf script` without the processor, which `-F` can omit: "comm   218   907.507163: group:event: …".
    /// The group is required here, because only perf prints it.
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
            // `perf script -L` prints the processor here and the thread before it: two numbers, which a name that ends
            // with a number may have too.
            let words = bytes[range.lowerBound..<end].split(separator: 0x20)
            if words.count > 2, words.suffix(2).allSatisfy({ $0.allSatisfy { $0 &- 0x2f < 11 } }) { continue }
            var head = LineHead()
            var scanner = Scanner(bytes: bytes, position: time, end: range.upperBound)
            guard head.readPerfTask(bytes, range, end: end, &scanner) else { continue }
            // The line of a stack has no name of an event, and so no group.
            let isEvent =
                head.name.isEmpty
                ? bytes[head.arguments..<range.upperBound].starts(with: "<stack trace>".utf8)
                : bytes[head.name.lowerBound - 1] == UInt8(ascii: ":")
            guard isEvent else { continue }
            return head
        }
        return nil
    }

    /// Reads the task, which ends at `end`, and the time and the event's name, which begin at the scanner's position.
    /// False when something else is there.
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
        while end > range.lowerBound, bytes[end - 1] == 0x20 || bytes[end - 1] == 0x09 { end -= 1 }
        // Without a name before the number, this is the rest of a line that was cut within the number.
        guard end > range.lowerBound, !bytes[end - 1].isMark else { return false }
        event.oddities.insert(.isPerf)
        readTask(bytes, range, end: end)
        return true
    }

    /// The number of a task. For a task that has ended perf prints -1: this is the largest number, which no task has.
    private static func perfNumber(_ bytes: TraceText, endingAt end: inout Int, from begin: Int) -> UInt32? {
        guard let number = bytes.number(endingAt: &end, from: begin) else { return nil }
        guard number == 1, end - begin >= 2, bytes[end - 1] == UInt8(ascii: "-"),
            bytes[end - 2] == 0x20 || bytes[end - 2] == UInt8(ascii: "/")
        else { return number }
        end -= 1
        return .max
    }

    /// Reads the time, what may follow it, and the event's name. False when there is no time.
    private mutating func readTime(_ scanner: inout Scanner) -> Bool {
        time = scanner.position
        guard let time = scanner.time(oddities: &event.oddities) else { return false }
        event.time = time
        timeEnd = scanner.position
        scanner.skipBlanksAndColours()
        // `trace-cmd report --ts-diff` prints the time since the previous line here: "12.345678: (+15) ".
        let begin = scanner.position
        if scanner.take("("), scanner.take("+"), scanner.decimal() != nil, scanner.take(")") {
            _ = scanner.skipBlanks()
        } else {
            scanner.position = begin
            // perf may print the period of the event here: "907.507163:          1 group:event: ".
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
            readPerfName(bytes, range, &first, end: end)
        } else {
            if columns == 0, first > range.lowerBound, bytes[first - 1] == 0x09 { event.oddities.insert(.isTabbed) }
            readName(bytes, range, &first, end: end)
        }
        guard event.comm != .nameless else { return }
        if end - first > 15 {
            // Longer than a name can be, so its begin is not known.
            event.comm = .nameless
            return
        }
        let length = end - first
        event.comm = Comm(
            low: bytes.word(at: first, count: length), high: bytes.word(at: first + 8, count: length - 8))
    }

    /// Moves `first` to the begin of a name that has columns. The name is doubtful where a prefix may be in the
    /// columns: a log that removes blanks turns "host: " and "             app-123" into "host: app-123".
    private mutating func readName(_ bytes: TraceText, _ range: Range<Int>, _ first: inout Int, end: Int) {
        let hasMark = (first..<max(first, end - 1)).contains { bytes[$0].isMark && bytes[$0 + 1] == 0x20 }
        let blanks = first - begin
        // Where blanks were removed, a prefix such as "Nov 25 19:51:59 " or "12:" looks like a part of the name. Before
        // the columns there is no other blank then, while a prefix that a log puts before a whole line ends with one.
        let isSqueezed =
            columns == 0
            || (blanks == 1 && begin > range.lowerBound && bytes[begin - 1] > 0x20 && !bytes[begin - 1].isMark)
        let isOpen =
            isSqueezed && end - first <= 15 && !hasMark
            && (first..<end).contains { bytes[$0] == 0x20 || bytes[$0].isMark || bytes[$0].isQuote }
        // A name has at most fifteen bytes, so the sixteen wide columns always begin with a blank. Blanks were removed
        // where that blank is missing, or where full columns hold a mark and a blank.
        let isDoubtful =
            switch columns {
            case Self.wide: blanks == 0 || (blanks == 1 && hasMark && begin > range.lowerBound)
            case Self.narrow: hasMark && blanks < 2
            default: end - first > 15 || hasMark
            }
        guard isDoubtful || isOpen else { return }
        event.oddities.insert(.isNameDoubtful)
        if isOpen { event.comm = .nameless }
        // A word that continues from before the columns is a prefix. Else all of the columns may be the name, so the
        // name is not known.
        let isWord = begin > range.lowerBound && bytes[begin - 1] > 0x20 && bytes[begin] > 0x20
        if columns == Self.narrow ? !isWord : blanks == 1 { event.comm = .nameless }
        takeLastWord(bytes, &first, end: end)
        if first < end, bytes[first].isQuote { event.comm = .nameless }
        columns = 0
    }

    /// Moves `first` to the begin of a name of perf. Such a name has no columns, so only its bytes show where it
    /// begins: of "console.txt:app" the name may be "app" or all.
    private mutating func readPerfName(_ bytes: TraceText, _ range: Range<Int>, _ first: inout Int, end: Int) {
        // A mark at its end is a part of the name.
        let body = first..<max(first, end - 1)
        if let mark = body.last(where: { bytes[$0] < 0x20 || bytes[$0].isQuote }) { first = mark + 1 }
        let isBare = first == range.lowerBound
        while first < end - 1, [UInt8(ascii: "+"), UInt8(ascii: ">"), 0x20].contains(bytes[first]) { first += 1 }
        // perf puts a name into columns only where no stack follows, so blanks alone are no prefix.
        if bytes[begin..<first].contains(where: { $0 != 0x20 }) { begin = first }
        guard end - first > 15 else {
            // The part before the mark may be the name of a file, or the mark may belong to the task's name.
            // Without the blanks of its column, "web-1 app" may be a host and a name.
            let isMarked = (first..<max(first, end - 1)).contains {
                bytes[$0].isMark || (isBare && bytes[$0] == 0x20)
            }
            if isMarked { event.oddities.insert(.isNameMarked) }
            return
        }
        event.oddities.insert(.isNameDoubtful)
        takeLastWord(bytes, &first, end: end)
        // A name may have blanks and marks in it, so it may begin before its last word.
        let isAmbiguous = (max(end - 15, 1)..<max(first, end - 15)).contains { place in
            bytes[place] > 0x20 && (bytes[place - 1] <= 0x20 || bytes[place - 1].isMark)
        }
        if isAmbiguous { event.comm = .nameless }
    }

    /// Moves `first` and `begin` behind the last blank, or behind the last mark where that word is longer than a name
    /// can be: to "app" in "log of host: app" and in "/var/log/console.txt:app".
    private mutating func takeLastWord(_ bytes: TraceText, _ first: inout Int, end: Int) {
        var place = end
        while place > first, bytes[place - 1] != 0x20 { place -= 1 }
        // Longer than a name can be, so it begins with a prefix that ends with a mark.
        if end - place > 15, let mark = (place..<end - 1).last(where: { bytes[$0].isMark }) { place = mark + 1 }
        (first, begin) = (place, place)
    }
}

extension EventHead.Oddities {
    /// A tabulator stands in place of the blanks before the name.
    static let isTabbed = EventHead.Oddities(rawValue: 16)
    /// A name of perf has a mark in it, such as "console.txt:app": a prefix may end with that mark.
    static let isNameMarked = EventHead.Oddities(rawValue: 32)
}

extension UInt8 {
    /// A quotation mark, or the mark of code in a document.
    fileprivate var isQuote: Bool {
        self == UInt8(ascii: "\"") || self == UInt8(ascii: "'") || self == UInt8(ascii: "`")
    }

    /// A mark: one of the characters with which prefixes end, as in "host: " and "[   12.345678] ".
    var isMark: Bool {
        switch Unicode.Scalar(self) {
        case ":", "]", ";", ">", "|", ",": true
        default: false
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

// The head of a line of a trace: task, processor, context, time and the event's name, in the three layouts
// that kernels and trace-cmd print. The task's name may hold any byte, so the layouts' fixed columns are
// tried before anything is searched for.

import Events

/// What stands before an event's arguments.
struct LineHead {
    /// Times are microseconds times a thousand where the text has no nanoseconds.
    var event = EventHead()
    /// Name of the event without its colon; empty where there is none, as for the function tracer.
    var name: Range<Int> = 0..<0
    /// Where its arguments begin.
    var arguments = 0
    /// Where its time begins. What stands before is the same in all lines of a task, on one processor and in
    /// one context.
    var time = 0
    /// Behind the colon that ends it.
    var timeEnd = 0
    /// The column in which the task's name ends, where the layouts have it; else 0.
    var column = 0
}

extension LineHead {
    /// Reads the head of the line in `range`, which must not hold what a console puts before it. Nil when
    /// it is no line of a trace.
    init?(_ bytes: TraceText, _ range: Range<Int>) {
        // The name of a task is set in sixteen columns, or cut to eight in the latency format.
        for column in [16, 8] {
            let dash = range.lowerBound + column
            if dash < range.upperBound, bytes[dash] == UInt8(ascii: "-"),
                let head = Self.read(bytes, range, dash: dash)
            {
                self = head
                self.column = column
                return
            }
        }
        // A line end or a wide character in the name moves the columns. The last place that fits is the
        // real one: what a task puts into its name stands before it.
        var found: LineHead?
        var dash = range.lowerBound
        let limit = min(range.upperBound, range.lowerBound + 48)
        while dash < limit {
            if bytes[dash] == UInt8(ascii: "-"), let head = Self.read(bytes, range, dash: dash) { found = head }
            dash += 1
        }
        guard let found else { return nil }
        self = found
    }

    private static func read(_ bytes: TraceText, _ range: Range<Int>, dash: Int) -> LineHead? {
        var begin = range.lowerBound
        while begin < dash, bytes[begin] == UInt8(ascii: " ") { begin += 1 }
        var head = LineHead()
        let length = min(dash - begin, 15)
        head.event.comm = Comm(
            low: bytes.word(at: begin, count: length), high: bytes.word(at: begin + 8, count: length - 8))
        var scanner = Scanner(bytes: bytes, position: dash + 1, end: range.upperBound)
        guard let tid = scanner.decimal(), let id = UInt32(exactly: tid), scanner.skipBlanks() else { return nil }
        head.event.tid = id
        if scanner.take("(") {
            _ = scanner.skipBlanks()
            head.event.tgid = scanner.decimal().flatMap(UInt32.init(exactly:))
            guard scanner.skip(to: ")", within: 16) else { return nil }
            _ = scanner.skipBlanks()
        }
        if scanner.take("[") {
            guard scanner.decimal() != nil, scanner.take("]"), scanner.skipBlanks() else { return nil }
            if !scanner.isAtDigit { guard scanner.context(&head.event) else { return nil } }
        } else {
            guard scanner.decimal() != nil, scanner.context(&head.event) else { return nil }
        }
        head.time = scanner.position
        guard let time = scanner.time() else { return nil }
        head.event.time = time
        head.timeEnd = scanner.position
        _ = scanner.skipBlanks()
        scanner.name(&head)
        return head
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
        guard 4...8 ~= position - begin else { return false }
        switch bytes[begin + 2] {
        case UInt8(ascii: "h"), UInt8(ascii: "H"), UInt8(ascii: "s"), UInt8(ascii: "z"), UInt8(ascii: "Z"):
            head.isInterrupt = true
        default: break
        }
        return skipBlanks()
    }

    /// "12.345678:", "12.345678901:", "12345us+:" or a plain count, as nanoseconds.
    @inline(__always)
    mutating func time() -> UInt64? {
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
        return take(":") ? whole : nil
    }

    mutating func name(_ head: inout LineHead) {
        let begin = position
        skipWord(to: ":")
        if position < end, bytes[position] == UInt8(ascii: ":") {
            head.name = begin..<position
            position += 1
            _ = skipBlanks()
        } else {
            position = begin
            head.name = begin..<begin
        }
        head.arguments = position
    }
}

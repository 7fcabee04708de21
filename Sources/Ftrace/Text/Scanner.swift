// SPDX-License-Identifier: Apache-2.0

// The parts of a line, read from left to right: blanks, words, numbers, the context of an event, its time and its name.
// A method that finds something else leaves the position where it stopped; the caller then gives up or goes back.

/// The bytes of one line and a position in them. Nothing from `end` on is read as a part of the line.
struct Scanner {
    let bytes: TraceText
    var position: Int
    let end: Int

    @inline(__always) var current: UInt8? { position < end ? bytes[position] : nil }
    @inline(__always) var isAtDigit: Bool { position < end && bytes[position] &- 0x30 < 10 }

    /// Skips the modes of `perf script -F +misc`, such as "K " or "UH ", and the blanks behind them. True where something
    /// follows.
    mutating func skipMode() -> Bool {
        while position < end, "KUHGgEMSDCPF".utf8.contains(bytes[position]) { position += 1 }
        _ = skipBlanks()
        return position < end
    }

    @inline(__always)
    mutating func take(_ byte: Unicode.Scalar) -> Bool {
        guard position < end, bytes[position] == UInt8(ascii: byte) else { return false }
        position += 1
        return true
    }

    /// Skips blanks and control characters; false when there are none.
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

    /// Goes to the next blank or control character, or to `byte` if that comes first. One byte at a time: lines are
    /// alike, so the processor predicts where words end, and a comparison of eight bytes at once is slower.
    @inline(__always)
    mutating func skipWord(to byte: Unicode.Scalar? = nil) {
        let stop = byte.map { UInt8(ascii: $0) } ?? 0x20
        while position < end, case let byte = bytes[position], byte > 0x20, byte != stop { position += 1 }
    }

    /// Goes behind the next `byte`; false when it is not among the next `count` bytes.
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

    /// The context of an event and the blanks after it: "d..2." has interrupts, need to reschedule, kind of interrupt
    /// and depths.
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

    /// "12.345678:", "12.345678901:" or "12345us+:", in nanoseconds; "12345:", a count of another clock, as it is. Nil
    /// for anything else.
    @inline(__always)
    mutating func time(oddities: inout EventHead.Oddities) -> UInt64? {
        guard let whole = decimal() else { return nil }
        if take(".") {
            let digits = EightBytes(bytes.word(at: position)).decimal(atMost: end - position)
            position += digits.count
            var fraction = digits.value
            if digits.count == 8, isAtDigit {
                fraction = fraction &* 10 &+ UInt64(bytes[position] &- 0x30)
                // Digits beyond the nanosecond.
                while isAtDigit { position += 1 }
            } else {
                for _ in digits.count..<9 { fraction &*= 10 }
            }
            return take(":") ? whole &* 1_000_000_000 &+ fraction : nil
        }
        if take("u") {
            guard take("s") else { return nil }
            // "12345us+:": one character shows that the time to the next event is long.
            if !take(":") {
                position += 1
                guard take(":") else { return nil }
            }
            return whole &* 1000
        }
        oddities.insert(.isCount)
        return take(":") ? whole : nil
    }

    /// The event's name up to a colon, without the group that `perf script` prints before it: "fs_pin" of
    /// "futexscope:fs_pin:". The name is empty where no colon ends the word.
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
    /// Whether the kernel prints this character in the context of an event.
    fileprivate var isContext: Bool {
        switch Unicode.Scalar(self) {
        case ".", "#", "0"..."9", "A"..."Z", "a"..."z": true
        default: false
        }
    }
}

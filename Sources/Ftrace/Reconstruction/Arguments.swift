// SPDX-License-Identifier: Apache-2.0

// The arguments of an event: values by key; and how they stand in a text, as `name=value` after the address in
// parentheses that probes print first. Names are compared as numbers of eight bytes; a value that is no number,
// such as "(fault)", is not there.

import Events

/// The arguments that the reader asks for. They are many and stay where they are.
struct Arguments: ~Copyable {
    enum Key: Int, CaseIterable {
        case uaddr, fshared, flags, write, address, ret, page, mapping, reserved, swapcache, swapback
        case large, order, base, zero, hugezero, index, referenc, dev, inode, size, magic, mode, offset
        case length, advice, pfn, ofs
    }

    /// A place for each key.
    private var values = [UInt64](repeating: 0, count: keyCount)
    private static let keyCount = 28
    /// A bit for each key, and two for the caller.
    private var present: UInt32 = 0
    private static let callerKnown: UInt32 = 1 << 30
    private static let callerIsFutex: UInt32 = 1 << 31

    /// Whether the call came from get_futex_key(); nil when the trace does not name the caller.
    var isFutexCall: Bool? {
        get { present & Self.callerKnown != 0 ? present & Self.callerIsFutex != 0 : nil }
        set {
            present &= ~(Self.callerKnown | Self.callerIsFutex)
            if let newValue { present |= Self.callerKnown | (newValue ? Self.callerIsFutex : 0) }
        }
    }

    /// As it stands, a negative number in two's complement.
    @inline(__always)
    subscript(_ key: Key) -> UInt64? {
        get { present & (1 << key.rawValue) != 0 ? values[key.rawValue] : nil }
        set {
            values[key.rawValue] = newValue ?? 0
            present = newValue == nil ? present & ~(1 << key.rawValue) : present | 1 << key.rawValue
        }
    }
    func isSet(_ key: Key) -> Bool { (self[key] ?? 0) != 0 }

    mutating func removeAll() { present = 0 }

    // MARK: In little room

    /// Which of them there are; `pack` has their values.
    var packedKeys: UInt32 { present }
    /// How many values these keys have.
    static func count(of keys: UInt32) -> Int { (keys & ((1 << UInt32(keyCount)) - 1)).nonzeroBitCount }

    /// Appends the values of those that there are.
    @inline(__always)
    func pack(into values: inout [UInt64]) {
        var left = present & ((1 << UInt32(Self.keyCount)) - 1)
        while left != 0 {
            values.append(self.values[left.trailingZeroBitCount])
            left &= left &- 1
        }
    }

    /// Takes what `pack` has made of others, from `place` on; `keys` are those that they had.
    @inline(__always)
    mutating func unpack(_ keys: UInt32, _ values: [UInt64], at place: Int) {
        present = keys & (Self.callerKnown | Self.callerIsFutex | (1 << UInt32(Self.keyCount)) - 1)
        var (left, place) = (keys & ((1 << UInt32(Self.keyCount)) - 1), place)
        while left != 0 {
            self.values[left.trailingZeroBitCount] = values[place]
            (left, place) = (left & (left &- 1), place + 1)
        }
    }

    /// A name counts with its first eight bytes.
    static func pack(_ name: String) -> UInt64 {
        name.utf8.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension Arguments {
    /// Adds those of event `name` that stand in `range`, from behind the colon to the end of the line. `found` gets
    /// the numbers among the values, also of arguments that nobody asks for.
    mutating func read(
        _ text: TraceText, _ range: Range<Int>, of name: EventName, names: KnownNames, found: (NumberInLine) -> Void
    ) {
        var scanner = Scanner(bytes: text, position: range.lowerBound, end: range.upperBound)
        if scanner.current == UInt8(ascii: "(") { scanner.skipPlace() }
        if name == .removal, let file = scanner.file() {
            (self[.dev], self[.inode]) = (UInt64(file.device), file.inode)
        }
        while scanner.position < scanner.end {
            _ = scanner.skipBlanks()
            guard let word = scanner.key() else { continue }
            if word == Self.caller {
                isFutexCall = scanner.isFutexFunction()
                continue
            }
            let key = names.argument(word)
            let begin = scanner.position
            if let number = scanner.number() {
                found(
                    NumberInLine(
                        key: key, range: number.digits, isHexadecimal: number.isHexadecimal,
                        isNegative: number.isNegative))
                if let key { self[key] = number.value }
            }
            // Names may stand in a value that nobody asks for.
            if key == nil { scanner.position = begin }
        }
    }

    private static let caller = pack("caller")
}

extension Scanner {
    /// "dev 254:16 ino c ", as the kernel's own tracepoint of the page cache begins; nil, and nowhere in particular,
    /// for anything else.
    mutating func file() -> FileID? {
        guard word("dev"), let major = decimal(), take(":"), let minor = decimal(), major < 1 << 12,
            minor < 1 << 20, skipBlanks(), word("ino"), let inode = hexadecimal()
        else { return nil }
        return FileID(device: UInt32(major << 20 | minor), inode: inode)
    }

    /// Exactly this word and the blanks behind it.
    private mutating func word(_ text: String) -> Bool {
        let length = text.utf8.count
        guard position + length < end, bytes[position..<position + length].elementsEqual(text.utf8) else {
            return false
        }
        position += length
        return skipBlanks()
    }

    /// "(get_futex_key+0x5/0x620 [module] <- futex_wake)": up to the parenthesis that ends it.
    mutating func skipPlace() {
        position = bytes.first(")", in: position..<end).map { $0 + 1 } ?? end
    }

    /// The first eight bytes of a name that a "=" follows, and goes behind it; nil for any other word.
    mutating func key() -> UInt64? {
        let begin = position
        skipWord(to: "=")
        let length = position - begin
        return take("=") ? bytes.word(at: begin, count: length) : nil
    }

    /// A number in decimal or hexadecimal notation, up to the next blank or comma; where there is none the word is
    /// passed over.
    mutating func number() -> (value: UInt64, digits: Range<Int>, isHexadecimal: Bool, isNegative: Bool)? {
        let isNegative = take("-")
        let isHexadecimal =
            position + 2 < end && bytes[position] == UInt8(ascii: "0")
            && bytes[position + 1] | 0x20 == UInt8(ascii: "x")
        if isHexadecimal { position += 2 }
        let begin = position
        guard let magnitude = isHexadecimal ? hexadecimal() : decimal(),
            position == end || bytes[position] <= 0x20 || bytes[position] == UInt8(ascii: ",")
        else {
            skipWord()
            return nil
        }
        return (isNegative ? 0 &- magnitude : magnitude, begin..<position, isHexadecimal, isNegative)
    }

    /// At most sixteen digits.
    @inline(__always)
    mutating func hexadecimal() -> UInt64? {
        let first = EightBytes(bytes.word(at: position)).hexadecimal(atMost: end - position)
        position += first.count
        guard first.count == 8 else { return first.count > 0 ? first.value : nil }
        let second = EightBytes(bytes.word(at: position)).hexadecimal(atMost: end - position)
        position += second.count
        if second.count == 8, position < end, EightBytes(UInt64(bytes[position])).hexadecimal(atMost: 1).count > 0 {
            return nil
        }
        return first.value << UInt64(4 * second.count) | second.value
    }

    /// Whether the symbol here is get_futex_key; nil when it is no symbol but an address.
    mutating func isFutexFunction() -> Bool? {
        let begin = position
        let length = 13
        skipWord()
        guard begin < position, bytes[begin] &- 0x30 >= 10 else { return nil }
        guard position - begin >= length, bytes[begin..<begin + length].elementsEqual("get_futex_key".utf8)
        else { return false }
        guard position - begin > length else { return true }
        let next = bytes[begin + length]
        return next == UInt8(ascii: "+") || next == UInt8(ascii: ".") || next == UInt8(ascii: "/")
    }
}

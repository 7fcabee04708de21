// The arguments of an event: values by key. In a text they stand as `name=value` after the address in
// parentheses that probes print first. Names are compared as numbers of eight bytes; a value that is no number,
// such as "(fault)", is not there.

import Events

/// The arguments that the reader asks for.
struct Arguments {
    enum Key: Int, CaseIterable {
        case uaddr, fshared, flags, write, address, ret, page, mapping, reserved, swapcache, swapback
        case large, order, base, zero, hugezero, index, referenc, dev, inode, size, magic, mode, offset
        case length, advice, pfn, ofs
    }

    private var values = InlineArray<28, UInt64>(repeating: 0)
    private var present: UInt32 = 0
    /// Whether the call came from get_futex_key(); nil when the text does not name the caller.
    var isFutexCall: Bool?

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

    mutating func removeAll() { (present, isFutexCall) = (0, nil) }
}

extension Arguments {
    /// Reads those of event `name` from `position` to the end of the line.
    init(_ bytes: TraceText, from position: Int, to end: Int, of name: EventName, names: KnownNames) {
        var scanner = Scanner(bytes: bytes, position: position, end: end)
        if name == .removal, let file = scanner.file() {
            (self[.dev], self[.inode]) = (UInt64(file.device), file.inode)
        }
        if scanner.current == UInt8(ascii: "(") { scanner.skipPlace() }
        while scanner.position < end {
            _ = scanner.skipBlanks()
            guard let key = scanner.key() else { continue }
            if key == Self.caller {
                isFutexCall = scanner.isFutexFunction()
            } else if let key = names.argument(key), let value = scanner.number() {
                self[key] = value
            }
        }
    }

    /// A name counts with its first eight bytes.
    static func pack(_ name: String) -> UInt64 {
        name.utf8.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
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

    /// A number in decimal or hexadecimal notation, up to the next blank.
    mutating func number() -> UInt64? {
        let isNegative = take("-")
        var value: UInt64 = 0
        let begin = position
        if position + 2 < end, bytes[position] == UInt8(ascii: "0"), bytes[position + 1] | 0x20 == UInt8(ascii: "x") {
            position += 2
            guard let digits = hexadecimal() else { return noNumber() }
            value = digits
        } else {
            guard let digits = decimal() else { return noNumber() }
            value = digits
        }
        guard position > begin, position == end || bytes[position] <= 0x20 || bytes[position] == UInt8(ascii: ",")
        else { return noNumber() }
        return isNegative ? 0 &- value : value
    }

    /// At most sixteen digits.
    mutating func hexadecimal() -> UInt64? {
        let begin = position
        var value: UInt64 = 0
        while position + 8 <= end, let digits = HexDigits.eight(bytes.word(at: position)) {
            value = value << 32 | digits
            position += 8
        }
        while position < end, let digit = HexDigits.one(bytes[position]) {
            value = value << 4 | digit
            position += 1
        }
        return position > begin && position - begin <= 16 ? value : nil
    }

    private mutating func noNumber() -> UInt64? {
        skipWord()
        return nil
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

/// Hexadecimal digits, eight at a time: addresses are most of a trace.
private enum HexDigits {
    private static let ones: UInt64 = 0x0101_0101_0101_0101

    static func one(_ byte: UInt8) -> UInt64? {
        if byte &- 0x30 < 10 { return UInt64(byte &- 0x30) }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? UInt64(letter) + 10 : nil
    }

    /// The value of eight digits, the first the lowest byte; nil when one of them is none.
    static func eight(_ word: UInt64) -> UInt64? {
        // The top bit of each byte says no. 0 to 9 for a digit; 1 to 6 for a letter, large or small. A byte whose
        // own top bit is set may carry into those behind it, and is no digit itself.
        let digit = word ^ ones &* 0x30
        let letter = (word | ones &* 0x20) ^ ones &* 0x60
        let isNoDigit = digit &+ ones &* 0x76
        let isNoLetter = (letter &+ ones &* 0x79) | ~(letter &+ ones &* 0x7f)
        guard (isNoDigit & isNoLetter | word) & (ones &* 0x80) == 0 else { return nil }
        var nibbles = ((word & (ones &* 0x0f)) &+ (word >> 6 & ones) &* 9).byteSwapped
        nibbles = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff
        nibbles = (nibbles | nibbles >> 8) & 0x0000_ffff_0000_ffff
        return (nibbles | nibbles >> 16) & 0xffff_ffff
    }
}

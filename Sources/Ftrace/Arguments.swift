// The arguments of an event, `name=value` after the address in parentheses that probes print first. Names
// are compared as numbers of eight bytes; a value that is no number, such as "(fault)", is not there.

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
    private(set) var isFutexCall: Bool?

    /// As it stands, a negative number in two's complement.
    subscript(_ key: Key) -> UInt64? { present & (1 << key.rawValue) != 0 ? values[key.rawValue] : nil }
    func isSet(_ key: Key) -> Bool { (self[key] ?? 0) != 0 }

    private mutating func set(_ key: Key, _ value: UInt64) {
        values[key.rawValue] = value
        present |= 1 << key.rawValue
    }

    /// Reads them from `position` to the end of the line.
    init(_ bytes: [UInt8], from position: Int, to end: Int) {
        var scanner = Scanner(bytes: bytes, position: position, end: end)
        if scanner.current == UInt8(ascii: "(") { scanner.skipPlace() }
        while scanner.position < end {
            _ = scanner.skipBlanks()
            guard let key = scanner.key() else { continue }
            if key == Self.caller {
                isFutexCall = scanner.isFutexFunction()
            } else if let key = Self.key(key), let value = scanner.number() {
                set(key, value)
            }
        }
    }

    // MARK: Names

    private static func pack(_ name: String) -> UInt64 { name.utf8.prefix(8).reduce(0) { $0 << 8 | UInt64($1) } }
    private static let caller = pack("caller")

    /// Names and keys; a name counts with its first eight bytes.
    private static let keys: [(UInt64, Key)] = Key.allCases.map { (pack("\($0)"), $0) }

    private static func key(_ packed: UInt64) -> Key? {
        for (name, key) in keys where name == packed { return key }
        return nil
    }
}

extension Scanner {
    /// "(get_futex_key+0x5/0x620 [module] <- futex_wake)": up to the parenthesis that ends it.
    mutating func skipPlace() {
        while position < end, bytes[position] != UInt8(ascii: ")") { position += 1 }
        position = min(position + 1, end)
    }

    /// The first eight bytes of a name that a "=" follows, and goes behind it; nil for any other word.
    mutating func key() -> UInt64? {
        var packed: UInt64 = 0
        let begin = position
        while position < end, case let byte = bytes[position], byte > 0x20 {
            if byte == UInt8(ascii: "=") {
                position += 1
                return packed
            }
            if position - begin < 8 { packed = packed << 8 | UInt64(byte) }
            position += 1
        }
        return nil
    }

    /// A number in decimal or hexadecimal notation, up to the next blank.
    mutating func number() -> UInt64? {
        let isNegative = take("-")
        var value: UInt64 = 0
        let begin = position
        if position + 2 < end, bytes[position] == UInt8(ascii: "0"), bytes[position + 1] | 0x20 == UInt8(ascii: "x") {
            position += 2
            guard let digits = hexadecimal() else { return skipWord() }
            value = digits
        } else {
            guard let digits = decimal() else { return skipWord() }
            value = digits
        }
        guard position > begin, position == end || bytes[position] <= 0x20 || bytes[position] == UInt8(ascii: ",")
        else { return skipWord() }
        return isNegative ? 0 &- value : value
    }

    mutating func hexadecimal() -> UInt64? {
        let begin = position
        var value: UInt64 = 0
        while position < end {
            let byte = bytes[position]
            let digit = byte &- 0x30 < 10 ? byte &- 0x30 : (byte | 0x20) &- 0x61 &+ 10
            guard digit < 16, byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 6 else { break }
            value = value << 4 | UInt64(digit)
            position += 1
        }
        return position > begin && position - begin <= 16 ? value : nil
    }

    private mutating func skipWord() -> UInt64? {
        while position < end, bytes[position] > 0x20 { position += 1 }
        return nil
    }

    /// Whether the symbol here is get_futex_key; nil when it is no symbol but an address.
    mutating func isFutexFunction() -> Bool? {
        let begin = position
        let length = 13
        while position < end, bytes[position] > 0x20 { position += 1 }
        guard begin < position, bytes[begin] &- 0x30 >= 10 else { return nil }
        guard position - begin >= length, bytes[begin..<begin + length].elementsEqual("get_futex_key".utf8)
        else { return false }
        guard position - begin > length else { return true }
        let next = bytes[begin + length]
        return next == UInt8(ascii: "+") || next == UInt8(ascii: ".") || next == UInt8(ascii: "/")
    }
}

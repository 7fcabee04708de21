// SPDX-License-Identifier: Apache-2.0

// How arguments stand in a text: as `name=value` after the place in parentheses that a probe prints first. Names are
// compared as numbers of eight bytes. A value that is no number, such as "(fault)", is not there.

import Events

/// Where a line has a number that is an argument's value.
struct NumberInLine {
    var key: Arguments.Key?
    /// Of its digits.
    var range: Range<Int>
    var isHexadecimal: Bool
    var isNegative: Bool
}

extension Arguments {
    /// Adds those of event `name` that stand in `range`, from behind the colon to the end of the line. `found` gets
    /// the numbers among the values, including those of arguments that are not needed.
    ///
    /// An event of the recipe has nothing but arguments there: whatever else there is came from another layer, such as
    /// a console that joins lines, and then the rest of the line is not read.
    mutating func read(
        _ text: TraceText, _ range: Range<Int>, of name: EventName, names: KnownNames, found: (NumberInLine) -> Void
    ) {
        var scanner = Scanner(bytes: text, position: range.lowerBound, end: range.upperBound)
        let place = scanner.position
        if scanner.current == UInt8(ascii: "(") { scanner.skipPlace() }
        // "(folio_unlock+0x4/0x20)", while trace-cmd and perf print an address.
        let hasSizes = text.first("/", in: place..<scanner.position) != nil
        if name == .removal, let file = scanner.file() {
            (self[.dev], self[.inode]) = (UInt64(file.device), file.inode)
        }
        let isStrict = names.isOfRecipe(name)
        while true {
            scanner.skipBlanksAndColours()
            guard scanner.position < scanner.end else { return }
            guard let word = scanner.key() else {
                guard isStrict else { continue }
                isDamaged = true
                return
            }
            wordCount = wordCount == .max ? .max : wordCount + 1
            if word == Self.caller {
                let caller = scanner.caller(hasSizes: hasSizes)
                isFutexCall = caller.isFutexFunction
                if !caller.isWhole { isDamaged = true }
                continue
            }
            let key = names.argument(word)
            let begin = scanner.position
            let isFault = scanner.current == UInt8(ascii: "(")
            if let number = scanner.number() {
                found(
                    NumberInLine(
                        key: key, range: number.digits, isHexadecimal: number.isHexadecimal,
                        isNegative: number.isNegative))
                guard let key else { continue }
                // A page is where addresses of the kernel are, unless digits are missing at its end.
                let isAddress = key.isAddress && (key != .page || number.value != 0)
                if self[key] != nil || (isStrict && isAddress && number.value >> 63 == 0) { isDamaged = true }
                self[key] = number.value
            } else if key != nil, !isFault {
                isDamaged = true
            }
            // A name and a "=" may stand in a value that is not needed.
            if key == nil, !isStrict { scanner.position = begin }
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

    /// Blanks, and the sequences by which a terminal changes its colours.
    mutating func skipBlanksAndColours() {
        while skipBlanks(), position < end, bytes[position - 1] == 0x1b, bytes[position] == UInt8(ascii: "[") {
            while position < end, bytes[position] | 0x20 < UInt8(ascii: "a") || bytes[position] == UInt8(ascii: "[") {
                position += 1
            }
            position = min(position + 1, end)
        }
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
            isAtEndOfNumber
        else {
            skipWord()
            return nil
        }
        return (isNegative ? 0 &- magnitude : magnitude, begin..<position, isHexadecimal, isNegative)
    }

    private var isAtEndOfNumber: Bool {
        func isBlank(_ place: Int) -> Bool { place >= end || bytes[place] <= 0x20 }
        return isBlank(position) || (bytes[position] == UInt8(ascii: ",") && isBlank(position + 1))
    }

    /// At most sixteen digits.
    @inline(__always)
    mutating func hexadecimal() -> UInt64? {
        let digits = SixteenBytes(bytes.words(at: position)).hexadecimal(atMost: end - position)
        position += digits.count
        guard digits.count > 0 else { return nil }
        let isLonger =
            digits.count == 16 && SixteenBytes(bytes.words(at: position)).hexadecimal(atMost: end - position).count > 0
        return isLonger ? nil : digits.value
    }

    /// The place of a call, as "get_futex_key+0x18d/0x2c0 [module]", with or without the size and the module.
    /// - Returns: whether it is in get_futex_key, nil when it is an address without a symbol; and whether it can be all of
    ///   it, where the line ends here.
    mutating func caller(hasSizes: Bool) -> (isFutexFunction: Bool?, isWhole: Bool) {
        let begin = position
        skipWord()
        let word = begin..<position
        guard let first = word.isEmpty ? nil : bytes[begin], first &- 0x30 >= 10 else {
            // Sixteen digits, with "0x" or without.
            return (nil, position < end || word.count >= 16)
        }
        let name = begin..<(bytes.first("+", in: word) ?? position)
        let base = name.lowerBound..<(bytes.first(".", in: name) ?? name.upperBound)
        let isFutexFunction = bytes[base].elementsEqual(Self.futexFunction.utf8)
        if skipModule() { return (isFutexFunction, true) }
        guard position == end else { return (isFutexFunction, true) }
        var rest = Scanner(bytes: bytes, position: name.upperBound, end: word.upperBound)
        guard rest.take("+"), rest.take("0"), rest.take("x"), let offset = rest.hexadecimal() else {
            return (isFutexFunction, false)
        }
        if hasSizes {
            guard rest.take("/"), rest.take("0"), rest.take("x"), rest.hexadecimal() != nil else {
                return (isFutexFunction, false)
            }
        }
        // The lookup pins its page before it can unlock it.
        return (isFutexFunction, !isFutexFunction || offset >= Self.firstUnlock)
    }

    private static let futexFunction = "get_futex_key"
    /// Bytes of get_futex_key() in which there is no call of the unlock.
    private static let firstUnlock: UInt64 = 0x40

    /// " [ext4]" behind a symbol of a module.
    private mutating func skipModule() -> Bool {
        var next = self
        guard next.skipBlanks(), next.position < end, next.take("[") else { return false }
        next.skipWord(to: "]")
        guard next.take("]") else { return false }
        self = next
        return true
    }
}

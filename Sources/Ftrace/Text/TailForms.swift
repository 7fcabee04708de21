// SPDX-License-Identifier: Apache-2.0

// What stands behind the time in lines of events that are needed, as far as it is known. Only the numbers are read.

/// What stood behind the time of a line of an event that is needed, and where numbers were in it.
struct TailForms: Sendable {
    private static let setCount = 64
    /// Forms of a set: of lines of one event and one length.
    private static let wayCount = 4
    private static let count = setCount * wayCount
    private static let numberLimit = 16

    private struct Number {
        var offset: UInt16 = 0
        var digits: UInt8 = 0
        var isHexadecimal = false
        var isNegative = false
        var isKept = false
        /// It is an address of the kernel, which has its top bit set.
        var isAddress = false
    }

    /// What all lines of one form have in common.
    private struct Form {
        var event = EventName.marker
        var keys: UInt32 = 0
        var words: UInt8 = 0
        /// Number of numbers in the line.
        var numbers: UInt8 = 0
        var hash = EventHash(.marker, keys: 0)
    }

    private var forms = Array(repeating: Form(), count: count)
    private var patterns = Patterns<10>(count: count)
    /// In the order of their keys.
    private var numbers = Array(repeating: Number(), count: count * numberLimit)
    /// By set, the form in it that the newest line had.
    private var latest = (0..<setCount).map { $0 * wayCount }

    @inline(__always)
    private static func set(_ text: TraceText, _ tail: Range<Int>) -> Int {
        let mixed = text.word(at: tail.lowerBound &+ 1) ^ text.word(at: tail.lowerBound &+ 9) &* 31
        return (mixed &+ UInt64(truncatingIfNeeded: tail.count)).place(among: setCount)
    }

    /// Stores what the line says behind its time. False, and nothing, where no line had this form.
    @inline(__always)
    mutating func read(
        _ text: TraceText, _ tail: Range<Int>, into line: inout TraceLine, _ values: inout [UInt64]
    ) -> Bool {
        guard tail.count > 16 else { return false }
        let set = Self.set(text, tail)
        let latest = latest[set]
        guard let place = has(text, tail, latest) ? latest : other(text, tail, set) else { return false }
        return readNumbers(text, tail, place, into: &line, &values)
    }

    @inline(__always)
    private func has(_ text: TraceText, _ tail: Range<Int>, _ place: Int) -> Bool {
        patterns.lengths[place] == tail.count && patterns.match(text, at: tail.lowerBound, place)
    }

    /// The form of the line, where it is not that of the newest line of its set.
    @inline(never)
    private mutating func other(_ text: TraceText, _ tail: Range<Int>, _ set: Int) -> Int? {
        let ways = set * Self.wayCount..<(set + 1) * Self.wayCount
        guard let place = ways.first(where: { has(text, tail, $0) }) else { return nil }
        latest[set] = place
        return place
    }

    /// False, and nothing, when one of them is none.
    @inline(__always)
    private func readNumbers(
        _ text: TraceText, _ tail: Range<Int>, _ place: Int, into line: inout TraceLine, _ values: inout [UInt64]
    ) -> Bool {
        let form = forms[place]
        let count = Int(form.numbers)
        let numbers = numbers.span.extracting(place &* Self.numberLimit..<place &* Self.numberLimit &+ count)
        var hash = form.hash
        var areNumbers = true
        values.append(addingCapacity: count) { values in
            for index in 0..<count {
                let number = numbers[index]
                guard
                    let value = text.number(
                        at: tail.lowerBound &+ Int(number.offset), digits: Int(number.digits),
                        isHexadecimal: number.isHexadecimal)
                else {
                    values.removeAll()
                    areNumbers = false
                    return
                }
                guard number.isKept else { continue }
                if number.isAddress, value >> 63 == 0 {
                    values.removeAll()
                    areNumbers = false
                    return
                }
                let signed = number.isNegative ? 0 &- value : value
                values.append(signed)
                hash.add(signed)
            }
        }
        guard areNumbers else { return false }
        (line.meaning, line.keys, line.words, line.hash) = (.event(form.event), form.keys, form.words, hash)
        return true
    }

    mutating func learn(
        _ text: TraceText, _ tail: Range<Int>, _ event: EventName, _ arguments: borrowing Arguments,
        _ found: [NumberInLine]
    ) {
        let keys = arguments.packedKeys
        guard tail.count > 16, found.count <= Self.numberLimit, found.allSatisfy({ $0.range.count <= 16 }),
            // An address with less than all its digits is 0, or damaged.
            found.allSatisfy({ !($0.key?.isAddress ?? false) || $0.range.count == 16 }),
            // Each value comes from a number here, and no number from elsewhere.
            found.count(where: { $0.key != nil }) == Arguments.count(of: keys)
        else { return }
        let set = Self.set(text, tail)
        // The one behind that of the newest line of the set.
        let place = set * Self.wayCount + (latest[set] + 1) % Self.wayCount
        guard patterns.learn(text, tail, at: place, without: found.map(\.range)) else { return }
        latest[set] = place
        forms[place] = Form(
            event: event, keys: keys, words: arguments.wordCount, numbers: UInt8(found.count),
            hash: EventHash(event, keys: keys))
        let inOrder = found.sorted { ($0.key?.rawValue ?? .max) < ($1.key?.rawValue ?? .max) }
        for (index, number) in inOrder.enumerated() {
            numbers[place * Self.numberLimit + index] = Number(
                offset: UInt16(number.range.lowerBound - tail.lowerBound), digits: UInt8(number.range.count),
                isHexadecimal: number.isHexadecimal, isNegative: number.isNegative, isKept: number.key != nil,
                isAddress: number.key?.isAddress ?? false)
        }
    }
}

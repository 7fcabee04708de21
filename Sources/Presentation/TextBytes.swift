// Numbers and words written straight into a buffer, without a `String` for each: a run has millions of
// rows, and what a row costs is mostly what its fields cost.

extension [UInt8] {
    /// Decimal digits, with zeros before them up to `width`, which is at most 20.
    mutating func append(decimal number: UInt64, width: Int = 1) {
        var digits = InlineArray<20, UInt8>(repeating: UInt8(ascii: "0"))
        var (rest, first) = (number, 20)
        while rest > 0 {
            let (next, digit) = rest.quotientAndRemainder(dividingBy: 10)
            first -= 1
            digits[first] += UInt8(truncatingIfNeeded: digit)
            rest = next
        }
        first = Swift.min(first, 20 - width)
        append(addingCapacity: 20 - first) { output in
            for position in first..<20 { output.append(digits[position]) }
        }
    }

    mutating func append(signed number: Int64) {
        if number < 0 { append(UInt8(ascii: "-")) }
        append(decimal: number.magnitude)
    }

    /// Lower-case hexadecimal digits, with zeros before them up to `width`, which is at most 16.
    mutating func append(hex number: UInt64, width: Int = 1) {
        let digits = Swift.max(width, (64 - number.leadingZeroBitCount + 3) / 4)
        append(addingCapacity: digits) { output in
            for position in (0..<digits).reversed() {
                let digit = UInt8(truncatingIfNeeded: number >> UInt64(position * 4)) & 15
                output.append(digit + (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10))
            }
        }
    }

    mutating func append(word text: String) {
        let span = text.utf8Span.span
        append(addingCapacity: span.count) { output in
            for position in span.indices { output.append(span[position]) }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

// Bytes that lines of a text had, compared with those of a further line, 32 at a time. A pattern has gaps, in which any
// byte may stand: the numbers of a line.

/// Patterns of at most `steps` times 32 bytes, each at a place that something about the line decides.
struct Patterns<let steps: Int>: Sendable {
    /// Bytes of each pattern; 0 where there is none.
    private(set) var lengths: [Int]
    /// For each step its bytes and a mask of those that count, in turn.
    private var words: [SIMD4<UInt64>]

    /// Room for `count` patterns.
    init(count: Int) {
        lengths = Array(repeating: 0, count: count)
        words = Array(repeating: .zero, count: 2 * steps * count)
    }

    /// Whether the text has the pattern of this place from `begin` on. It must have as many bytes there.
    @inline(__always)
    func match(_ text: TraceText, at begin: Int, _ place: Int) -> Bool {
        let length = lengths[place]
        return length > 0 && text.isLike(words, at: 2 &* steps &* place, steps: (length &+ 31) >> 5, from: begin)
    }

    /// Stores the bytes of `range` as a pattern with gaps, in place of another one. False where they are too many.
    mutating func learn(_ text: TraceText, _ range: Range<Int>, at place: Int, without gaps: [Range<Int>]) -> Bool {
        guard range.count <= 32 * steps else { return false }
        lengths[place] = range.count
        let first = 2 * steps * place
        for step in 0..<(range.count + 31) / 32 {
            for word in 0..<4 {
                let begin = range.lowerBound + 32 * step + 8 * word
                let mask = UInt64.max >> UInt64(64 - 8 * min(max(range.upperBound - begin, 0), 8))
                words[first + 2 * step][word] = mask == 0 ? 0 : text.word(at: begin) & mask
                words[first + 2 * step + 1][word] = mask
            }
        }
        for byte in gaps.joined() {
            let (at, word) = (first + (byte - range.lowerBound) / 32 * 2, (byte - range.lowerBound) / 8 % 4)
            let kept = ~(UInt64(0xff) << UInt64((byte - range.lowerBound) % 8 * 8))
            words[at][word] &= kept
            words[at + 1][word] &= kept
        }
        return true
    }
}

extension UInt64 {
    /// A place that depends on all of these bits, among `count` places. `count` is a power of two, and more than 1.
    @inline(__always)
    func place(among count: Int) -> Int {
        // The upper bits of a product depend on all bits of its factors, the lower ones do not.
        Int(truncatingIfNeeded: (self &* 0x9e37_79b9_7f4a_7c15) >> UInt64(64 &- count.trailingZeroBitCount))
    }
}

// SPDX-License-Identifier: Apache-2.0

// Bytes that lines of a text had, compared with those of a further line, 32 at a time. A pattern has gaps, in which any
// byte may stand: the numbers of a line.

/// Patterns of at most `steps` times 32 bytes, each at a place that something about the line decides.
struct Patterns<let steps: Int>: Sendable {
    /// For each step its bytes and a mask of those that count, in turn.
    private var words: [SIMD4<UInt64>]

    /// Room for `count` patterns.
    init(count: Int) { words = Array(repeating: .zero, count: 2 * steps * count) }

    /// Whether the text has the pattern from `begin` on. False where the place has none, whose length is 0.
    @inline(__always)
    func match(_ text: TraceText, at begin: Int, _ place: Int, length: Int) -> Bool {
        length > 0 && text.isLike(words, at: 2 &* steps &* place, steps: (length &+ 31) >> 5, from: begin)
    }

    /// Stores the bytes of `range` as a pattern with gaps, in place of another one. False where they are too many.
    mutating func learn(_ text: TraceText, _ range: Range<Int>, at place: Int, without gaps: [Range<Int>]) -> Bool {
        guard range.count <= 32 * steps else { return false }
        for step in 0..<steps {
            let at = 2 * (steps * place + step)
            (words[at], words[at + 1]) = (.zero, .zero)
            for word in 0..<4 {
                let begin = range.lowerBound + 32 * step + 8 * word
                let left = range.upperBound - begin
                guard left > 0 else { break }
                var mask: UInt64 = left >= 8 ? .max : .max >> UInt64(64 - 8 * left)
                for byte in begin..<begin + 8 where gaps.contains(where: { $0.contains(byte) }) {
                    mask &= ~(0xff << UInt64(8 * (byte - begin)))
                }
                (words[at][word], words[at + 1][word]) = (text.word(at: begin) & mask, mask)
            }
        }
        return true
    }
}

extension UInt64 {
    /// A place that depends on all of these bits, among `count` places, a power of two.
    @inline(__always)
    func place(among count: Int) -> Int {
        Int(truncatingIfNeeded: (self &* 0x9e37_79b9_7f4a_7c15) >> 32) & (count &- 1)
    }
}

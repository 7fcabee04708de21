// SPDX-License-Identifier: Apache-2.0

// Cuts a stream of bytes into blocks of whole lines. Memory is bounded: a line that is longer than `lineLimit` is
// passed over up to its end, however far that is. What is in a block is looked at without the others.

/// Bytes that arrive in chunks of any size, given out as blocks that end where a line ends.
struct LineCutter {
    /// Bytes; the kernel's own lines have at most 8 KiB.
    static let lineLimit = 64 << 10

    /// The begin of the line that the last block ended before.
    private var rest: [UInt8] = []
    /// That line is too long, and its begin is gone.
    private var isSkipping = false
    private(set) var isAtEnd = false
    /// In all chunks so far.
    private var bytesRead: UInt64 = 0

    /// The next block, which has no line where a chunk had no end of one; `fill` appends a chunk and is false when
    /// there is none. What `block` had is gone.
    mutating func next(into block: inout TraceBlock, fill: (inout [UInt8]) throws -> Bool) rethrows {
        block.begin(with: rest, isInOverlong: isSkipping)
        let before = rest.count
        rest.removeAll(keepingCapacity: true)
        isAtEnd = try !fill(&block.bytes)
        bytesRead += UInt64(max(0, block.bytes.count - before))
        block.bytesRead = bytesRead
        if isAtEnd {
            // What was passed over has its end here.
            if isSkipping, block.bytes.isEmpty { block.bytes.append(UInt8(ascii: "\n")) }
            return
        }
        let end = block.bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        if block.bytes.count - end <= Self.lineLimit {
            rest.append(contentsOf: block.bytes[end...])
            // Also what there is of a line that is being passed over.
            if end > 0 { isSkipping = false }
        } else {
            isSkipping = true
        }
        block.bytes.removeLast(block.bytes.count - end)
    }
}

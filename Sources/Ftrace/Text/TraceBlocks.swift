// SPDX-License-Identifier: Apache-2.0

// The blocks of a text in their order, read ahead on other cores as far as there are any. Their room is used again.

import OrderedWork

/// Blocks of a text that arrives in chunks.
final class TraceBlocks {
    /// Above that the reader is busy all the time with what the lines mean.
    private static let mostThreads = 3

    /// Appends the next chunk, some hundred KiB, to the bytes; false when there are no more.
    private let input: (inout [UInt8]) throws -> Bool
    private let names: KnownNames
    private var lines = LineCutter()
    private var workers: OrderedWorkers<TraceBlock, TraceBlock>
    private var spare: [TraceBlock] = []

    /// With at most `threads` threads besides the caller's.
    init(names: KnownNames, threads: Int, input: @escaping (inout [UInt8]) throws -> Bool) {
        (self.names, self.input) = (names, input)
        workers = OrderedWorkers(threads: min(threads, Self.mostThreads)) { (block: consuming TraceBlock) in
            block.read()
            return block
        }
    }

    /// Shows the next block with all its lines read; false, and nothing, when there are no more.
    func next(_ show: (TraceBlock) throws -> Void) throws -> Bool {
        guard let block = try nextBlock() else { return false }
        defer { spare.append(block) }
        try show(block)
        return true
    }

    private func nextBlock() throws -> TraceBlock? {
        while !lines.isAtEnd {
            var block = spare.popLast() ?? TraceBlock(names: names)
            try lines.next(into: &block, fill: input)
            if let done = workers.add(consume block) { return done }
        }
        return workers.next()
    }
}

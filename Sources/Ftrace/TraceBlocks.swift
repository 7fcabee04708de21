// The blocks of a text in their order, read ahead on other cores as far as there are any. Their room is used again.

import Crew

/// Blocks of a text that arrives in chunks.
final class TraceBlocks {
    /// Above that the reader is busy all the time with what the lines mean.
    private static let mostThreads = 3

    /// Appends the next chunk, some hundred KiB, to the bytes; false when there are no more.
    private let input: (inout [UInt8]) throws -> Bool
    private let names: KnownNames
    private var lines = LineCutter()
    private var crew: Crew<Sheet, Sheet>
    private var spare: [Sheet] = []
    /// Bytes of the chunks up to the block that was shown last.
    private(set) var bytesRead: UInt64 = 0

    /// What is handed about: a block belongs to one thread at a time.
    private final class Sheet: @unchecked Sendable {
        var block: TraceBlock
        /// Of all chunks up to the one that it comes from.
        var bytesRead: UInt64 = 0
        init(names: KnownNames) { block = TraceBlock(names: names) }
    }

    /// With at most `threads` threads besides the caller's.
    init(names: KnownNames, threads: Int, input: @escaping (inout [UInt8]) throws -> Bool) {
        (self.names, self.input) = (names, input)
        crew = Crew(threads: min(threads, Self.mostThreads)) { sheet in
            sheet.block.read()
            return sheet
        }
    }

    /// Shows the next block with all its lines read; false, and nothing, when there are no more.
    func next(_ show: (TraceBlock) throws -> Void) throws -> Bool {
        guard let sheet = try nextSheet() else { return false }
        defer { spare.append(sheet) }
        bytesRead = sheet.bytesRead
        try show(sheet.block)
        return true
    }

    private func nextSheet() throws -> Sheet? {
        while !lines.isAtEnd {
            let sheet = spare.popLast() ?? Sheet(names: names)
            try lines.next(into: &sheet.block, fill: input)
            sheet.bytesRead = lines.bytesRead
            if let done = crew.add(sheet) { return done }
        }
        return crew.next()
    }
}

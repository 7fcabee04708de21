// SPDX-License-Identifier: Apache-2.0

// Opens the input of `report` and `export`. A directory is a recording; a file with the magic bytes of a trace.dat is one,
// and trace-cmd prints it if this program cannot read its version; anything else is a text. Ctrl-C ends the reading and
// not the program, so that the events read so far are analysed.

internal import Events
internal import Ftrace
internal import Glibc
internal import Recording
internal import Synchronization
internal import System

/// The input of an analysis.
enum RunSource {
    static func open(_ path: String) throws -> any EventSource {
        Interruption.begin()
        if path == "-" { return try text(ByteStream(descriptor: 0, size: nil), name: "standard input") }
        var status = stat()
        // The structure lives over the call.
        guard unsafe stat(path, &status) == 0 else {
            throw SourceError(
                "cannot read \(path): \(errorText(errno)); expected a recording, an ftrace text, or a trace.dat"
            )
        }
        if status.st_mode & S_IFMT == S_IFDIR { return try RecordingReader(directory: path) }
        let number = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw SourceError("cannot read \(path): \(errorText(errno))") }
        let isFile = status.st_mode & S_IFMT == S_IFREG
        let stream = ByteStream(descriptor: number, size: isFile ? UInt64(max(0, status.st_size)) : nil)
        guard isFile, try TraceData.isRecognised(stream.peek(TraceData.magic.count)) else {
            return try text(stream, name: path)
        }
        do {
            return try TraceDataReader(name: path, size: stream.size ?? 0) { offset, count, bytes in
                try stream.read(count, at: offset, into: &bytes)
            }
        } catch let unfamiliar as TraceData.Unfamiliar {
            guard let program = ChildCommand(TraceData.command(for: path)) else {
                throw SourceError(TraceData.notInstalled(path, unfamiliar))
            }
            return try text(ByteStream(outputOf: program), name: path + " (as trace-cmd prints it)")
        }
    }

    private static func text(_ stream: ByteStream, name: String) throws -> FtraceReader {
        try FtraceReader(name: name, bytesInAll: stream.size) { try stream.read(into: &$0) }
    }
}

/// Bytes from a file, a pipe or a program, one chunk after the other.
private final class ByteStream {
    private static let chunkBytes = 256 << 10

    let size: UInt64?
    private let descriptor: Int32
    private var program: ChildCommand?
    private var peeked: [UInt8] = []

    init(descriptor: Int32, size: UInt64?) { (self.descriptor, self.size) = (descriptor, size) }

    /// The output of a program.
    init(outputOf program: ChildCommand) throws {
        var ends: [Int32] = [-1, -1]
        // Two numbers are written into the two of the array.
        guard unsafe pipe(&ends) == 0 else {
            throw CommandError.running("cannot make a pipe: \(errorText(errno))")
        }
        // The program gets a copy of the second as its output, and neither under this number.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[1]) }
        (descriptor, size, self.program) = (ends[0], nil, program)
        try program.start(output: ends[1])
    }

    deinit { if descriptor > 2 { close(descriptor) } }

    /// The first bytes; `read` returns them too.
    func peek(_ count: Int) throws -> [UInt8] {
        if peeked.isEmpty { _ = try fill(&peeked) }
        return Array(peeked.prefix(count))
    }

    /// Appends a chunk; false at the end, and after an interruption.
    func read(into bytes: inout [UInt8]) throws -> Bool {
        if !peeked.isEmpty {
            bytes += peeked
            peeked = []
            return true
        }
        if try fill(&bytes) { return true }
        // A program that failed has written why to standard error.
        if let program, !Interruption.isWanted, case let status = program.waitStatus(), status != 0 {
            throw SourceError("trace-cmd ended with status \(status): its input is incomplete or no trace.dat")
        }
        program = nil
        return false
    }

    /// Replaces `bytes` with those of the file at `offset`; fewer than `count` at its end.
    func read(_ count: Int, at offset: UInt64, into bytes: inout [UInt8]) throws {
        bytes.removeAll(keepingCapacity: true)
        while bytes.count < count {
            var (result, error) = (0, Int32(0))
            let missing = count - bytes.count
            let place = off_t(clamping: offset + UInt64(bytes.count))
            bytes.append(addingCapacity: missing) { room in
                unsafe room.withUnsafeMutableBufferPointer { room, filled in
                    // The room that was just made, and no more.
                    result = unsafe pread(descriptor, room.baseAddress, missing, place)
                    error = errno
                    filled = max(0, result)
                }
            }
            if result == 0 { return }
            guard result > 0 || error == EINTR else {
                throw SourceError("cannot read the input: \(errorText(error))")
            }
        }
    }

    /// Appends a whole chunk, or the bytes until the end or an interruption; false when there are none. One read from a pipe
    /// returns less than a chunk.
    private func fill(_ bytes: inout [UInt8]) throws -> Bool {
        var filled = 0
        while filled < Self.chunkBytes, !Interruption.isWanted {
            var count = 0
            var error: Int32 = 0
            bytes.append(addingCapacity: Self.chunkBytes - filled) { room in
                unsafe room.withUnsafeMutableBufferPointer { room, taken in
                    // The room that was just made, and no more.
                    count = unsafe Glibc.read(descriptor, room.baseAddress, Self.chunkBytes - filled)
                    error = errno
                    taken = max(0, count)
                }
            }
            if count < 0, error == EINTR { continue }
            guard count >= 0 else { throw SourceError("cannot read the input: \(errorText(error))") }
            if count == 0 { break }
            filled += count
        }
        return filled > 0
    }
}

/// The request of the user to end reading and to show the events read so far.
enum Interruption {
    private static let isRequested = Atomic<Bool>(false)

    /// From now on the first SIGINT or SIGTERM is a request; the second ends the program as usual.
    static func begin() {
        // Initialized before the handler can run.
        isRequested.store(false, ordering: .relaxed)
        var action = sigaction()
        // The handler only stores.
        unsafe action.__sigaction_handler.sa_handler = { _ in Interruption.isRequested.store(true, ordering: .relaxed) }
        // Reads are interrupted, not restarted.
        action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
        for number in [SIGINT, SIGTERM] { unsafe sigaction(number, &action, nil) }
    }

    static var isWanted: Bool { isRequested.load(ordering: .relaxed) }
}

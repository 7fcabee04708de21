// SPDX-License-Identifier: Apache-2.0

// What a user names to be read, found out by looking at it: a directory is a recording, a file that begins like a
// trace.dat is one, which trace-cmd has to print if it is of an unfamiliar sort, anything else is a text. Ctrl-C ends
// the reading and not the program, so that what was read so far is told.

internal import Events
internal import Ftrace
internal import Glibc
internal import Recording
internal import Synchronization

/// Runs that are over.
enum RunSource {
    static func open(_ path: String) throws -> any EventSource {
        Interruption.begin()
        if path == "-" { return try text(ByteStream(descriptor: 0, size: nil), name: "standard input") }
        var status = stat()
        // The structure lives over the call.
        guard unsafe stat(path, &status) == 0 else {
            throw SourceError(
                "cannot read \(path): \(Descriptor.text(errno)); expected a recording, a text of ftrace, or a trace.dat"
            )
        }
        if status.st_mode & S_IFMT == S_IFDIR { return try RecordingReader(directory: path) }
        let number = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw SourceError("cannot read \(path): \(Descriptor.text(errno))") }
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

    /// What a program prints.
    init(outputOf program: ChildCommand) throws {
        var ends: [Int32] = [-1, -1]
        // Two numbers are written into the two of the array.
        guard unsafe pipe(&ends) == 0 else {
            throw CommandFailure.running("cannot make a pipe: \(Descriptor.text(errno))")
        }
        // The program gets a copy of the second as its output, and neither under this number.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[1]) }
        (descriptor, size, self.program) = (ends[0], nil, program)
        try program.start(output: ends[1])
    }

    deinit { if descriptor > 2 { close(descriptor) } }

    /// The first bytes, which `read` will give all the same.
    func peek(_ count: Int) throws -> [UInt8] {
        if peeked.isEmpty { _ = try fill(&peeked) }
        return Array(peeked.prefix(count))
    }

    /// Appends a chunk; false at the end, and when the user has had enough.
    func read(into bytes: inout [UInt8]) throws -> Bool {
        if !peeked.isEmpty {
            bytes += peeked
            peeked = []
            return true
        }
        if try fill(&bytes) { return true }
        // A program that failed had something to say about it on standard error.
        if let program, !Interruption.isWanted, case let status = program.waitStatus(), status != 0 {
            throw SourceError("trace-cmd ended with status \(status): what it read is incomplete or no trace.dat")
        }
        program = nil
        return false
    }

    /// Makes `bytes` those of the file from `offset` on; fewer than `count` where it ends.
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
                throw SourceError("cannot read on: \(Descriptor.text(error))")
            }
        }
    }

    /// Appends a whole chunk, or what there is until the end or until the user has had enough; false when that is
    /// nothing. A pipe gives less at a time than is worth looking at by itself.
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
            guard count >= 0 else { throw SourceError("cannot read on: \(Descriptor.text(error))") }
            if count == 0 { break }
            filled += count
        }
        return filled > 0
    }
}

/// The wish of the user to see what there is.
enum Interruption {
    private static let wish = Atomic<Bool>(false)

    /// From here on the first SIGINT or SIGTERM is a wish; the second ends the program as usual.
    static func begin() {
        // Made before the handler can run.
        wish.store(false, ordering: .relaxed)
        var action = sigaction()
        // The handler only stores.
        unsafe action.__sigaction_handler.sa_handler = { _ in Interruption.wish.store(true, ordering: .relaxed) }
        // Reads are interrupted, not begun again.
        action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
        for number in [SIGINT, SIGTERM] { unsafe sigaction(number, &action, nil) }
    }

    static var isWanted: Bool { wish.load(ordering: .relaxed) }
}

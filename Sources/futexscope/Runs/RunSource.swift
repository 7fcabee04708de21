// SPDX-License-Identifier: Apache-2.0

// What a user names to be read, recognised by its first bytes: a directory is a recording; a file or a pipe holds a
// text of ftrace, a trace.dat or a perf.data, plain or compressed with gzip, xz or zstd. Files that only trace-cmd or
// perf can read are printed by those. Ctrl-C ends the reading and not the program, so that what was read so far is
// reported.

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
        if path == "-" { return try read(ByteStream(descriptor: 0, size: nil), name: "standard input", path: nil) }
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
        return try read(stream, name: path, path: isFile ? path : nil)
    }

    /// - Throws: Where two inputs are the same, or are parts of one trace: together they would not be what either says.
    static func checkTogether(_ inputs: [String]) throws {
        var known: [(name: String, identity: String)] = []
        for input in inputs where input != "-" {
            var status = stat()
            // The structure lives over the call. What cannot be read is reported when it is opened.
            guard unsafe stat(input, &status) == 0 else { continue }
            let identity = "\(status.st_dev):\(status.st_ino)"
            if let same = known.first(where: { $0.identity == identity }) {
                throw CommandError.usage(
                    "cannot report \(same.name) and \(input) together: they are the same; expected each input once")
            }
            known.append((input, identity))
        }
        if let part = inputs.first(where: { isOfOneProcessor($0) }), inputs.count > 1 {
            throw CommandError.usage(
                "cannot report \(part) together with others: it has the events of one processor, and a report needs those of all processors; expected the file `trace` of the instance"
            )
        }
    }

    /// A file of tracefs such as "per_cpu/cpu1/trace", or a copy of its folder.
    private static func isOfOneProcessor(_ path: String) -> Bool {
        let parts = path.split(separator: "/")
        guard parts.count > 1, case let folder = parts[parts.count - 2] else { return false }
        return folder.hasPrefix("cpu") && folder.count > 3 && folder.dropFirst(3).allSatisfy(\.isWholeNumber)
            && parts[parts.count - 1] == "trace"
    }

    /// `path` is that of a regular file whose bytes the stream has.
    private static func read(_ stream: ByteStream, name: String, path: String?) throws -> any EventSource {
        let head = try stream.peek(ForeignFormat.headBytes)
        if let compression = Compression(of: head) {
            let input = compression.decompressing(name) { try stream.read(into: &$0) }
            return try read(ByteStream(of: input), name: name, path: nil)
        }
        if let format = ForeignFormat(of: head) {
            throw SourceError("\(name) is \(format.what), which is not read here; \(format.advice)")
        }
        if TraceData.isRecognised(head) {
            let file = try path == nil ? stream.spooled() : stream
            return try traceData(file, name: name, path: path ?? file.ownPath)
        }
        if head.starts(with: PerfData.magic) {
            let file = try path == nil ? stream.spooled() : stream
            guard let program = ChildCommand(PerfData.command(for: path ?? file.ownPath)) else {
                throw SourceError(PerfData.notInstalled(name))
            }
            return try text(ByteStream(outputOf: program, of: "perf", file), name: name + " (as perf prints it)")
        }
        return try text(stream, name: name)
    }

    private static func traceData(_ file: ByteStream, name: String, path: String) throws -> any EventSource {
        do {
            return try TraceDataReader(name: name, size: file.size ?? 0) { offset, count, bytes in
                try file.read(count, at: offset, into: &bytes)
            }
        } catch let unfamiliar as TraceData.Unfamiliar {
            guard let program = ChildCommand(TraceData.command(for: path)) else {
                throw SourceError(TraceData.notInstalled(name, unfamiliar))
            }
            return try text(
                ByteStream(outputOf: program, of: "trace-cmd", file), name: name + " (as trace-cmd prints it)")
        }
    }

    private static func text(_ stream: ByteStream, name: String) throws -> FtraceReader {
        try FtraceReader(name: name, bytesInAll: stream.size) { try stream.read(into: &$0) }
    }
}

/// Bytes from a file, a pipe, a program or another stream, one chunk after the other.
private final class ByteStream {
    private static let chunkBytes = 256 << 10

    let size: UInt64?
    private let descriptor: Int32
    /// Where the bytes come from if there is no descriptor.
    private let input: FtraceReader.Input?
    private var program: (command: ChildCommand, name: String)?
    /// What the program reads, which stays open as long as it may.
    private var file: ByteStream?
    private var peeked: [UInt8] = []

    init(descriptor: Int32, size: UInt64?) { (self.descriptor, self.size, input) = (descriptor, size, nil) }

    /// Bytes that are made from others.
    init(of input: @escaping FtraceReader.Input) { (descriptor, size, self.input) = (-1, nil, input) }

    /// A path under which this process and others find the open file.
    var ownPath: String { "/proc/\(getpid())/fd/\(descriptor)" }

    /// The same bytes in a temporary file without a name, so that any place in them can be read.
    func spooled() throws -> ByteStream {
        let directory = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/var/tmp"
        var template = Array("\(directory)/futexscope-XXXXXX".utf8CString)
        // The name is written into the array.
        let number = unsafe mkstemp(&template)
        guard number >= 0 else {
            throw SourceError("cannot make a temporary file in \(directory): \(errorText(errno)); set TMPDIR")
        }
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
        unsafe unlink(template)
        var (chunk, size): ([UInt8], UInt64) = ([], 0)
        while try read(into: &chunk) {
            var written = 0
            while written < chunk.count {
                // As many bytes as the array has behind that place.
                let count = unsafe chunk.withUnsafeBytes {
                    unsafe write(number, $0.baseAddress! + written, $0.count - written)
                }
                guard count > 0 || errno == EINTR else {
                    let error = errno
                    close(number)
                    throw SourceError(
                        "cannot write to a temporary file in \(directory): \(errorText(error)); set TMPDIR")
                }
                written += max(0, count)
            }
            size += UInt64(chunk.count)
            chunk.removeAll(keepingCapacity: true)
        }
        return ByteStream(descriptor: number, size: size)
    }

    /// What a program prints of a file.
    init(outputOf program: ChildCommand, of name: String, _ file: ByteStream) throws {
        var ends: [Int32] = [-1, -1]
        // Two numbers are written into the two of the array.
        guard unsafe pipe(&ends) == 0 else {
            throw CommandError.running("cannot make a pipe: \(errorText(errno))")
        }
        // The program gets a copy of the second as its output, and neither under this number.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[1]) }
        (descriptor, size, input, self.program, self.file) = (ends[0], nil, nil, (program, name), file)
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
        if let program, !Interruption.isWanted, case let status = program.command.waitStatus(), status != 0 {
            throw SourceError("\(program.name) ended with status \(status): its input is incomplete or damaged")
        }
        (program, file) = (nil, nil)
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
        if let input { return try !Interruption.isWanted && input(&bytes) }
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

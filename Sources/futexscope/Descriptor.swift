// SPDX-License-Identifier: Apache-2.0

// Everything of the commands that touches the C library: writing, files that must not exist yet,
// the terminal's size, processes by number. What can fail comes back as a value; wording is left to the
// commands.

internal import Events
internal import Glibc
internal import Presentation
internal import Synchronization

/// A file descriptor to write to.
struct Descriptor {
    /// Why a write did not go through.
    enum WriteFailure: Error, Equatable {
        /// Nobody reads any more.
        case closed
        case failed(String)
    }

    /// Why a file could not be made.
    enum CreateFailure: Error, Equatable {
        case exists
        case failed(String)
    }

    private let number: Int32
    /// The file that this run made; nil for a standard stream.
    private let path: String?

    static let standardOutput = Descriptor(number: 1, path: nil)
    static let standardError = Descriptor(number: 2, path: nil)

    // MARK: Writing

    /// Writes all of it, waiting where the other side is slow. A line that a full disk cut off is taken
    /// back where that is possible, so that a file ends with a whole one.
    func write(_ bytes: [UInt8]) throws(WriteFailure) {
        var done = 0
        while done < bytes.count {
            // The pointer is used within the closure only, and the count is what is left.
            let count = unsafe bytes[done...].withUnsafeBytes { unsafe Glibc.write(number, $0.baseAddress, $0.count) }
            if count >= 0 {
                done += count
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                var waiting = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
                unsafe poll(&waiting, 1, -1)
            case EPIPE, EBADF: throw .closed
            case let error:
                takeBack(bytes[..<done])
                throw .failed(Self.text(error))
            }
        }
    }

    func write(_ text: String) throws(WriteFailure) {
        try write(Array(text.utf8))
    }

    private func takeBack(_ written: ArraySlice<UInt8>) {
        guard path != nil else { return }
        let rest = written.reversed().prefix { $0 != UInt8(ascii: "\n") }.count
        // What is written next, when there is room again, follows without a hole.
        let end = lseek(number, -off_t(rest), SEEK_CUR)
        if end >= 0 { ftruncate(number, end) }
    }

    /// One line on standard error, with what a terminal would obey escaped: a file that is read may have put
    /// it there. Nobody can be told when that is gone.
    static func tell(_ line: String) {
        let text = "futexscope: \(TerminalText.escaped(line))\n"
        let isHeld = held.withLock { held in
            guard held != nil else { return false }
            held?.append(text)
            return true
        }
        if !isHeld { try? standardError.write(text) }
    }

    /// Lines that are told while a screen is in the way; nil when none is.
    private static let held = Mutex<[String]?>(nil)

    /// Keeps what is told back until `release`.
    static func hold() { held.withLock { $0 = $0 ?? [] } }

    /// Tells what was kept back.
    static func release() {
        let lines = held.withLock { held in
            defer { held = nil }
            return held ?? []
        }
        for line in lines { try? standardError.write(line) }
    }

    // MARK: Files

    /// Makes a file that only its owner may read. One that exists is never touched.
    static func create(_ path: String) throws(CreateFailure) -> Descriptor {
        let number = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if number >= 0 { return Descriptor(number: number, path: path) }
        throw errno == EEXIST ? .exists : .failed(text(errno))
    }

    static func exists(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0
    }

    /// Closes the file and removes it.
    func remove() {
        guard let path else { return }
        close(number)
        unsafe unlink(path)
    }

    // MARK: Terminal

    var isTerminal: Bool { isatty(number) == 1 }

    /// Columns, nil when this is no terminal or it does not say.
    var columns: Int? { size?.columns }

    /// Nil when this is no terminal or it does not say.
    var size: (columns: Int, rows: Int)? {
        var size = winsize()
        guard isTerminal, unsafe ioctl(number, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    // MARK: Process

    static func environment(_ name: String) -> String? {
        // The environment is not changed by this program.
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    static var processID: Int32 { getpid() }

    /// CLOCK_MONOTONIC, the clock of all events.
    static var monotonicNs: UInt64 {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }

    /// Whether a thread does not exist any more.
    static func isGone(_ task: TaskIdentity) -> Bool { !exists("/proc/\(task.pid)/task/\(task.tid)") }

    /// Takes the numbers of standard streams that are closed, so that no other file gets one of them
    /// and is written to by mistake. Nothing can be written there, as before.
    static func occupyStandardStreams() {
        for number in Int32(0)...2 where fcntl(number, F_GETFD) < 0 {
            _ = unsafe open("/dev/null", O_RDONLY)
        }
    }

    static func ignoreClosedPipes() {
        signal(SIGPIPE, SIG_IGN)
    }

    static func exit(_ code: Int32) -> Never {
        Glibc.exit(code)
    }

    /// The process that a thread belongs to; nil when there is no such thread.
    static func process(ofThread thread: UInt32) -> UInt32? {
        let lines = ProcessFile.text("/proc/\(thread)/status")?.split(separator: "\n") ?? []
        return lines.first { $0.hasPrefix("Tgid:") }.flatMap { UInt32($0.dropFirst(5).filter(\.isNumber)) }
    }

    static func text(_ error: Int32) -> String {
        // A static string for every number in the C library that is linked in.
        unsafe String(cString: strerror(error))
    }
}

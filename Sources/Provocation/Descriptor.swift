internal import Glibc

/// An open file, closed when its owner goes.  Says which path it stands for in its errors.
struct Descriptor: ~Copyable, Sendable {
    let number: Syscalls.FileNumber
    let subject: String

    /// Takes over a number that a call has just given and nobody else closes.
    init(owning number: Syscalls.FileNumber, subject: String) {
        self.number = number
        self.subject = subject
    }

    init(opening path: String, flags: Int32) throws(SystemError) {
        self.init(owning: try Syscalls.open(path, flags: flags), subject: path)
    }

    /// A new file; fails if anything of that name exists, a dangling link included.
    init(creating path: String) throws(SystemError) {
        try self.init(opening: path, flags: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
    }

    deinit { Syscalls.close(number) }

    /// The same error, with the path it was about.
    private func naming<Result>(_ body: () throws(SystemError) -> Result) throws(SystemError) -> Result {
        do { return try body() } catch {
            throw SystemError(action: "\(error.action) on", subject: subject, number: error.number)
        }
    }

    func resize(to bytes: Int) throws(SystemError) {
        try naming { () throws(SystemError) in try Syscalls.resize(number, to: bytes) }
    }
    func synchronize() throws(SystemError) {
        try naming { () throws(SystemError) in try Syscalls.synchronize(number) }
    }
    func punchHole(at offset: Int, bytes: Int) throws(SystemError) {
        try naming { () throws(SystemError) in try Syscalls.punchHole(number, at: offset, bytes: bytes) }
    }
    /// Drops the clean, unmapped pages of the range from the page cache; 0 bytes: to the end.
    func forget(at offset: Int = 0, bytes: Int = 0) throws(SystemError) {
        try naming { () throws(SystemError) in try Syscalls.forget(number, at: offset, bytes: bytes) }
    }
    func zeroOut(at offset: Int, bytes: Int) throws(SystemError) {
        try naming { () throws(SystemError) in try Syscalls.zeroOut(number, at: offset, bytes: bytes) }
    }

    /// Reads into the whole of `mapping`, as far as the file goes; the count of bytes.
    func read(into mapping: borrowing Mapping, at offset: Int) throws(SystemError) -> Int {
        // The mapping is writable memory of that length and is alive for the call.
        let bytes = unsafe UnsafeMutableRawBufferPointer(start: mapping.start, count: mapping.bytes)
        return try naming { () throws(SystemError) in
            try unsafe Syscalls.read(number, into: bytes, at: offset)
        }
    }

    /// Writes the whole of `mapping`; a short write is an error, since no caller can go on with it.
    func write(_ mapping: borrowing Mapping, at offset: Int) throws(SystemError) {
        // As for `read`.
        let bytes = unsafe UnsafeRawBufferPointer(start: mapping.start, count: mapping.bytes)
        let written = try naming { () throws(SystemError) in
            try unsafe Syscalls.write(number, bytes, at: offset)
        }
        if written != mapping.bytes {
            throw SystemError(action: "write all of \(mapping.bytes) bytes to", subject: subject, number: ENOSPC)
        }
    }

    /// Writes one short text, as the files of /proc and /sys take it.
    func write(text: String) throws(SystemError) {
        let bytes = Array(text.utf8)
        _ = try naming { () throws(SystemError) in
            var result: Swift.Result<Int, SystemError> = .success(0)
            // The array's bytes live for the closure.
            unsafe bytes.withUnsafeBytes { (buffer) in
                do throws(SystemError) { result = .success(try unsafe Syscalls.write(number, buffer, at: 0)) } catch {
                    result = .failure(error)
                }
            }
            return try result.get()
        }
    }
}

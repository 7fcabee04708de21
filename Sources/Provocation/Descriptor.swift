// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// An open file, closed when its owner goes.  Knows the path it stands for, which its errors name;
/// the calls on it are in `Syscalls.swift`, what is built of them is here.
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
        do { try self.init(opening: path, flags: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW) } catch {
            throw SystemError(action: "create", subject: path, number: error.number)
        }
    }

    deinit { Syscalls.close(number) }

    /// Reads into the whole of `mapping`, as far as the file goes; the count of bytes.
    func read(into mapping: borrowing Mapping, at offset: Int) throws(SystemError) -> Int {
        // The mapping is writable memory of that length and is alive for the call.
        try unsafe read(
            into: UnsafeMutableRawBufferPointer(start: mapping.start, count: mapping.bytes), at: offset)
    }

    /// Writes the whole of `mapping`; a short write is an error, since no caller can go on with it.
    func write(_ mapping: borrowing Mapping, at offset: Int) throws(SystemError) {
        // As for `read`.
        let bytes = unsafe UnsafeRawBufferPointer(start: mapping.start, count: mapping.bytes)
        if try unsafe write(bytes, at: offset) != mapping.bytes {
            throw SystemError(action: "write all of \(mapping.bytes) bytes to", subject: subject, number: ENOSPC)
        }
    }

    /// Writes one short text, as the files of /proc and /sys take it: at offset 0, which a sysctl
    /// insists on every time, or just so where there are no offsets, as in debugfs.
    func write(text: String) throws(SystemError) {
        let page = try Mapping(anonymous: Mapping.pageBytes, .readWrite)
        let bytes = page.store(text)
        // `store` has filled so many bytes of the page, which is alive for both calls.
        let buffer = unsafe UnsafeRawBufferPointer(start: page.start, count: bytes)
        do { _ = try unsafe write(buffer, at: 0) } catch {
            guard error.number == ESPIPE else { throw error }
            _ = try unsafe write(buffer)
        }
    }

    /// One 64-bit word, zero past the end of the file.
    func readWord(at offset: Int) throws(SystemError) -> UInt64 {
        let page = try Mapping(anonymous: Mapping.pageBytes, .readWrite)
        // The eight bytes lie in the page, which is alive for both.
        _ = try unsafe read(into: UnsafeMutableRawBufferPointer(start: page.start, count: 8), at: offset)
        return unsafe page.start.load(as: UInt64.self)
    }
}

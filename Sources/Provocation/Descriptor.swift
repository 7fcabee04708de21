// SPDX-License-Identifier: Apache-2.0

// An open file, closed with the end of its value. It has its path, for messages. The system calls on it are in
// Syscalls.swift.

internal import Glibc
internal import System

struct Descriptor: ~Copyable, Sendable {
    let number: Syscalls.FileNumber
    let subject: String

    /// Takes over the descriptor of a call that has just returned it; nobody else closes it.
    init(owning number: Syscalls.FileNumber, subject: String) {
        self.number = number
        self.subject = subject
    }

    init(opening path: String, flags: Int32) throws(SyscallError) {
        self.init(owning: try Syscalls.open(path, flags: flags), subject: path)
    }

    /// A new file; fails if anything of that name exists, a dangling link included.
    init(creating path: String) throws(SyscallError) {
        do throws(SystemError) {
            self.init(owning: try createFile(path, readable: true), subject: path)
        } catch {
            throw SyscallError(action: "create", subject: path, number: error.number)
        }
    }

    deinit { Syscalls.close(number) }

    /// Reads into the whole of `mapping`, as far as the file goes; the count of bytes.
    func read(into mapping: borrowing Mapping, at offset: Int) throws(SyscallError) -> Int {
        // The mapping is writable memory of that length and is alive for the call.
        try unsafe read(
            into: UnsafeMutableRawBufferPointer(start: mapping.start, count: mapping.bytes), at: offset)
    }

    /// Writes the whole of `mapping`; a short write is an error.
    func write(_ mapping: borrowing Mapping, at offset: Int) throws(SyscallError) {
        // As for `read`.
        let bytes = unsafe UnsafeRawBufferPointer(start: mapping.start, count: mapping.bytes)
        if try unsafe write(bytes, at: offset) != mapping.bytes {
            throw SyscallError(action: "write all of \(mapping.bytes) bytes to", subject: subject, number: ENOSPC)
        }
    }

    /// Writes one short text to a file of /proc or /sys: at offset 0, which a sysctl requires, or without an offset where
    /// there is none, as in debugfs.
    func write(text: String) throws(SyscallError) {
        let page = try Mapping(anonymous: Mapping.pageBytes, .readWrite)
        let bytes = page.store(text)
        // `store` has filled these bytes of the page, which is alive for both calls.
        let buffer = unsafe UnsafeRawBufferPointer(start: page.start, count: bytes)
        do { _ = try unsafe write(buffer, at: 0) } catch {
            guard error.number == ESPIPE else { throw error }
            _ = try unsafe write(buffer)
        }
    }

    /// One 64-bit word, zero past the end of the file.
    func readWord(at offset: Int) throws(SyscallError) -> UInt64 {
        let page = try Mapping(anonymous: Mapping.pageBytes, .readWrite)
        // The eight bytes lie in the page, which is alive for both.
        _ = try unsafe read(into: UnsafeMutableRawBufferPointer(start: page.start, count: 8), at: offset)
        return unsafe page.start.load(as: UInt64.self)
    }
}

// SPDX-License-Identifier: Apache-2.0

// Everything of a recording that touches the C library: directories, files that must not exist yet, writes
// that happen whole or not at all, reads at an offset. What fails comes back as an errno.

import Glibc
import System

/// Paths.
enum Files {
    static func makeDirectory(_ path: String) throws(SystemError) {
        guard unsafe mkdir(path, 0o700) == 0 else { throw .last() }
    }

    static func removeDirectory(_ path: String) { unsafe rmdir(path) }

    static func remove(_ path: String) { unsafe unlink(path) }

    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Removes a recording, and nothing that somebody else has put into its directory.
    static func removeRecording(_ path: String) {
        for name in (try? list(path)) ?? [] where name == "metadata" || name.hasPrefix("stream_") {
            remove(path + "/" + name)
        }
        removeDirectory(path)
    }

    /// Names in a directory that do not begin with a dot, in order.
    static func list(_ path: String) throws(SystemError) -> [String] {
        guard let directory = unsafe opendir(path) else { throw .last() }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            // The name ends with a NUL within the entry.
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }
}

/// A file that is written from its beginning to its end.
final class NewFile {
    private let descriptor: Int32
    let path: String
    /// Bytes written so far.
    private(set) var size: UInt64 = 0

    /// Makes a file that only its owner may read; one that exists is never touched.
    init(_ path: String) throws(SystemError) {
        descriptor = try createFile(path)
        self.path = path
    }

    deinit { close(descriptor) }

    /// Appends all of it, or nothing: what a full disk cut off is taken back.
    func append(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            // Within the buffer: `done` is less than its count.
            let count = unsafe write(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
            if count >= 0 {
                done += count
            } else if errno != EINTR {
                let failure = SystemError.last()
                ftruncate(descriptor, off_t(size))
                throw failure
            }
        }
        size += UInt64(done)
    }

    /// Appends text, as `append` does bytes.
    func append(_ text: String) throws(SystemError) {
        let bytes = Array(text.utf8)
        // The array lives over the call.
        let result = unsafe bytes.withUnsafeBytes { bytes in
            Result { () throws(SystemError) in unsafe try append(bytes) }
        }
        try result.get()
    }

    /// Waits until the disk has it.
    func sync() throws(SystemError) {
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw .last() }
    }
}

/// A file that is read at offsets. It may be written, or cut off, meanwhile.
final class ReadFile {
    private let descriptor: Int32

    init(_ path: String) throws(SystemError) {
        // Without waiting: a pipe without a writer would block the reader for ever.
        descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .last() }
    }

    deinit { close(descriptor) }

    var status: (size: UInt64, isRegular: Bool) {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { return (0, false) }
        return (UInt64(max(0, status.st_size)), status.st_mode & S_IFMT == S_IFREG)
    }

    /// The whole of a small file; nil when it is larger than `limit`, or no file at all.
    func text(limit: Int) throws(SystemError) -> String? {
        let (size, isRegular) = status
        guard isRegular, size <= UInt64(limit) else { return nil }
        // Everything else is read at an offset, so the position in the file is still its beginning.
        guard let bytes = readFile(descriptor, limit: limit) else { throw .last() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Fills `bytes` from `offset` on as far as the file goes; the count says how far that was.
    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
        var done = 0
        while done < bytes.count {
            // Within the buffer: `done` is less than its count.
            let count = unsafe pread(
                descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done,
                off_t(clamping: offset &+ UInt64(done)))
            if count == 0 { break }
            if count > 0 {
                done += count
            } else if errno != EINTR {
                throw .last()
            }
        }
        return done
    }
}

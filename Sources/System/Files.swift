// SPDX-License-Identifier: Apache-2.0

// Reading a whole file, and creating a file that did not exist. Files of /proc and /sys have no size before they are
// read, so a reader reads until the end.

internal import Glibc

/// The whole of a file, at most `limit` bytes of it; nil when it cannot be read, with the reason in `errno`.
public func readFile(_ path: String, limit: Int = 64 << 20) -> [UInt8]? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    return readFile(descriptor, limit: limit)
}

/// The rest of an open file, at most `limit` bytes of it; nil when it cannot be read, with the reason in `errno`.
public func readFile(_ descriptor: Int32, limit: Int = 64 << 20) -> [UInt8]? {
    var status = stat()
    // The structure lives over the call. A file that the kernel makes while it is read has the size 0.
    let size = unsafe fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
    var bytes: [UInt8] = []
    var room = min(limit, max(size + 1, 1 << 14))
    var result: Int
    repeat {
        result = 1
        let part = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
            while count < room && result > 0 {
                // Inside the buffer, which has `room` bytes.
                result = unsafe read(descriptor, buffer.baseAddress.map { unsafe $0 + count }, room - count)
                if result < 0 && errno == EINTR { result = 1 } else { count += max(0, result) }
            }
        }
        if bytes.isEmpty { bytes = part } else { bytes += part }
        room = min(limit - bytes.count, 2 * room)
    } while result > 0 && room > 0
    return result < 0 ? nil : bytes
}

/// A text file of at most 1 MiB without its last line end; nil when it cannot be read. What is not UTF-8 is replaced.
public func readText(_ path: String) -> String? {
    guard let bytes = readFile(path, limit: 1 << 20) else { return nil }
    var text = String(decoding: bytes, as: UTF8.self)
    if text.hasSuffix("\n") { text.removeLast() }
    return text
}

/// A field of /proc/TASK/status without the blanks in front of it, such as "Tgid" of "self" or of a thread's number; nil when
/// there is no such task or no such field.
public func statusField(_ name: String, of task: String) -> Substring? {
    let lines = readText("/proc/\(task)/status")?.split(separator: "\n") ?? []
    return lines.first { $0.hasPrefix(name + ":") }?.dropFirst(name.utf8.count + 1).drop { $0 == "\t" || $0 == " " }
}

/// Creates a file that only its owner may read, for writing, or for reading too.
/// - Returns: its descriptor, which the caller closes.
/// - Throws: `isExisting` when anything of that name exists, a dangling symbolic link included; it is not touched.
public func createFile(_ path: String, readable: Bool = false) throws(SystemError) -> Int32 {
    let descriptor = unsafe open(path, (readable ? O_RDWR : O_WRONLY) | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .last() }
    return descriptor
}

// SPDX-License-Identifier: Apache-2.0

// Finding and reading the kernel's small text files, and naming its errors: what every part of the capture
// needs before any BPF is involved.

import Glibc

/// The system's text for an errno.
func errorText(_ number: Int32) -> String {
    // strerror() returns a static string for every number in the C library that is linked in.
    unsafe String(cString: strerror(number))
}

/// The whole of a file, at most `limit` bytes of it; nil when it cannot be read.
func readFile(_ path: String, limit: Int = 64 << 20) -> [UInt8]? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    return readFile(descriptor, limit: limit)
}

/// What is left of an open file, `limit` bytes of it at most; nil when it cannot be read.
func readFile(_ descriptor: Int32, limit: Int = 64 << 20) -> [UInt8]? {
    var status = stat()
    // The structure lives over the call. What the kernel makes up when it is read has no size.
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

/// A text file without its last line end; nil when it cannot be read.
func readText(_ path: String) -> String? {
    guard let bytes = readFile(path, limit: 1 << 20) else { return nil }
    var text = String(decoding: bytes, as: UTF8.self)
    if text.hasSuffix("\n") { text.removeLast() }
    return text
}

/// The files whose paths match a shell's pattern.
func paths(matching pattern: String) -> [String] {
    var found = unsafe glob_t()
    defer { unsafe globfree(&found) }
    guard unsafe glob(pattern, GLOB_NOSORT, nil, &found) == 0 else { return [] }
    // glob() made as many strings as it says; each lives until globfree().
    return unsafe (0..<Int(found.gl_pathc)).compactMap { position in
        unsafe found.gl_pathv[position].map { unsafe String(cString: $0) }
    }
}

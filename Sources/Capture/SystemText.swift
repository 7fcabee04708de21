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

/// What is left of an open file, about `limit` bytes of it at most; nil when it cannot be read.
func readFile(_ descriptor: Int32, limit: Int = 64 << 20) -> [UInt8]? {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: min(limit, 1 << 18))
    while bytes.count < limit {
        // `chunk` lives over the call and its count bounds the read.
        let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { return count == 0 ? bytes : nil }
        bytes.append(contentsOf: chunk[..<count])
    }
    return bytes
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

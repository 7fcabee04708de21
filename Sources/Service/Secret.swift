// SPDX-License-Identifier: Apache-2.0

// The secret that a client must send: read from a file that only its owner, and at most its group, can read, sent as a
// bearer token or, by browsers, as the password of any user, and compared in a time that does not depend on its bytes.

import Glibc
import System

/// The bytes of a secret. They appear in no error and no log.
public struct Secret: Sendable {
    /// Shorter ones can be guessed.
    static let leastBytes = 16
    private static let mostBytes = 4096

    private let bytes: [UInt8]

    /// Nil when it is too short.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.leastBytes else { return nil }
        self.bytes = bytes
    }

    /// The first line of a file.
    /// - Throws: `ServiceError` when it cannot be read, when others can read it, or when it is too short or too long.
    public init(file path: String) throws(ServiceError) {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unusable(path, because: errorText(errno)) }
        defer { close(descriptor) }
        var status = stat()
        // The structure lives over the call.
        guard unsafe fstat(descriptor, &status) == 0 else { throw .unusable(path, because: errorText(errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .unusable(path, because: "it is no file") }
        guard status.st_mode & 0o027 == 0 else {
            throw .unusable(path, because: "others can read or change it; run chmod 600")
        }
        guard let content = readFile(descriptor, limit: Self.mostBytes + 1) else {
            throw .unusable(path, because: errorText(errno))
        }
        let line = content.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        guard let secret = Secret(Array(line)), line.count <= Self.mostBytes else {
            throw .unusable(
                path,
                because: "its first line has \(line.count) bytes; expected \(Self.leastBytes) to \(Self.mostBytes)")
        }
        self = secret
    }

    /// Whether the value of an `Authorization` header contains the secret.
    func isProved(by authorization: String) -> Bool {
        let parts = authorization.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
        guard parts.count == 2 else { return false }
        let credentials = parts[1].drop { $0 == " " }
        switch parts[0].lowercased() {
        case "bearer": return isEqual(to: Array(credentials.utf8))
        case "basic":
            guard let pair = Self.fromBase64(credentials.utf8), let colon = pair.firstIndex(of: UInt8(ascii: ":"))
            else { return false }
            return isEqual(to: Array(pair[(colon + 1)...]))
        default: return false
        }
    }

    /// Compares every byte, so the time does not depend on the first difference.
    private func isEqual(to offered: [UInt8]) -> Bool {
        var difference: UInt8 = offered.count == bytes.count ? 0 : 1
        for (position, byte) in offered.enumerated() { difference |= byte ^ bytes[position % bytes.count] }
        return difference == 0
    }

    private static func fromBase64(_ text: some Collection<UInt8>) -> [UInt8]? {
        var (bytes, bits, count): ([UInt8], UInt32, Int) = ([], 0, 0)
        for byte in text {
            let value: UInt8
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            case UInt8(ascii: "="): continue
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return bytes
    }
}

// SPDX-License-Identifier: Apache-2.0

// A client that does what no library does: it sends bytes as they are given, and as slowly as a test wants.

import Glibc

@testable import Service

/// One TCP connection to this host.
final class Client {
    private let socket: Int32
    /// Bytes that were received and not used yet.
    private var rest: [UInt8] = []

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    init(_ address: ListenAddress) throws {
        let isInternet6 = address.text.hasPrefix("[")
        socket = Glibc.socket(isInternet6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        // The address lives over the call.
        let code = unsafe try address.socketAddress().withSockAddr { name, size in
            unsafe connect(socket, name, socklen_t(size))
        }
        guard code == 0 else { throw Failure(description: "cannot connect: \(errno)") }
        // A test that waits for ever reports nothing.
        var patience = timeval(tv_sec: 30, tv_usec: 0)
        unsafe setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        unsafe setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(socket) }

    /// False when the other side accepts no more.
    @discardableResult
    func send(_ text: String) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            // The pointer is used within the closure only, and the count is what is left.
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            bytes = bytes.dropFirst(count)
        }
        return true
    }

    func sendNoMore() { shutdown(socket, Int32(SHUT_WR)) }

    /// False at the end of the stream.
    private func fill() throws -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        // As many bytes as there is room for, at most.
        let count = unsafe recv(socket, &chunk, chunk.count, 0)
        if count < 0, errno == ECONNRESET { throw Failure(description: "the connection was reset") }
        if count < 0 { throw Failure(description: "nothing came: \(errno)") }
        rest += chunk[..<count]
        return count > 0
    }

    /// Whether the other side ends the connection without further bytes.
    func isEnded() -> Bool { (try? fill()) != true }

    struct Response: Equatable {
        var status: Int
        var headers: [String: String]
        var body: String
    }

    /// The next response, with a body of the length that it announces.
    func response(hasBody: Bool = true) throws -> Response {
        let separator = Array("\r\n\r\n".utf8)
        while true {
            if let end = (0..<max(0, rest.count - 3)).first(where: { Array(rest[$0..<$0 + 4]) == separator }) {
                let lines = String(decoding: rest[..<end], as: UTF8.self).split(separator: "\r\n")
                let words = lines[0].split(separator: " ")
                var headers: [String: String] = [:]
                for line in lines.dropFirst() {
                    let parts = line.split(separator: ":", maxSplits: 1)
                    let value = String(parts[1].drop { $0 == " " })
                    headers[parts[0].lowercased(), default: ""] +=
                        headers[parts[0].lowercased()] == nil ? value : ", " + value
                }
                let length = hasBody ? Int(headers["content-length"] ?? "0") ?? 0 : 0
                while rest.count < end + 4 + length { guard try fill() else { throw Failure(description: "cut off") } }
                let body = String(decoding: rest[(end + 4)..<(end + 4 + length)], as: UTF8.self)
                rest.removeFirst(end + 4 + length)
                return Response(status: Int(words[1]) ?? 0, headers: headers, body: body)
            }
            guard try fill() else {
                throw Failure(description: "ended after \(String(decoding: rest, as: UTF8.self))")
            }
        }
    }
}

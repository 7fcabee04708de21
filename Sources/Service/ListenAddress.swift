// SPDX-License-Identifier: Apache-2.0

// Where to listen: an address as the user writes it. Names other than `localhost` are not accepted, because a resolver
// would decide at each start to which network the service is exposed.

import NIOCore

/// An IP address with a port; port 0 is any free port.
public struct ListenAddress: Sendable, Equatable {
    /// Without the brackets of IPv6.
    public let host: String
    public let port: UInt16

    public static let standard = ListenAddress(host: "127.0.0.1", port: 9435)

    private init(host: String, port: UInt16) { (self.host, self.port) = (host, port) }

    /// From `127.0.0.1:9435`, `[::1]:9435` or `localhost:9435`; nil for anything else.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(digits) else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard host.contains(":") else { return nil }
        } else if host.contains(":") {
            return nil
        }
        if host == "localhost" { host = "127.0.0.1" }
        guard (try? SocketAddress(ipAddress: String(host), port: Int(port))) != nil else { return nil }
        (self.host, self.port) = (String(host), port)
    }

    /// Only programs on this host can reach it.
    public var isLoopback: Bool { host == "::1" || host.hasPrefix("127.") }

    /// As in a URL.
    public var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    func with(port: Int?) -> ListenAddress {
        ListenAddress(host: host, port: port.flatMap { UInt16(exactly: $0) } ?? self.port)
    }

    func socketAddress() throws -> SocketAddress { try SocketAddress(ipAddress: host, port: Int(port)) }
}

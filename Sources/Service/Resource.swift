// SPDX-License-Identifier: Apache-2.0

// Resources: what is served, by path. Each is a closure that gets a request and replies when it can. This file does not
// know how bytes are received and sent.

/// A request for a resource: GET or HEAD, with the parts that an answer can depend on.
public struct Request: Sendable, Equatable {
    public var path: String
    /// All values of the header, joined by commas; empty when there is none.
    public var accept: String

    public init(path: String, accept: String = "") { (self.path, self.accept) = (path, accept) }
}

/// An answer. The headers that every answer has are added to its own.
public struct Reply: Sendable, Equatable {
    public struct Header: Sendable, Equatable {
        public var name: String
        public var value: String

        public init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
    }

    public var status: Int
    public var contentType: String
    public var headers: [Header]
    public var body: [UInt8]

    public init(status: Int = 200, contentType: String, headers: [Header] = [], body: [UInt8]) {
        (self.status, self.contentType, self.headers, self.body) = (status, contentType, headers, body)
    }

    /// One line of text.
    public static func line(_ status: Int, _ text: String, headers: [Header] = []) -> Reply {
        Reply(
            status: status, contentType: "text/plain; charset=utf-8", headers: headers, body: Array((text + "\n").utf8))
    }
}

/// Called on the service's thread, and must not block it. `reply` can be called later and on any thread; the first call
/// counts. Without a reply in time, the client gets 503.
public typealias Resource = @Sendable (_ request: Request, _ reply: @escaping @Sendable (Reply) -> Void) -> Void

// SPDX-License-Identifier: Apache-2.0

// What is served, as whoever has it to serve says it: resources by path, each a closure that is asked and
// replies when it can. Nothing here knows how bytes come and go.

/// A request for a resource: GET or HEAD, and what of it can matter to an answer.
public struct Request: Sendable, Equatable {
    public var path: String
    /// All values of the header, joined by commas; empty when there is none.
    public var accept: String

    public init(path: String, accept: String = "") { (self.path, self.accept) = (path, accept) }
}

/// An answer. The headers that any answer has are added to its own.
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

/// Called on the service's thread, which must not be held up. `reply` may be called later and on any thread; the
/// first call counts. Without one in time, the service says so to who asked.
public typealias Resource = @Sendable (_ request: Request, _ reply: @escaping @Sendable (Reply) -> Void) -> Void

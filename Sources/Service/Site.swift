// SPDX-License-Identifier: Apache-2.0

// The decision on a request: which resource answers it, or why it is refused. Pure. The order of the checks is the order
// in which an unknown client may learn something.

import NIOHTTP1

/// Resources, and who may request them.
struct Site: Sendable {
    let resources: [String: Resource]
    let secret: Secret?
    /// A web page can make its own name resolve to this host, and send requests from the browser of a user (DNS rebinding).
    /// So without a secret, only requests to an address or to `localhost` are answered.
    let takesAddressesOnly: Bool

    enum Decision {
        case ask(Resource, Request)
        case refuse(Reply)
    }

    func decision(for head: HTTPRequestHead) -> Decision {
        let hosts = head.headers["host"]
        guard hosts.count == 1 || hosts.isEmpty && head.version == .http1_0 else {
            return .refuse(.line(400, "expected one Host header"))
        }
        if takesAddressesOnly, let host = hosts.first, !Self.isAddress(host) {
            return .refuse(.line(421, "expected 127.0.0.1, localhost or another address as the host, not a name"))
        }
        if let secret {
            let proofs = head.headers["authorization"]
            guard proofs.count == 1, secret.isProved(by: proofs[0]) else {
                return .refuse(
                    .line(
                        401, "expected the secret as a bearer token, or as the password of any user",
                        headers: ["Bearer", "Basic"].map {
                            Reply.Header("WWW-Authenticate", "\($0) realm=\"futexscope\"")
                        }))
            }
        }
        let path = String(head.uri.prefix { $0 != "?" })
        guard let resource = resources[path] else {
            return .refuse(.line(404, "there is nothing here; try " + resources.keys.sorted().joined(separator: ", ")))
        }
        guard head.method == .GET || head.method == .HEAD else {
            return .refuse(.line(405, "this can only be read", headers: [Reply.Header("Allow", "GET, HEAD")]))
        }
        return .ask(resource, Request(path: path, accept: head.headers["accept"].joined(separator: ",")))
    }

    /// `localhost`, or digits and dots, or an address in brackets; with or without a port.
    static func isAddress(_ host: String) -> Bool {
        if host.hasPrefix("[") { return true }
        let name = host.prefix { $0 != ":" }.lowercased()
        return name == "localhost" || !name.isEmpty && name.utf8.allSatisfy { (48...57).contains($0) || $0 == 46 }
    }
}

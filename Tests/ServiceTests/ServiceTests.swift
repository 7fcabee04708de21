// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing

@testable import Service

/// A running service with clients that behave badly. Each test has its own service.
@Suite("Service", .serialized) struct ServiceTests {
    /// Two resources: one that answers at once, one that never does.
    private static func service(
        secret: Secret? = nil, _ change: (inout ServiceLimits) -> Void = { _ in }
    ) throws -> Service {
        var limits = ServiceLimits()
        change(&limits)
        return try Service(
            on: BoundPort(#require(ListenAddress("127.0.0.1:0"))), secret: secret, limits: limits,
            resources: [
                "/metrics": { request, reply in
                    reply(Reply(contentType: "text/plain", body: Array("accept=\(request.accept)".utf8)))
                },
                "/never": { _, _ in },
            ])
    }

    private static func ask(
        _ service: Service, _ request: String, hasBody: Bool = true
    ) throws -> Client.Response {
        let client = try Client(service.address)
        client.send(request)
        return try client.response(hasBody: hasBody)
    }

    private static let good = "GET /metrics HTTP/1.1\r\nHost: localhost:9435\r\nAccept: a\r\naccept: b\r\n\r\n"

    @Test("an answer has its type and length, and keeps the connection")
    func answers() throws {
        let service = try Self.service()
        defer { service.stop() }
        let client = try Client(service.address)
        for count in 1...3 as ClosedRange<UInt64> {
            client.send(Self.good)
            let response = try client.response()
            #expect(response.status == 200)
            #expect(response.body == "accept=a,b")
            #expect(
                response.headers == [
                    "content-type": "text/plain", "content-length": "10", "cache-control": "no-store",
                    "x-content-type-options": "nosniff",
                ])
            #expect(service.counts.answers[200] == count)
        }
    }

    @Test("HEAD gets the head only, and the connection continues")
    func head() throws {
        let service = try Self.service()
        defer { service.stop() }
        let client = try Client(service.address)
        client.send("HEAD /metrics HTTP/1.1\r\nHost: [::1]\r\n\r\n")
        let response = try client.response(hasBody: false)
        #expect((response.status, response.headers["content-length"]) == (200, "7"))
        client.send(Self.good)
        #expect(try client.response().body == "accept=a,b")
    }

    @Test("HTTP/1.0 needs no Host and ends the connection, unless the client wants to keep it")
    func version() throws {
        let service = try Self.service()
        defer { service.stop() }
        let client = try Client(service.address)
        client.send("GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        #expect(try client.response().headers["connection"] == "keep-alive")
        client.send("GET /metrics HTTP/1.0\r\n\r\n")
        #expect(try client.response().headers["connection"] == "close")
        #expect(client.isEnded())
    }

    @Test("pipelined requests are answered in their order")
    func pipelining() throws {
        let service = try Self.service { $0.replyMs = 200 }
        defer { service.stop() }
        let client = try Client(service.address)
        func request(_ path: String) -> String { "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" }
        client.send(
            request("/never") + request("/metrics") + request("/none") + request("/metrics") + "rubbish\r\n\r\n")
        #expect(try (0..<5).map { _ in try client.response().status } == [503, 200, 404, 200, 400])
        #expect(client.isEnded())
    }

    @Test("a client that closes its sending side gets its answer")
    func halfClosed() throws {
        let service = try Self.service { $0.replyMs = 200 }
        defer { service.stop() }
        for path in ["/metrics", "/never"] {
            let client = try Client(service.address)
            client.send("GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            client.sendNoMore()
            #expect(try client.response().status == (path == "/metrics" ? 200 : 503))
            #expect(client.isEnded())
        }
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        var name: String
        var request: String
        var status: Int
        var ends = false
        var testDescription: String { name }
    }

    static let refusals: [Refusal] = [
        Refusal(name: "another path", request: "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 404),
        Refusal(
            name: "a path out of here", request: "GET /../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 404),
        Refusal(
            name: "the same, hidden",
            request: "GET /metrics/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: 1.2.3.4\r\n\r\n",
            status: 404),
        Refusal(
            name: "another server", request: "GET http://localhost/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
            status: 404),
        Refusal(name: "a name", request: "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", status: 421),
        Refusal(
            name: "an address as a name", request: "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n",
            status: 421),
        Refusal(name: "no Host", request: "GET /metrics HTTP/1.1\r\n\r\n", status: 400),
        Refusal(
            name: "two Hosts", request: "GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
            status: 400),
        Refusal(
            name: "a method that changes", request: "DELETE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 405),
        Refusal(
            name: "a body", request: "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
            status: 405, ends: true),
        Refusal(
            name: "a body that is too long to read",
            request: "PUT /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n"
                + String(repeating: "x", count: 3 << 20), status: 405, ends: true),
        Refusal(
            name: "a header of a megabyte",
            request: "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + String(repeating: "x", count: 1 << 20)
                + "\r\n\r\n",
            status: 431, ends: true),
        Refusal(
            name: "a path of a megabyte",
            request: "GET /" + String(repeating: "x", count: 1 << 20) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
            status: 431, ends: true),
        Refusal(
            name: "ten thousand headers",
            request: "GET /metrics HTTP/1.1\r\n" + String(repeating: "A: b\r\n", count: 10_000) + "\r\n",
            status: 431, ends: true),
        Refusal(name: "rubbish", request: "\u{1}\u{2}\u{3}\r\n\r\n", status: 400, ends: true),
        Refusal(
            name: "an unknown method", request: "BREW /pot HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 400, ends: true
        ),
        Refusal(
            name: "a method of HTTP that is not read only",
            request: "PROPFIND /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 405),
        Refusal(name: "HTTP/2", request: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status: 400, ends: true),
        Refusal(
            name: "two lengths",
            request:
                "GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            status: 400, ends: true),
    ]

    @Test("a bad request is refused in one line, and the next client is served", arguments: refusals)
    func refuses(refusal: Refusal) throws {
        let service = try Self.service()
        defer { service.stop() }
        let client = try Client(service.address)
        // It may close the connection when the request is too long.
        client.send(refusal.request)
        let response = try client.response()
        #expect(response.status == refusal.status)
        #expect(response.body.split(separator: "\n", omittingEmptySubsequences: false).count == 2)
        #expect(response.headers["allow"] == (refusal.status == 405 ? "GET, HEAD" : nil))
        #expect(response.headers["connection"] == (refusal.ends ? "close" : nil))
        if refusal.ends { #expect(client.isEnded()) }
        #expect(service.counts.answers[refusal.status] == 1)
        #expect(try Self.ask(service, Self.good).status == 200)
    }

    @Test("with a secret, a client without it gets nothing, under any name")
    func secret() throws {
        let secret = try #require(Secret(Array("correct horse battery".utf8)))
        let service = try Self.service(secret: secret)
        defer { service.stop() }
        func status(_ authorization: String, path: String = "/metrics") throws -> Client.Response {
            try Self.ask(
                service, "GET \(path) HTTP/1.1\r\nHost: db-1.example\r\n\(authorization)\r\n")
        }
        #expect(try status("Authorization: Bearer correct horse battery\r\n").status == 200)
        #expect(try status("authorization: bearer  correct horse battery\r\n").status == 200)
        #expect(try status("Authorization: Basic dXNlcjpjb3JyZWN0IGhvcnNlIGJhdHRlcnk=\r\n").status == 200)
        for wrong in [
            "", "Authorization: Bearer\r\n", "Authorization: Bearer correct horse batterx\r\n",
            "Authorization: Bearer correct horse battery1\r\n", "Authorization: Bearer correct\r\n",
            "Authorization: correct horse battery\r\n", "Authorization: Basic correct horse battery\r\n",
            "Authorization: Basic dXNlcjo=\r\n", "Authorization: Basic !\r\n",
            "Authorization: Bearer correct horse battery\r\nAuthorization: Bearer x\r\n",
        ] {
            for path in ["/metrics", "/none"] {
                let response = try status(wrong, path: path)
                #expect(response.status == 401, "\(wrong)")
                #expect(response.headers["www-authenticate"]?.hasPrefix("Bearer realm") == true)
            }
        }
    }

    @Test("a missing reply is reported to the client, and a late one is discarded")
    func late() throws {
        let replies = Mutex<[@Sendable (Reply) -> Void]>([])
        var limits = ServiceLimits()
        limits.replyMs = 100
        let service = try Service(
            on: BoundPort(#require(ListenAddress("127.0.0.1:0"))), limits: limits,
            resources: ["/": { _, reply in replies.withLock { $0.append(reply) } }])
        defer { service.stop() }
        let client = try Client(service.address)
        client.send("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        #expect(try client.response().status == 503)
        replies.withLock { $0[0](.line(200, "the first")) }
        client.send("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        while replies.withLock({ $0.count }) < 2 { usleep(1000) }
        replies.withLock {
            $0[0](.line(200, "the first"))
            $0[1](.line(200, "the second"))
            $0[1](.line(200, "the second again"))
        }
        #expect(try client.response().body == "the second\n")
        #expect(service.counts.answers[200] == 1)
    }

    @Test("a client that sends too slowly is disconnected")
    func slow() throws {
        let service = try Self.service { ($0.headMs, $0.idleMs) = (100, 100) }
        defer { service.stop() }
        let silent = try Client(service.address)
        let halting = try Client(service.address)
        halting.send("GET /metrics HTTP/1.1\r\nHost: lo")
        let content = try Client(service.address)
        content.send(Self.good)
        #expect(try content.response().status == 200)
        for client in [silent, halting, content] { #expect(client.isEnded()) }
    }

    @Test("a client that does not read the answer is disconnected")
    func slowReader() throws {
        var limits = ServiceLimits()
        // Enough for the next client on a busy machine to find the only place taken.
        (limits.sendMs, limits.connections) = (3000, 1)
        let service = try Service(
            on: BoundPort(#require(ListenAddress("127.0.0.1:0"))), limits: limits,
            resources: [
                "/": { _, reply in reply(Reply(contentType: "x", body: Array(repeating: 120, count: 64 << 20))) }
            ])
        defer { service.stop() }
        let client = try Client(service.address)
        client.send("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        while service.counts.answers[200] == 0 { usleep(1000) }
        // It has the only place until its connection is closed.
        #expect(try Client(service.address).response().status == 503)
        var status = 503
        for _ in 0..<1000 where status == 503 {
            usleep(10_000)
            let other = try Client(service.address)
            other.send("GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            status = (try? other.response().status) ?? 503
        }
        #expect(status == 404)
    }

    @Test("a thousand idle clients do not block others")
    func crowd() throws {
        let service = try Self.service { $0.connections = 16 }
        defer { service.stop() }
        var crowd: [Client] = []
        for number in 1...1000 {
            let client = try Client(service.address)
            if number % 2 == 0 { client.send("GET /metrics HTTP/1.1\r\n") }
            crowd.append(client)
        }
        #expect(try Self.ask(service, Self.good).status == 200)
        #expect(service.counts.connectionsRefused == 1001 - 16)
        #expect(crowd[0].isEnded())
    }

    @Test("when all connections have a request in progress, a new one is refused with 503")
    func full() throws {
        let asked = Mutex(0)
        var limits = ServiceLimits()
        (limits.connections, limits.replyMs) = (2, 60_000)
        let service = try Service(
            on: BoundPort(#require(ListenAddress("127.0.0.1:0"))), limits: limits,
            resources: ["/": { _, _ in asked.withLock { $0 += 1 } }])
        defer { service.stop() }
        let busy = try (0..<2).map { _ in try Client(service.address) }
        for client in busy { client.send("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") }
        while asked.withLock({ $0 }) < 2 { usleep(1000) }
        let response = try Client(service.address).response()
        #expect((response.status, response.body) == (503, "there are too many connections\n"))
        #expect(service.counts.connectionsRefused == 1)
    }

    @Test("at the end, waiting clients get an answer, and the port is free again")
    func stops() throws {
        let exchange = Exchange<Int>()
        exchange.open()
        let address = try #require(ListenAddress("127.0.0.1:0"))
        let service = try Service(
            on: BoundPort(address),
            resources: [
                "/": { _, reply in
                    exchange.ask(within: .zero) { answer in
                        reply(.line((try? answer.get()) == nil ? 503 : 200, "answered"))
                    }
                }
            ])
        let (waiting, idle) = (try Client(service.address), try Client(service.address))
        waiting.send("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        var readable = pollfd(fd: exchange.descriptor, events: Int16(POLLIN), revents: 0)
        #expect(unsafe poll(&readable, 1, 20_000) == 1)
        exchange.close()
        service.stop()
        let response = try waiting.response()
        #expect((response.status, response.body) == (503, "answered\n"))
        #expect(waiting.isEnded() && idle.isEnded())
        #expect(throws: Client.Failure.self) { try Client(service.address) }
        _ = try BoundPort(service.address)
    }

    @Test("a client that connects before the service runs is refused at once")
    func early() throws {
        let port = try BoundPort(try #require(ListenAddress("127.0.0.1:0")))
        #expect(throws: Client.Failure.self) { try Client(port.address) }
        let service = try Service(on: port, resources: [:])
        defer { service.stop() }
        #expect(try Self.ask(service, Self.good).status == 404)
    }

    @Test("of two services that bound one port, the second is refused in one line")
    func both() throws {
        let first = try BoundPort(try #require(ListenAddress("127.0.0.1:0")))
        let second = try BoundPort(first.address)
        let service = try Service(on: first, resources: [:])
        defer { service.stop() }
        let error = #expect(throws: ServiceError.self) { try Service(on: second, resources: [:]) }
        #expect(error?.message.hasPrefix("cannot listen on \(first.address.text): Address already in use;") == true)
        #expect(try Self.ask(service, Self.good).status == 404)
    }

    @Test("it serves over IPv6 only, with the host name that a browser sends")
    func internet6() throws {
        let service = try Service(
            on: BoundPort(try #require(ListenAddress("[::1]:0"))),
            resources: ["/metrics": { _, reply in reply(.line(200, "here")) }])
        defer { service.stop() }
        let client = try Client(service.address)
        client.send("GET /metrics HTTP/1.1\r\nHost: \(service.address.text)\r\n\r\n")
        #expect(try client.response().body == "here\n")
        let other = try Client(service.address)
        other.send("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        #expect(try other.response().status == 421)
        #expect(throws: Client.Failure.self) {
            try Client(try #require(ListenAddress("127.0.0.1:\(service.address.port)")))
        }
    }

    @Test("a port in use is refused in one line")
    func taken() throws {
        let service = try Self.service()
        defer { service.stop() }
        let error = #expect(throws: ServiceError.self) { try BoundPort(service.address) }
        #expect(error?.exitCode == 1)
        #expect(
            error?.message
                == "cannot listen on \(service.address.text): Address already in use; another program uses the port; choose one with --listen"
        )
        let elsewhere = try #require(ListenAddress("192.0.2.1:9435"))
        let other = #expect(throws: ServiceError.self) { try BoundPort(elsewhere) }
        #expect(other?.message.contains("expected an address of this host") == true)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing

@testable import Service

/// Parts without a connection: addresses, secrets, the exchange between threads.
@Suite("Parts of the service") struct PartsTests {
    @Test(
        "addresses to listen on",
        arguments: [
            ("127.0.0.1:9435", "127.0.0.1:9435", true), ("localhost:80", "127.0.0.1:80", true),
            ("[::1]:0", "[::1]:0", true), ("127.9.9.9:1", "127.9.9.9:1", true), ("0.0.0.0:9435", "0.0.0.0:9435", false),
            ("[::]:9435", "[::]:9435", false), ("10.0.0.7:65535", "10.0.0.7:65535", false),
        ])
    func addresses(text: String, shown: String, isLoopback: Bool) throws {
        let address = try #require(ListenAddress(text))
        #expect((address.text, address.isLoopback) == (shown, isLoopback))
    }

    @Test(
        "invalid addresses to listen on",
        arguments: [
            "", ":", ":9435", "9435", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:x",
            "::1:9435", "[127.0.0.1]:9435", "[::1]", "db-1.example:9435", "127.0.0.1.evil.example:1", "127.0.0.1:٣",
        ])
    func noAddresses(text: String) {
        #expect(ListenAddress(text) == nil)
    }

    @Test(
        "hosts in a request that mean this host",
        arguments: ["localhost", "LOCALHOST:9435", "127.0.0.1", "10.1.2.3:80", "[::1]:9435"])
    func hosts(text: String) { #expect(Site.isAddress(text)) }

    @Test(
        "hosts in a request that can be a name of somebody else",
        arguments: ["", ":80", "localhost.evil.example", "127.0.0.1.nip.io", "evil", "0x7f.1"])
    func names(text: String) { #expect(!Site.isAddress(text)) }

    // MARK: Secrets

    /// A file with these bytes, for the time of `body`.
    private static func withFile<Result>(_ text: String, mode: mode_t, _ body: (String) throws -> Result) rethrows
        -> Result
    {
        let path = "/tmp/futexscope-secret-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        // As many bytes as the text has.
        _ = unsafe write(descriptor, text, text.utf8.count)
        fchmod(descriptor, mode)
        close(descriptor)
        defer { unsafe unlink(path) }
        return try body(path)
    }

    @Test("the first line of a file is the secret", arguments: [mode_t(0o600), 0o400, 0o440])
    func secretFile(mode: mode_t) throws {
        try Self.withFile("0123456789abcdef\nmore\n", mode: mode) { path in
            let secret = try Secret(file: path)
            #expect(secret.isProved(by: "Bearer 0123456789abcdef"))
            #expect(!secret.isProved(by: "Bearer 0123456789abcdef\nmore"))
        }
    }

    @Test(
        "a file that is no secret is refused, and its content is not shown",
        arguments: [
            ("0123456789abcdef", mode_t(0o604), "others can read or change it; run chmod 600"),
            ("0123456789abcdef", 0o660, "others can read or change it; run chmod 600"),
            ("\n0123456789abcdef", 0o600, "its first line has 0 bytes; expected 16 to 4096"),
            ("hunter2", 0o600, "its first line has 7 bytes; expected 16 to 4096"),
            (String(repeating: "x", count: 4097), 0o600, "its first line has 4097 bytes; expected 16 to 4096"),
        ])
    func noSecretFile(text: String, mode: mode_t, complaint: String) {
        Self.withFile(text, mode: mode) { path in
            let error = #expect(throws: ServiceError.self) { try Secret(file: path) }
            #expect(error?.message == "cannot use the secret file \(path): \(complaint)")
            #expect(error?.exitCode == 64)
        }
        #expect(throws: ServiceError.self) { try Secret(file: "/nonexistent") }
        #expect(throws: ServiceError.self) { try Secret(file: "/dev/zero") }
    }

    // MARK: The exchange

    @Test("a request gets the next value, and requests soon after it get the same")
    func exchange() {
        let exchange = Exchange<Int>()
        let answers = Mutex<[Result<Int, Exchange<Int>.Refusal>]>([])
        func ask(within age: Duration = .seconds(3600)) {
            exchange.ask(within: age) { answer in answers.withLock { $0.append(answer) } }
        }
        func take() -> [Result<Int, Exchange<Int>.Refusal>] {
            answers.withLock { answers in
                defer { answers = [] }
                return answers
            }
        }
        func isRinging() -> Bool {
            var readable = pollfd(fd: exchange.descriptor, events: Int16(POLLIN), revents: 0)
            return unsafe poll(&readable, 1, 0) == 1
        }
        ask()
        #expect(take() == [.failure(.notYet)])
        #expect(exchange.sinceSign == nil)
        exchange.open()
        #expect(!isRinging() && exchange.sinceSign != nil)
        ask()
        ask()
        #expect(take().isEmpty)
        #expect(isRinging())
        exchange.publish(1)
        #expect(take() == [.success(1), .success(1)])
        #expect(!isRinging())
        ask()
        #expect(take() == [.success(1)])
        ask(within: .zero)
        #expect(take().isEmpty && isRinging())
        exchange.giveSign()
        #expect(exchange.sinceSign != nil)
        exchange.close()
        #expect(take() == [.failure(.over)])
        ask()
        #expect(take() == [.failure(.over)])
        #expect(exchange.sinceSign == nil)
    }

    @Test("the number of waiting requests is limited")
    func busy() {
        let exchange = Exchange<Int>()
        exchange.open()
        let refused = Atomic(0)
        let answered = Atomic(0)
        for _ in 0..<1000 {
            exchange.ask(within: .zero) { answer in
                let counter = (try? answer.get()) == nil ? 0 : 1
                if counter == 0 { refused.add(1, ordering: .relaxed) } else { answered.add(1, ordering: .relaxed) }
            }
        }
        #expect(refused.load(ordering: .relaxed) == 1000 - 256)
        exchange.publish(1)
        #expect(answered.load(ordering: .relaxed) == 256)
    }
}

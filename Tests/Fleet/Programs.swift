// SPDX-License-Identifier: Apache-2.0

// Programs that fleets run, started by the tests on loopback and on ports that are free: Debian's Prometheus and
// VictoriaMetrics, unpacked by `make` and not installed, so that none of them runs by itself. Whatever becomes of a
// test, its programs end: each hangs on a pipe that closes with the process that started it.

public import Foundation

/// Where the programs are.
public enum Programs {
    /// Set by `make test` and `make unit-test`; without it, the tests that need them are left out.
    public static let folder = ProcessInfo.processInfo.environment["FUTEXSCOPE_FLEET"].map { URL(filePath: $0) }

    public static func url(of name: String) throws -> URL {
        let url = folder?.appending(path: name)
        guard let url, FileManager.default.isExecutableFile(atPath: url.path) else {
            throw FleetFailure("there is no program \(name) in FUTEXSCOPE_FLEET: `make fleet-programs` unpacks it")
        }
        return url
    }

    /// Runs a program to its end, with what it reads as its standard input: its status, and all that it printed.
    public static func run(
        _ name: String, _ arguments: [String], input: String = ""
    ) async throws -> (status: Int32, output: String) {
        try await run(url(of: name), arguments, input: input)
    }

    public static func run(
        _ program: URL, _ arguments: [String], input: String = ""
    ) async throws -> (status: Int32, output: String) {
        let folder = FileManager.default.temporaryDirectory.appending(path: "program-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (read, reported) = (folder.appending(path: "input"), folder.appending(path: "output"))
        try input.write(to: read, atomically: false, encoding: .utf8)
        try "".write(to: reported, atomically: false, encoding: .utf8)
        let process = Process()
        let output = try FileHandle(forWritingTo: reported)
        (process.executableURL, process.arguments) = (program, arguments)
        (process.standardOutput, process.standardError) = (output, output)
        process.standardInput = try FileHandle(forReadingFrom: read)
        let status = try await process.runToEnd()
        return (status, String(decoding: try Data(contentsOf: reported), as: UTF8.self))
    }
}

extension Process {
    /// Starts it and waits for its end, without holding one of the few threads that run all tests: its status.
    public func runToEnd() async throws -> Int32 {
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Int32, any Error>) in
            terminationHandler = { done.resume(returning: $0.terminationStatus) }
            do { try start() } catch { done.resume(throwing: error) }
        }
    }

    /// Starts it with no signal blocked. The threads that run tests block nearly all, and a child inherits that: some
    /// programs never hear of SIGTERM then.
    func start() throws {
        var (none, before) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try run()
    }
}

public struct FleetFailure: Error, CustomStringConvertible {
    public var description: String
    public init(_ description: String) { self.description = description }
}

/// One running program.
public final class Daemon {
    public let name: String
    private let process = Process()
    private let leash = Pipe()
    private let log: URL

    /// - Parameter executable: a program that ends on SIGTERM.
    public init(
        _ name: String, _ executable: URL, _ arguments: [String], log: URL, environment: [String: String] = [:]
    ) throws {
        (self.name, self.log) = (name, log)
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        let output = try FileHandle(forWritingTo: log)
        // The watcher reads until nobody holds the other end any more; without it nothing would end with the test.
        let script = """
            exec 3<&0
            "$@" </dev/null 3<&- & child=$!
            (
                read -r _ <&3
                kill -TERM $child
                for _ in {1..300}; do sleep 0.1; done
                kill -KILL $child
            ) 2>/dev/null & watcher=$!
            exec 3<&-
            wait $child
            status=$?
            kill -KILL $watcher 2>/dev/null
            exit $status
            """
        process.executableURL = URL(filePath: "/bin/bash")
        process.arguments = ["-c", script, name, executable.path] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = leash
        (process.standardOutput, process.standardError) = (output, output)
        try process.start()
        try? leash.fileHandleForReading.close()
    }

    /// It has not ended by itself.
    public var isRunning: Bool { process.isRunning }

    /// Ends the program and waits for its end.
    public func stop() async {
        try? leash.fileHandleForWriting.close()
        while process.isRunning { try? await Task.sleep(for: .milliseconds(50)) }
    }

    /// Without the leash it ends by itself.
    deinit { try? leash.fileHandleForWriting.close() }

    /// The last lines of what it printed.
    public var story: String {
        let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
        return "\(name): " + text.split(separator: "\n").suffix(15).joined(separator: "\n")
    }
}

/// A port of 127.0.0.1 that nobody listens on at this moment.
public func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw FleetFailure("no socket: errno \(errno)") }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
            bind(descriptor, pointer, size) == 0 ? getsockname(descriptor, pointer, &size) : -1
        }
    }
    guard result == 0 else { throw FleetFailure("no port: errno \(errno)") }
    return Int(UInt16(bigEndian: address.sin_port))
}

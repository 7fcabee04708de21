// SPDX-License-Identifier: Apache-2.0

// Guests: one boot for each kernel, mode and scenario, two at a time, its files kept for all tests that
// look at them. What runs in a guest is in scenarios/; what boots it is in vm/.

import Fleet
import Foundation

/// Which guest, and what it does.
struct Guest: Hashable, CustomStringConvertible, Sendable {
    /// `auto` and `kprobe` follow every lookup; `sentinel` is what a user gets who asks for nothing.
    enum Mode: String, Sendable { case auto, kprobe, sentinel }

    var kernel: String
    var mode: Mode
    var scenario: String
    /// What a trace observes with, where it is not the tool's own choice.
    var source: String?
    /// With bpftrace, perf and trace-cmd on board.
    var hasTools = false
    /// It resets itself, and the scenario runs once more from its begin.
    var resets = false
    /// With a livepatch of Tests/Retro: `retry` is "retro", `fallback` is "fallback".
    var livepatch: String?
    /// A program beside the scenarios, NAME.c, for /usr/bin.
    var program: String?
    /// With a Debian that boots systemd, and the package to install there.
    var hasDebian = false
    /// Further arguments of the kernel.
    var arguments = ""
    var processors = 1
    /// Variables of the scenario.
    var variables: [String: String] = [:]
    /// Seconds for the scenario.
    var patience = 400

    /// The kernel's name without what follows its version: 6.12 for 6.12-rt-arm64.
    var version: String { kernel.split(separator: "-").first.map(String.init) ?? kernel }

    var description: String { "\(scenario) on \(kernel), \(mode.rawValue)\(source.map { ", \($0)" } ?? "")" }
}

/// The kernels of the matrix.
enum Kernels {
    /// Without these nothing is proved.
    static let required = ["6.1", "6.12"]
    /// Tested where they can be had.
    static let newest = "newest"
    static let early = "5.10"
    /// With PREEMPT_RT.
    static let realTime = "6.12-rt"
    /// With PREEMPT_RT, and tracepoints whose programs can be preempted.
    static let newestRealTime = "newest-rt"
    static func isRealTime(_ kernel: String) -> Bool { kernel.split(separator: "-").contains("rt") }
    /// The arm64 kernel that is preemptible and has every hook.
    static let newestArm64 = "newest-arm64"
    /// For each of the others on arm64 something is missing: the first two cannot be preempted, so that the races do
    /// not happen there, and 6.1 has no fentry.
    static let otherArm64 = ["6.1-arm64", "6.12-arm64", "6.12-rt-arm64"]
    /// With pages of 16 KiB.
    static let largePages = "newest-16k-arm64"
    static let optional = [early, newest, realTime, newestRealTime, newestArm64, largePages] + otherArm64

    /// Release by name, of those that guests can boot here and for which there is a binary.
    static let available: [String: String] = {
        let lines = (try? GuestRuns.output(of: "matrix", [])) ?? ""
        let pairs = lines.split(separator: "\n").map { $0.split(separator: " ") }
        return Dictionary(uniqueKeysWithValues: pairs.map { (String($0[0]), String($0[1])) })
            .filter { FileManager.default.isExecutableFile(atPath: GuestRuns.binary(for: $0.key).path) }
    }()

    /// Those of the full matrix that can be booted.
    static let matrix: [String] = (required + [newest]).filter { available[$0] != nil }

    /// The matrix in long runs, and these of it in short ones: for what depends little on the kernel.
    static func matrix(short: Set<String>) -> [String] { matrix.filter { Guests.areLong || short.contains($0) } }
}

/// What a guest left behind.
struct GuestRun: Sendable {
    var directory: URL
    var status: Int32
    var console: String

    func text(_ name: String) throws -> String {
        try String(contentsOf: directory.appending(path: name), encoding: .utf8)
    }

    /// The words of a file, such as an exit status.
    func words(_ name: String) throws -> [String] {
        try text(name).split(whereSeparator: \.isWhitespace).map(String.init)
    }

    /// One object a line.
    func objects(_ name: String) throws -> [JSONObject] {
        try text(name).split(separator: "\n").map { try JSONObject(line: $0) }
    }

    func trace(_ name: String) throws -> TraceOutput { try TraceOutput(objects(name + ".json")) }

    func provocation(_ name: String) throws -> JSONObject {
        guard let object = try objects(name + ".provoke.json").first else {
            throw GuestFailure(message: "provoke \(name) printed nothing: \(try text(name + ".provoke.err"))")
        }
        return object
    }
}

struct GuestFailure: Error, CustomStringConvertible {
    var message: String
    var description: String { message }
}

/// Boots guests, each once.
actor GuestRuns {
    static let shared = GuestRuns()
    static let root = URL(filePath: #filePath).deletingLastPathComponent()
    /// This machine's own.
    static var binary: URL { binary("FUTEXSCOPE_BINARY", orElse: "release") }

    /// The one that runs on a kernel of the guests.
    static func binary(for kernel: String) -> URL {
        Guests.isArm64(kernel) ? binary("FUTEXSCOPE_BINARY_ARM64", orElse: "arm64/release") : binary
    }

    private static func binary(_ variable: String, orElse place: String) -> URL {
        if let path = ProcessInfo.processInfo.environment[variable] { return URL(filePath: path) }
        return root.appending(path: "../../.build/\(place)/futexscope").standardizedFileURL
    }

    /// What `make deb` made.
    private static func package() throws -> URL {
        let directory = root.appending(path: "../../.build/deb").standardizedFileURL
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
        guard let name = names.first(where: { $0.hasSuffix(".deb") }) else {
            throw GuestFailure(message: "there is no package in \(directory.path): run make deb")
        }
        return directory.appending(path: name)
    }

    private var runs: [Guest: Task<GuestRun, any Error>] = [:]
    private var running = 0
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func run(_ guest: Guest) async throws -> GuestRun {
        if let run = runs[guest] { return try await run.value }
        let run = Task { try await boot(guest) }
        runs[guest] = run
        return try await run.value
    }

    /// Whoever boots a guest waits here for its turn, and says when it is gone: two at a time are enough for a machine.
    func begin() async {
        while running >= 2 { await withCheckedContinuation { waiting.append($0) } }
        running += 1
    }

    func end() {
        running -= 1
        if !waiting.isEmpty { waiting.removeFirst().resume() }
    }

    private func boot(_ guest: Guest) async throws -> GuestRun {
        await begin()
        defer { end() }
        let parts = [guest.scenario, guest.kernel, guest.mode.rawValue] + [guest.source].compactMap { $0 }
        let name = (parts + guest.variables.sorted(by: <).map { "\($0)-\($1)" }).joined(separator: "-")
        let directory = Self.results.appending(path: name)
        try? FileManager.default.removeItem(at: directory)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let script = directory.appending(path: "script")
        let texts = ["session", guest.scenario].map { Self.root.appending(path: "scenarios/\($0).sh") }
        let text = try texts.map { try String(contentsOf: $0, encoding: .utf8) }.joined(separator: "\n")
        let source = guest.source.map { "SOURCE=\($0)\n" } ?? ""
        let variables = source + guest.variables.sorted(by: <).map { "\($0)=\($1)\n" }.joined()
        try "MODE=\(guest.mode.rawValue)\n\(variables)\(text)".write(to: script, atomically: true, encoding: .utf8)

        var arguments = [
            "-k", guest.kernel, "-b", Self.binary(for: guest.kernel).path, "-s", script.path, "-o", directory.path,
            "-t", String(guest.patience), "-c", String(guest.processors),
        ]
        if guest.hasTools { arguments.append("--tools") }
        if guest.resets { arguments.append("--resets") }
        if let name = guest.program {
            let program = directory.appending(path: name).path
            let source = Self.root.appending(path: "scenarios/\(name).c").path
            let compiler =
                Guests.isArm64(guest.kernel) ? Self.root.appending(path: "../../Toolchain/arm64-cc").path : "gcc"
            let compiled = try Host.run(compiler, ["-O2", "-static", "-o", program, source])
            guard compiled.status == 0 else { throw GuestFailure(message: "\(compiler) \(source): \(compiled.error)") }
            arguments += ["-f", program]
        }
        if guest.hasDebian { arguments += ["--debian", "-f", try Self.package().path] }
        if !guest.arguments.isEmpty { arguments += ["-a", guest.arguments] }
        if let livepatch = guest.livepatch {
            arguments += ["--module", try await Self.module(livepatch, for: guest.kernel)]
        }
        let begin = ContinuousClock.now
        let (status, output) = try await Self.launch(Self.root.appending(path: "vm/boot"), arguments)
        let seconds = (ContinuousClock.now - begin).components.seconds
        say("guest: \(guest) took \(seconds) s, status \(status)")
        guard status < 121 else {
            throw GuestFailure(message: "\(guest): boot ended with \(status): \(output.suffix(8000))")
        }
        return GuestRun(directory: directory, status: status, console: output)
    }

    /// Where the files of all guests end up, for a look after a failure.
    static let results: URL = {
        if let path = ProcessInfo.processInfo.environment["FUTEXSCOPE_RESULTS"] { return URL(filePath: path) }
        return FileManager.default.temporaryDirectory.appending(path: "futexscope-guests-\(getpid())")
    }()

    /// Runs one of the scripts below this folder and gives back what it prints.
    static func output(of script: String, _ arguments: [String]) throws -> String {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = root.appending(path: "vm/\(script)").standardizedFileURL
        process.arguments = arguments
        process.standardOutput = pipe
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw GuestFailure(message: "\(script) \(arguments.joined(separator: " ")) failed")
        }
        return String(decoding: data, as: UTF8.self)
    }

    /// A module that gives a kernel another rule; built when it is not there yet.
    static func module(_ livepatch: String, for kernel: String) async throws -> String {
        let build = root.appending(path: "../Retro/build").standardizedFileURL
        let (status, output) = try await launch(build, [kernel, livepatch])
        guard status == 0 else { throw GuestFailure(message: "Retro/build \(kernel) \(livepatch) failed: \(output)") }
        return output.lastLine
    }

    private static func launch(_ executable: URL, _ arguments: [String]) async throws -> (Int32, String) {
        let file = FileManager.default.temporaryDirectory.appending(path: "futexscope-boot-\(UUID().uuidString)")
        _ = FileManager.default.createFile(atPath: file.path, contents: nil)
        defer { try? FileManager.default.removeItem(at: file) }
        let handle = try FileHandle(forWritingTo: file)
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.standardOutput = handle
        process.standardError = handle
        process.standardInput = FileHandle.nullDevice
        let status = try await process.runToEnd()
        return (status, (try? String(contentsOf: file, encoding: .utf8)) ?? "")
    }
}

extension String {
    var lastLine: String { split(separator: "\n").last.map(String.init) ?? "" }
}

/// A line for whoever watches the run; standard output is buffered when it is no terminal.
func say(_ line: String) {
    FileHandle.standardError.write(Data((line + "\n").utf8))
}

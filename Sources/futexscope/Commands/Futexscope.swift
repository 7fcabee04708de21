// SPDX-License-Identifier: Apache-2.0

// The root of the command: its subcommands, its version, and how a run ends. Help and version go to standard output, an
// error is one line on standard error, and each kind of error has its exit code.

internal import ArgumentParser
internal import Capture
internal import Events
internal import Service

@main
struct Futexscope: ParsableCommand {
    /// The latest release, or the next one with `-dev`. CHANGELOG.md has the same.
    static let version = "0.2.0-dev"

    /// The processor that this binary is for, as `uname -m` names it.
    #if arch(arm64)
        static let architecture = "aarch64"
    #else
        static let architecture = "x86_64"
    #endif

    static let configuration = CommandConfiguration(
        commandName: "futexscope",
        abstract: "Show futex lookups that found a page without a mapping, and what detached it.",
        discussion: """
            The kernel finds a futex that several processes share through its page. When \
            get_futex_key() pins that page and the page has no mapping, the kernel must retry or \
            fail with EFAULT. futexscope reports each such observation: the victim, the number of \
            passes, the result, the page and its file, which operation detached the page and which \
            task did it, and what each of six rules, past, present and proposed, would have returned.

            EXAMPLES:
              futexscope doctor                   check what this host permits
              futexscope trace                    show findings until Ctrl-C
              futexscope trace -p 4711 -d 60      trace one process for a minute
              futexscope trace -f json -o f.json  write findings for another program
              futexscope record -o app.ctf        record for a later report
              futexscope report app.ctf           analyse a recording
              futexscope serve                    serve metrics and a live page
              futexscope provoke hole-punch       make one cause happen

            EXIT CODES:
              0 done, 1 failed while running, 64 usage, 77 not permitted on this host
            """,
        version: "futexscope \(version) (\(architecture))",
        subcommands: [
            Trace.self, Record.self, Report.self, Export.self, Serve.self, Doctor.self, Provoke.self,
        ])

    static func main() {
        ThisProcess.occupyStandardStreams()
        ThisProcess.ignoreClosedPipes()
        Supervisor.adopt()
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            let ending = Ending(error)
            ending.show()
            ThisProcess.exit(ending.code)
        }
    }
}

/// How a run ends that threw an error: help and version are such errors too.
struct Ending: Equatable {
    var code: Int32
    /// For standard output: help or version.
    var answer: String?
    /// For standard error: one line.
    var complaint: String?

    init(_ error: any Error) {
        code = Futexscope.exitCode(for: error).rawValue
        switch error {
        case let failure as CommandError:
            (code, complaint) = (failure.exitCode, failure.message)
        case let failure as CaptureError:
            (code, complaint) = (failure.exitCode, failure.message)
        case let failure as ServiceError:
            (code, complaint) = (failure.exitCode, failure.message)
        case is ExitCode:
            break
        case _ where code == 0:
            answer = Futexscope.fullMessage(for: error)
        default:
            complaint = Self.usage(error)
        }
    }

    /// What is wrong with the arguments and which help to read, in one line.
    private static func usage(_ error: any Error) -> String {
        let lines = Futexscope.message(for: error).split(separator: "\n")
        var text = lines.map { String($0.drop { $0 == " " }) }.joined(separator: "; ")
        if text.hasSuffix(".") { text.removeLast() }
        let full = Futexscope.fullMessage(for: error)
        guard let hint = full.split(separator: "\n").last(where: { $0.has("--help") }),
            let start = hint.firstIndex(of: "'"), let end = hint.lastIndex(of: "'"), start < end
        else { return text }
        return text + "; see `\(hint[hint.index(after: start)..<end])`"
    }

    func show() {
        if let answer { try? OutputFile.standardOutput.write(answer + "\n") }
        if let complaint { Messages.emit(complaint) }
    }
}

/// Why a command cannot do what its arguments ask for.
struct CommandError: Error, Equatable {
    /// One line: what was tried, on what, what was expected, what to do.
    var message: String
    /// 1 failed while running, 64 usage, 77 not permitted on this host.
    var exitCode: Int32

    static func usage(_ message: String) -> CommandError { CommandError(message: message, exitCode: 64) }
    static func running(_ message: String) -> CommandError { CommandError(message: message, exitCode: 1) }
}

// SPDX-License-Identifier: Apache-2.0

// The root of the command. It knows its subcommands and how a run ends: help and version on standard
// output, one line on standard error for whatever went wrong, and the exit code that belongs to it.

internal import ArgumentParser
internal import Capture
internal import Service

@main
struct Futexscope: ParsableCommand {
    static let number = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "futexscope",
        abstract: "Show every futex lookup that met a page without a mapping, and what took it away.",
        discussion: """
            A futex that processes share is found through its page. When get_futex_key() pins that \
            page and finds no mapping, it has to try again or to fail with EFAULT. futexscope shows \
            each time this happens: who was hit, how many passes it took, what came back, which page \
            of which file, what took the mapping away and who did it, and what each of the kernel's \
            rules, past and present, would have made of it.

            EXAMPLES:
              futexscope doctor                   what this host allows
              futexscope trace                    live findings until Ctrl-C
              futexscope trace -p 4711 -d 60      one process for a minute
              futexscope trace -f json -o f.json  findings for another program
              futexscope serve                    metrics for Prometheus, and a live page
              futexscope provoke hole-punch       make one cause happen

            EXIT CODES:
              0 done, 1 failed while running, 64 usage, 77 this host does not permit it
            """,
        version: "futexscope \(number)",
        subcommands: [
            Trace.self, Record.self, Report.self, Export.self, Serve.self, Doctor.self, Provoke.self,
        ])

    static func main() {
        Descriptor.occupyStandardStreams()
        Descriptor.ignoreClosedPipes()
        Supervisor.adopt()
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            let ending = Ending(error)
            ending.tell()
            Descriptor.exit(ending.code)
        }
    }
}

/// How a run ends that did not end by itself.
struct Ending: Equatable {
    var code: Int32
    /// For standard output: help or version.
    var answer: String?
    /// For standard error: one line.
    var complaint: String?

    init(_ error: any Error) {
        code = Futexscope.exitCode(for: error).rawValue
        switch error {
        case let failure as CommandFailure:
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

    /// What was wrong with the arguments, and where to read about them, in one line.
    private static func usage(_ error: any Error) -> String {
        let lines = Futexscope.message(for: error).split(separator: "\n")
        var text = lines.map { String($0.drop { $0 == " " }) }.joined(separator: "; ")
        if text.hasSuffix(".") { text.removeLast() }
        let full = Futexscope.fullMessage(for: error)
        guard let hint = full.split(separator: "\n").last(where: { $0.contains("--help") }),
            let start = hint.firstIndex(of: "'"), let end = hint.lastIndex(of: "'"), start < end
        else { return text }
        return text + "; see `\(hint[hint.index(after: start)..<end])`"
    }

    func tell() {
        if let answer { try? Descriptor.standardOutput.write(answer + "\n") }
        if let complaint { Descriptor.tell(complaint) }
    }
}

/// Something that a command cannot do as asked.
struct CommandFailure: Error, Equatable {
    /// One line: what was tried, on what, what was expected, what to do.
    var message: String
    /// 1 failed while running, 64 usage, 77 this host does not permit it.
    var exitCode: Int32

    static func usage(_ message: String) -> CommandFailure { CommandFailure(message: message, exitCode: 64) }
    static func running(_ message: String) -> CommandFailure { CommandFailure(message: message, exitCode: 1) }
}

// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
internal import Provocation

/// `futexscope provoke`: arguments in, report out; everything else is in `Provocation`.
struct Provoke: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "provoke",
        abstract: "Make one cause of an unmapped observation happen.",
        discussion: """
            Two processes, provoke-victim and provoke-culprit, run on one CPU: the first calls \
            FUTEX_WAKE on a shared futex, the second takes its page away.  Run it while `futexscope \
            trace` runs to see the tool work, or alone to test a kernel.  Only files that it makes \
            itself are touched, and they are removed again; SIGKILL alone leaves \
            futexscope-provoke-PID behind.

            EXAMPLES:
              futexscope provoke --list
              futexscope provoke zero-page --calls 1000
              futexscope provoke hole-punch -d 5
              futexscope provoke direct-io-invalidation --path /var/tmp -f json
              futexscope provoke block-zero-out --path /var/tmp

            EXIT CODES:
              0 done, 1 failed while running, 64 usage, 77 this host does not permit it
            """)

    @Argument(help: "What to provoke; --list names all causes.")
    var cause: Cause?

    @Flag(help: "Print each cause in one line, with what it needs.")
    var list = false

    @Option(name: [.customShort("d"), .long], help: ArgumentHelp("How long the victim calls.", valueName: "seconds"))
    var duration: Double?

    @Option(help: ArgumentHelp("How often the victim calls, instead of a duration.", valueName: "n"))
    var calls: Int?

    @Option(
        help: ArgumentHelp(
            "Where to make the file; for block-zero-out also an unused device, whose first page is overwritten.",
            valueName: "directory"))
    var path: String?

    @Option(name: [.customShort("f"), .long], help: "How to print the outcome.")
    var format: ProvocationFormat = .text

    @Option(help: .hidden)
    var play: String?

    func validate() throws {
        if list || play != nil { return }
        if cause == nil { throw ValidationError("Missing expected argument '<cause>'; --list names all causes.") }
        if duration != nil, calls != nil { throw ValidationError("Give --duration or --calls, not both.") }
    }

    func run() throws {
        if let play { throw ExitCode(Provocation.play(play)) }
        guard !list, let cause else { return print(Cause.listing) }
        do {
            let provocation = try Provocation(cause: cause, limit: limit, path: path)
            let report = try provocation.run(playersStartedWith: ["provoke", "--play"])
            print(format == .json ? report.json : report.text)
        } catch {
            throw CommandFailure(message: error.description, exitCode: error.exitCode)
        }
    }

    private var limit: Provocation.Limit {
        if let duration { return .seconds(duration) }
        if let calls { return .calls(calls) }
        return .standard
    }
}

enum ProvocationFormat: String, CaseIterable, ExpressibleByArgument {
    case text, json
}

extension Cause: ExpressibleByArgument {}

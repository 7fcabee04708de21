// SPDX-License-Identifier: Apache-2.0

// `futexscope provoke`: its arguments, and the report. The run itself is in the module Provocation.

public import ArgumentParser
internal import Provocation

struct Provoke: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "provoke",
        abstract: "Make one cause of an observation happen.",
        usage: "futexscope provoke <cause> [<options>]",
        discussion: """
            Starts two processes on one CPU: provoke-victim calls FUTEX_WAKE on a shared futex, and \
            provoke-culprit detaches the page of that futex. Run it while `futexscope trace` runs, to \
            see findings, or alone, to test a kernel. It overwrites only files that it creates, and a device that \
            --path names; it removes the files at the end. After SIGKILL a file futexscope-provoke-PID is left. \
            Some causes act on the whole host: drop-caches empties its page cache, migration may compact its memory, \
            memory-failure and poisoned take pages of memory out of use until the next boot, no-memory takes all \
            free huge pages. --list says what each needs.

            EXAMPLES:
              futexscope provoke --list
              futexscope provoke zero-page --calls 1000
              futexscope provoke hole-punch -d 500ms
              futexscope provoke direct-io-invalidation --path /var/tmp -f json
              futexscope provoke block-zero-out --path /var/tmp

            EXIT CODES:
              0 done, 1 failed while running, 64 usage, 77 not permitted on this host
            """)

    @Argument(help: "The cause; --list shows all.")
    var cause: ProvokedCause?

    @Flag(help: "Show each cause in one line, with what it needs.")
    var list = false

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("How long the victim makes calls: 10 (seconds), 500ms, 2m.", valueName: "time"),
        transform: Span.init)
    var duration: Span?

    @Option(help: ArgumentHelp("Number of calls of the victim, instead of a duration.", valueName: "n"))
    var calls: Int?

    @Option(
        help: ArgumentHelp(
            "Where to create the file. For block-zero-out also an unused device; its first page is overwritten.",
            valueName: "directory"))
    var path: String?

    @Option(name: .shortAndLong, help: "Format of the report.")
    var format: ReportFormat = .text

    /// How this program starts its two workers.
    @Option(help: .hidden)
    var worker: String?

    func validate() throws {
        if list || worker != nil { return }
        if cause == nil { throw ValidationError("cannot provoke without a cause; expected one that --list shows") }
        if duration != nil, calls != nil {
            throw ValidationError("cannot use --duration with --calls: leave out one of the two")
        }
    }

    func run() throws {
        if let worker { throw ExitCode(Provocation.runWorker(worker)) }
        let output = OutputFile.standardOutput
        guard !list, let cause else { return try output.write(ProvokedCause.listing + "\n") }
        do throws(ProvocationError) {
            let provocation = try Provocation(cause: cause, limit: limit, path: path)
            let report = try provocation.run(workersStartedWith: ["provoke", "--worker"])
            try? output.write(format == .json ? report.json : Array(report.text.utf8))
        } catch {
            throw CommandError(message: error.description, exitCode: error.exitCode)
        }
    }

    private var limit: Provocation.Limit {
        if let duration { return .duration(duration.ns) }
        if let calls { return .calls(calls) }
        return .standard
    }
}

extension ProvokedCause: ExpressibleByArgument {}

// SPDX-License-Identifier: Apache-2.0

// `futexscope trace`: its arguments, and what they ask of the capture. Findings go to standard output or
// to a file; everything else goes to standard error. The run itself is in TraceRun.swift.

internal import ArgumentParser
internal import Capture
internal import Correlation
internal import Events
internal import Presentation

struct Trace: ParsableCommand {
    /// What the letters of a narrow table stand for.
    private static let rules: String = {
        let names = Rule.allCases.map { "\($0.rawValue) (\($0.letter), \($0.kernels))" }.joined(separator: ", ")
        return "\(String(Rule.allCases.map(\.letter))) is what each rule would have returned: \(names); "
            + "each s(ucceeds), f(ails), l(oops) or unknown (?)"
    }()

    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Show findings as they happen, until Ctrl-C, a duration or a count.",
        discussion: """
            Each line is one lookup. In the table, EFAULT! is a failure although the file still \
            backs the address; a question mark after a cause says that it is inferred, and > that \
            the hole was in another page of the same folio. \(rules). Filters choose victims, never culprits. --live \
            shows one screen instead of lines: who is looping now, how often each cause strikes, \
            the latest findings, losses; q quits, p pauses.

            EXAMPLES:
              futexscope trace -n app -d 30
              futexscope trace -c /system.slice/app.service --result EFAULT
              futexscope trace -f json -N 1000 -o findings.json
              futexscope trace --live
              futexscope trace --dry-run

            EXIT CODES:
              0 done (Ctrl-C is a normal end), 1 failed while running, 64 usage,
              77 this host does not permit it
            """)

    @OptionGroup
    var capture: CaptureArguments

    @Option(
        name: [.customShort("N"), .long], help: ArgumentHelp("End after so many findings.", valueName: "n"),
        transform: wholeNumber)
    var count: UInt64?

    // MARK: What comes out

    @Option(help: ArgumentHelp("Only findings with this cause; may be repeated.", valueName: "cause"))
    var cause: [Correlation.Cause] = []

    @Option(name: .shortAndLong, help: "How to write findings.")
    var format: OutputFormat = .table

    @Option(name: .shortAndLong, help: ArgumentHelp("Where to write findings: a new file.", valueName: "file"))
    var output: String?

    @Flag(help: "One screen that is kept up to date, instead of a line for each finding.")
    var live = false

    @Option(
        help: ArgumentHelp("Record the run as well, in a new directory for report and export.", valueName: "directory"))
    var record: String?

    func validate() throws {
        if count == 0 { throw ValidationError("cannot end after 0 findings: -N expects 1 or more") }
        if live, output != nil || format != .table || count != nil {
            throw ValidationError("cannot use -f, -o or -N with --live, which shows a screen: leave out one of the two")
        }
    }

    func run() throws {
        var options = try capture.options()
        if capture.dryRun { return try LiveRun.show(options, format: format) }
        options.tellsActivities = record != nil
        if live { try LiveScreen.check() }
        try TraceRun(trace: self, options: options).run()
    }
}

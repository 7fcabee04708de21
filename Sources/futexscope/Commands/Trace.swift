// SPDX-License-Identifier: Apache-2.0

// `futexscope trace`: its arguments and its help. Findings go to standard output or to a file; everything else goes to
// standard error. The run itself is in TraceRun.swift.

internal import ArgumentParser
internal import Capture
internal import Correlation
internal import Events
internal import Presentation

struct Trace: ParsableCommand {
    /// What the letters of a narrow table stand for.
    private static let rules: String = {
        let names = Rule.allCases.map { "\($0.rawValue) (\($0.letter), \($0.kernels))" }.joined(separator: ", ")
        return "\(String(Rule.allCases.map(\.letter))) shows what each rule would have returned: \(names); "
            + "s is success, f failure, l a loop, ? unknown"
    }()

    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Show findings as they happen, until Ctrl-C, a duration or a count.",
        discussion: """
            Each line is one lookup; ×N more stands for N findings that differ only in time. In the table, EFAULT! marks a spurious failure: the file still \
            backs the address. A question mark after a cause marks an inferred cause; > marks a hole \
            in another page of the same folio. \(rules). Filters select victims, never culprits. --live shows one screen \
            instead of lines: loops in progress, rates by cause, the latest findings, losses; \
            q quits, p pauses.

            EXAMPLES:
              futexscope trace -n app -d 30
              futexscope trace -c /system.slice/app.service --result EFAULT
              futexscope trace -f json -N 1000 -o findings.json
              futexscope trace --columns time,workload,result,cause,culprit,file
              futexscope trace --live
              futexscope trace --dry-run

            EXIT CODES:
              0 done (Ctrl-C is a normal end), 1 failed while running, 64 usage,
              77 not permitted on this host
            """)

    @OptionGroup
    var capture: CaptureArguments

    @Option(
        name: [.customShort("N"), .long], help: ArgumentHelp("End after N findings.", valueName: "n"),
        transform: wholeNumber)
    var count: UInt64?

    // MARK: What comes out

    @Option(help: Vocabulary<Correlation.Cause>.help, transform: { try Vocabulary.causes.value(of: $0) })
    var cause: [Correlation.Cause] = []

    @Option(help: WorkloadGrouping.help)
    var by: WorkloadGrouping = .workload

    @Option(name: .shortAndLong, help: "Format of findings.")
    var format: OutputFormat = .table

    @Option(
        help: ArgumentHelp(
            "Columns of the table, with commas between them.", discussion: "From \(ColumnList.words.list).",
            valueName: "names"), transform: ColumnList.init)
    var columns: ColumnList?

    @Option(name: .shortAndLong, help: ArgumentHelp("Write findings to this new file.", valueName: "file"))
    var output: String?

    @Flag(help: "Show one screen that is updated, instead of a line for each finding.")
    var live = false

    @Option(
        help: ArgumentHelp("Record the run too, in this new directory, for report and export.", valueName: "directory"))
    var record: String?

    func validate() throws {
        if count == 0 { throw ValidationError("cannot end after 0 findings: -N expects 1 or more") }
        if columns != nil, live || format != .table {
            throw ValidationError("cannot choose columns here: --columns is for the table of trace, without --live")
        }
        if live, output != nil || format != .table || count != nil {
            throw ValidationError("cannot use -f, -o or -N with --live, which shows a screen; leave out one of the two")
        }
    }

    func run() throws {
        var options = try capture.options()
        if capture.dryRun { return try LiveRun.show(options, format: format) }
        options.emitsActivities = record != nil
        if live { try LiveScreen.check() }
        try TraceRun(trace: self, options: options).run()
    }
}

// SPDX-License-Identifier: Apache-2.0

// `futexscope report`: its arguments and its help. It analyses recordings or ftrace texts: as text, as an HTML page, or as
// JSON Lines; one, several together, or two side by side.

public import ArgumentParser
internal import Correlation
internal import Events
internal import Presentation

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Analyse recordings or ftrace texts.",
        discussion: """
            Begins with conclusions: what the run means and what to do. Then it shows what each rule \
            would have returned; findings by cause, by culprit and victim, and by \
            file; the distribution of passes and durations; whether observations coincide in time with \
            reclaim, invalidation or truncation; and losses. Needs no privileges. With -f json it \
            writes the lines of `trace -f json`, byte for byte, and one more line with the analysis. \
            Several inputs, such as one from each host, give one report with a column for the \
            host; --compare puts two side by side.

            EXAMPLES:
              futexscope report app.ctf
              futexscope report app.ctf --cause direct-io-invalidation --since 90s
              futexscope report app.ctf --by pid
              futexscope report app.ctf -f html -o app.html
              futexscope report trace.txt
              futexscope report db-1.ctf db-2.ctf db-3.ctf
              futexscope report --compare before.ctf after.ctf
              ssh host cat /sys/kernel/tracing/trace | futexscope report -

            EXIT CODES:
              0 done, 1 the input cannot be read, 64 usage
            """)

    @Argument(help: AnalysisArguments.inputHelp)
    var inputs: [String]

    @OptionGroup
    var analysis: AnalysisArguments

    @Option(name: .shortAndLong, help: "Format of the report.")
    var format: AnalysisFormat = .text

    @Option(help: WorkloadGrouping.help)
    var by: WorkloadGrouping = .workload

    @Flag(help: "Put two inputs side by side, with rates and their 95 % intervals.")
    var compare = false

    func validate() throws {
        if inputs.count(where: { $0 == "-" }) > 1 {
            throw ValidationError("cannot read standard input twice; expected - once")
        }
        guard compare else { return }
        if inputs.count != 2 {
            throw ValidationError(
                "cannot compare \(counted(inputs.count, "input")); expected two, such as --compare before.ctf after.ctf"
            )
        }
        if format == .html { throw ValidationError("cannot write a comparison as html; expected -f text or -f json") }
    }

    func run() throws {
        let run = AnalysisRun(
            arguments: analysis, showsOmissions: format != .json && !compare, grouping: by)
        if inputs.count == 1 {
            try run.analyse(inputs) { input, output in
                let origin = ReportOrigin(source: input, filters: analysis.filterText)
                return switch format {
                case .text: ReportText(width: output.tableWidth, colour: output.wantsColour, origin: origin)
                case .json: JSONLines(origin: origin)
                case .html: ReportHTML(origin: origin)
                }
            }
        } else if compare {
            try run.analyse(inputs, format: { _, _ in NoFormat() }) { runs, _ in
                guard runs.count == 2 else { return [] }
                let comparison = Comparison(runs[0], runs[1])
                if let input = comparison.inputWithoutRates {
                    throw CommandError.usage(
                        "cannot compare \(input): its clock counts something else than nanoseconds, so that there are no rates; expected two inputs with times"
                    )
                }
                return format == .json ? comparison.json : comparison.text
            }
        } else {
            try run.analyse(inputs) { input, _ in
                guard format == .json else { return NoFormat() }
                return JSONLines(origin: ReportOrigin(source: input, filters: analysis.filterText))
            } end: { runs, output in
                let merged = MergedReport(runs)
                return switch format {
                case .text: merged.text(width: output.tableWidth, colour: output.wantsColour)
                case .json: merged.json
                case .html: merged.page
                }
            }
        }
    }
}

extension WorkloadGrouping: ExpressibleByArgument {
    static let help = ArgumentHelp(
        "How to group tasks in \"who hit whom\" and in the conclusions.", valueName: "grouping")
}

/// The format of a report.
enum AnalysisFormat: String, CaseIterable, ExpressibleByArgument {
    case text, json, html
}

// SPDX-License-Identifier: Apache-2.0

// `futexscope report`: its arguments and its help. It analyses a recording or an ftrace text: as text, as an HTML page,
// or as JSON Lines.

public import ArgumentParser
internal import Correlation
internal import Presentation

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Analyse a recording or an ftrace text.",
        discussion: """
            Begins with conclusions: what the run means and what to do. Then it shows what each rule \
            would have returned; findings by cause, by culprit and victim, and by \
            file; the distribution of passes and durations; whether observations coincide in time with \
            reclaim, invalidation or truncation; and losses. Needs no privileges. With -f json it \
            writes the lines of `trace -f json`, byte for byte, and one more line with the analysis.

            EXAMPLES:
              futexscope report app.ctf
              futexscope report app.ctf --cause direct-io-invalidation --since 90s
              futexscope report app.ctf --by pid
              futexscope report app.ctf -f html -o app.html
              futexscope report trace.txt
              ssh host cat /sys/kernel/tracing/trace | futexscope report -

            EXIT CODES:
              0 done, 1 the input cannot be read, 64 usage
            """)

    @OptionGroup
    var analysis: AnalysisArguments

    @Option(name: .shortAndLong, help: "Format of the report.")
    var format: AnalysisFormat = .text

    @Option(help: WorkloadGrouping.help)
    var by: WorkloadGrouping = .workload

    func run() throws {
        try AnalysisRun(arguments: analysis, showsOmissions: format != .json, grouping: by).run(analysis: true) {
            _, output in
            let origin = ReportOrigin(source: analysis.input, filters: analysis.filterText)
            switch format {
            case .text: return ReportText(width: output.tableWidth, colour: output.wantsColour, origin: origin)
            case .json: return JSONLines(origin: origin)
            case .html: return ReportHTML(origin: origin)
            }
        }
    }
}

extension WorkloadGrouping: ExpressibleByArgument {
    static let help = ArgumentHelp(
        "How to put tasks together in \"who hit whom\" and in the conclusions.", valueName: "grouping")
}

/// The format of a report.
enum AnalysisFormat: String, CaseIterable, ExpressibleByArgument {
    case text, json, html
}

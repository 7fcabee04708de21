// SPDX-License-Identifier: Apache-2.0

// `futexscope report`: what a run that is over means, on one screen, as a page, or for another program.

internal import ArgumentParser
internal import Presentation

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Say what a recording or an ftrace text means.",
        discussion: """
            Shows what each rule would have cost, findings by cause, by who hit whom and by file, how \
            passes and durations are distributed, how observations lie in time against reclaim, \
            invalidation and truncation, and what was lost. Needs no privilege. With json it writes \
            exactly what trace wrote, and one more line with the rest.

            EXAMPLES:
              futexscope report app.ctf
              futexscope report app.ctf --cause direct-io-invalidation --since 90s
              futexscope report app.ctf -f html -o app.html
              futexscope report trace.txt
              ssh host cat /sys/kernel/tracing/trace | futexscope report -

            EXIT CODES:
              0 done, 1 the input cannot be read, 64 usage
            """)

    @OptionGroup
    var analysis: AnalysisArguments

    @Option(name: .shortAndLong, help: "How to write the report.")
    var format: AnalysisFormat = .text

    func run() throws {
        try AnalysisRun(arguments: analysis, showsOmissions: format != .json).run(analysis: true) { _, output in
            let origin = ReportOrigin(source: analysis.input, filters: analysis.filterText)
            switch format {
            case .text: return ReportText(width: output.tableWidth, colour: output.wantsColour, origin: origin)
            case .json: return JSONLines(origin: origin)
            case .html: return ReportHTML(origin: origin)
            }
        }
    }
}

/// How a report about a run is written.
enum AnalysisFormat: String, CaseIterable, ExpressibleByArgument {
    case text, json, html
}

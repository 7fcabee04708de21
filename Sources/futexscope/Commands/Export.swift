// SPDX-License-Identifier: Apache-2.0

// `futexscope export`: its arguments and its help. It writes a recording or an ftrace text in the formats of other
// programs.

public import ArgumentParser
internal import Events
internal import Presentation

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a recording or an ftrace text as CSV, JSON Lines, a Perfetto trace or folded stacks.",
        discussion: """
            A CSV file has rows of one type. JSON Lines have the types that --type names; without \
            --type, the lines of `trace -f json`. A Perfetto trace has all events; open it in \
            https://ui.perfetto.dev. Folded stacks are what flame graphs are drawn from: the call paths \
            of culprits, each with the number of lookups that met its detaches.

            EXAMPLES:
              futexscope export app.ctf > findings.csv
              futexscope export app.ctf --type detaches -o detaches.csv
              futexscope export app.ctf -f json --type activities
              futexscope export app.ctf -f perfetto -o app.pftrace
              futexscope export app.ctf -f folded | flamegraph.pl > app.svg

            EXIT CODES:
              0 done, 1 the input cannot be read, 64 usage
            """)

    @Argument(help: AnalysisArguments.inputHelp)
    var input: String

    @OptionGroup
    var analysis: AnalysisArguments

    @Option(name: .shortAndLong, help: "Format of the export.")
    var format: ExportFormat = .csv

    @Option(help: "Type of rows (default: findings); can be repeated for json.")
    var type: [RowType] = []

    func validate() throws {
        if !type.isEmpty, format == .perfetto {
            throw ValidationError("cannot use --type with -f perfetto, which writes all events; leave out --type")
        }
        if !type.isEmpty, format == .folded {
            throw ValidationError("cannot use --type with -f folded, which counts findings; leave out --type")
        }
        if type.count > 1, format == .csv {
            throw ValidationError("cannot write several types to one CSV file; expected one --type, or -f json")
        }
    }

    func run() throws {
        try AnalysisRun(arguments: analysis, showsOmissions: false).export(input) { run, output in
            switch format {
            case .csv: return CSV(rows: type.first ?? .findings)
            case .json: return type.isEmpty ? JSONLines() : JSONLines(rows: Set(type))
            case .folded: return Folded()
            case .perfetto:
                if output.isTerminal {
                    throw CommandError.usage("cannot write a Perfetto trace to a terminal; try -o trace.pftrace")
                }
                guard !run.hasCountsForTimes else {
                    throw CommandError.running(
                        "cannot write a Perfetto trace: the clock of the input counts something else than nanoseconds; use -f csv or json"
                    )
                }
                return Perfetto(of: run)
            }
        }
    }
}

/// The format of an export.
enum ExportFormat: String, CaseIterable, ExpressibleByArgument {
    case csv, json, perfetto, folded
}

extension RowType: ExpressibleByArgument {}

// SPDX-License-Identifier: Apache-2.0

// `futexscope export`: its arguments and its help. It writes a recording or an ftrace text in the formats of other
// programs.

public import ArgumentParser
internal import Events
internal import Presentation

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a recording or an ftrace text as CSV, JSON Lines or a Perfetto trace.",
        discussion: """
            A CSV file has rows of one type. JSON Lines have the types that --type names; without \
            --type, the lines of `trace -f json`. A Perfetto trace has all events; open it in \
            https://ui.perfetto.dev.

            EXAMPLES:
              futexscope export app.ctf > findings.csv
              futexscope export app.ctf --type detaches -o detaches.csv
              futexscope export app.ctf -f json --type activities
              futexscope export app.ctf -f perfetto -o app.pftrace

            EXIT CODES:
              0 done, 1 the input cannot be read, 64 usage
            """)

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
        if type.count > 1, format == .csv {
            throw ValidationError("cannot write several types to one CSV file; expected one --type, or -f json")
        }
    }

    func run() throws {
        try AnalysisRun(arguments: analysis, showsOmissions: false).run(analysis: false) { run, output in
            switch format {
            case .csv: return CSV(rows: type.first ?? .findings, of: run)
            case .json: return type.isEmpty ? JSONLines() : JSONLines(rows: Set(type), of: run)
            case .perfetto:
                if output.isTerminal {
                    throw CommandError.usage("cannot write a Perfetto trace to a terminal; try -o trace.pftrace")
                }
                return Perfetto(of: run)
            }
        }
    }
}

/// The format of an export.
enum ExportFormat: String, CaseIterable, ExpressibleByArgument {
    case csv, json, perfetto
}

extension RowType: ExpressibleByArgument {}

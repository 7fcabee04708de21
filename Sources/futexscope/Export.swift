// SPDX-License-Identifier: Apache-2.0

// `futexscope export`: a run that is over in the formats of other programs.

public import ArgumentParser
internal import Events
internal import Presentation

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a recording or an ftrace text as CSV, JSON Lines or a Perfetto trace.",
        discussion: """
            CSV has one kind of rows a file; JSON Lines have the kinds that --type names, else what trace \
            writes; a Perfetto trace has everything, and opens in https://ui.perfetto.dev.

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

    @Option(name: .shortAndLong, help: "What to write.")
    var format: ExportFormat = .csv

    @Option(help: "What rows are about (default: findings); may be repeated for json.")
    var type: [RowType] = []

    func validate() throws {
        if !type.isEmpty, format == .perfetto {
            throw ValidationError("cannot choose what a Perfetto trace holds: it has everything; leave out --type")
        }
        if type.count > 1, format == .csv {
            throw ValidationError("cannot write rows of several kinds to one file of CSV: give one --type, or -f json")
        }
    }

    func run() throws {
        try AnalysisRun(arguments: analysis, showsOmissions: false).run(analysis: false) { run, output in
            switch format {
            case .csv: return CSV(rows: type.first ?? .findings, of: run)
            case .json: return type.isEmpty ? JSONLines() : JSONLines(rows: Set(type), of: run)
            case .perfetto:
                if output.isTerminal {
                    throw CommandFailure.usage("cannot write a Perfetto trace to a terminal: try -o trace.pftrace")
                }
                return Perfetto(of: run)
            }
        }
    }
}

/// What an export is for.
enum ExportFormat: String, CaseIterable, ExpressibleByArgument {
    case csv, json, perfetto
}

extension RowType: ExpressibleByArgument {}

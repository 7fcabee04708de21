// SPDX-License-Identifier: Apache-2.0

// `futexscope doctor`: shows what this host permits and which hook each probe gets, or prints the script that records
// without BPF. Nothing stays attached.

internal import ArgumentParser
internal import Capture
internal import Events
internal import Ftrace
internal import Presentation

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check what this host permits, and which hook each probe gets.",
        discussion: """
            Attaches each probe with the best hook that the kernel permits, detaches it at once, and \
            shows the result and what to do about the rest.

            EXIT CODES:
              0 tracing is possible, 64 usage, 77 tracing is not permitted
            """)

    @Option(name: .shortAndLong, help: ArgumentHelp("Format of the report.", valueName: "text|json"))
    var format: ReportFormat = .text

    @Flag(
        name: .customLong("ftrace-recipe"),
        help: "Print a shell script that records with ftrace, without BPF, for a later report.")
    var wantsRecipe = false

    func run() throws {
        if wantsRecipe {
            // Nothing is traced, so it works where BPF is not permitted.
            try OutputFile.standardOutput.write(FtraceRecipe(facts: KernelFacts.read()).script)
            return
        }
        var report = DoctorReport(host: LiveSources.host(), probes: [])
        if report.host.refusal == nil {
            do throws(CaptureError) {
                report.probes = try LiveSources.plan(CaptureOptions())
            } catch {
                report.host.refusal = error.message
            }
        }
        let output = OutputFile.standardOutput
        try? output.write(format == .json ? report.json : Array(report.text(colour: output.wantsColour).utf8))
        if report.host.refusal != nil { throw ExitCode(77) }
    }
}

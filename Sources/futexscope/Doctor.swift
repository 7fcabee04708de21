// SPDX-License-Identifier: Apache-2.0

// `futexscope doctor`: asks the capture what this host allows and which probes it would get, and prints
// the answer; or prints the recipe for recording without BPF. Nothing stays attached.

internal import ArgumentParser
internal import Capture
internal import Events
internal import Ftrace
internal import Presentation

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what this host allows, and what would be attached and how.",
        discussion: """
            Each probe is attached with the best hook that the kernel grants it, and detached at once.

            EXIT CODES:
              0 tracing is possible, 64 usage, 77 it is not
            """)

    @Option(name: .shortAndLong, help: ArgumentHelp("How to print the report.", valueName: "text|json"))
    var format: ReportFormat = .text

    @Flag(
        name: .customLong("ftrace-recipe"),
        help: "Print a shell script that records, without BPF, what a post-mortem needs.")
    var wantsRecipe = false

    func run() throws {
        if wantsRecipe {
            // Nothing is traced, so that it works where tracing with BPF is refused.
            try Descriptor.standardOutput.write(FtraceRecipe(facts: KernelFacts.read()).script)
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
        let output = Descriptor.standardOutput
        try? output.write(format == .json ? report.json : Array(report.text(colour: output.wantsColour).utf8))
        if report.host.refusal != nil { throw ExitCode(77) }
    }
}

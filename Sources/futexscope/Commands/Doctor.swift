// SPDX-License-Identifier: Apache-2.0

// `futexscope doctor`: shows what this host permits and which hook each probe gets, or prints the script that records
// without BPF. Nothing stays attached.

public import ArgumentParser
internal import Capture
internal import Events
public import Ftrace
internal import FtraceCapture
internal import Presentation

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check what this host permits, and which hook each probe gets.",
        discussion: """
            Attaches each probe with the best hook that the kernel permits, detaches it at once, and \
            shows the result and what to do about probes that the kernel refuses.

            EXIT CODES:
              0 tracing is possible, 64 usage, 77 tracing is not permitted
            """)

    @Option(name: .shortAndLong, help: "Format of the report.")
    var format: ReportFormat = .text

    @Option(
        name: .customLong("ftrace-recipe"), defaultAsFlag: .tracefs,
        help: ArgumentHelp(
            """
            Print a shell script that records with ftrace, without BPF, for a later report. With =perf it \
            records with perf; with =persistent, in memory that survives a reset.
            """,
            valueName: "how"))
    var recipe: FtraceRecipe.Recorder?

    @Flag(help: "Remove what killed runs have left in tracefs, and end.")
    var clean = false

    func validate() throws {
        if clean, recipe != nil {
            throw ValidationError("cannot use --clean with --ftrace-recipe; expected one of them")
        }
    }

    func run() throws {
        if clean {
            let lines = try Leftovers.remove()
            for line in lines { Messages.emit(line) }
            if lines.isEmpty { Messages.emit("killed runs have left nothing in tracefs") }
            return
        }
        if let recipe {
            // Nothing is traced, so it works where BPF is not permitted.
            let facts = try LiveSources.recipeFacts()
            if recipe == .persistent, !facts.canPersist {
                throw CaptureError.notPermitted(
                    "this kernel cannot keep a trace over a reset, which needs Linux 6.12 or later; expected --ftrace-recipe or --ftrace-recipe=perf"
                )
            }
            try OutputFile.standardOutput.write(FtraceRecipe(facts: facts, recorder: recipe).script)
            return
        }
        var report = DoctorReport(host: LiveSources.host(), probes: [])
        do throws(CaptureError) {
            let choice = try LiveSources.plan(CaptureOptions())
            report.probes = choice.result
            report.host.refusal = nil
            if choice.isSubstitute {
                report.host.checks.append(
                    HostReport.Check(name: "source", value: "ftrace, in place of BPF", isFine: true, advice: nil))
            }
            if let layout = choice.layout {
                report.host.checks.append(
                    HostReport.Check(name: "layout", value: Self.text(of: layout), isFine: true, advice: nil))
            }
        } catch {
            report.host.refusal = error.message
        }
        let output = OutputFile.standardOutput
        try? output.write(format == .json ? report.json : Array(report.text(colour: output.wantsColour).utf8))
        if report.host.refusal != nil { throw ExitCode(77) }
    }

    private static func text(of layout: KernelFacts.Layout.Source) -> String {
        switch layout {
        case .btf: "read from BTF"
        case .measured: "measured on this kernel"
        }
    }
}

extension FtraceRecipe.Recorder: ExpressibleByArgument {}

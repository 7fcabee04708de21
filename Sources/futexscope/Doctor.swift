// `futexscope doctor`: asks the capture what this host allows and which probes it would get, and prints
// the answer. Nothing stays attached.

internal import ArgumentParser
internal import Capture
internal import Presentation

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what this host allows, and what would be attached and how.",
        discussion: """
            Each probe is attached with the best hook that the kernel grants it, and detached at once.

            EXIT CODES:
              0 tracing is possible, 64 usage, 77 it is not
            """)

    @Option(name: .shortAndLong, help: ArgumentHelp("How to print the report.", valueName: "text|json"))
    var format: ReportFormat = .text

    func run() throws {
        let host = HostReport.read()
        var report = DoctorReport(
            kernelRelease: host.kernelRelease,
            checks: host.checks.map {
                DoctorReport.Check(name: $0.name, value: $0.value, isFine: $0.isFine, advice: $0.advice)
            },
            refusal: host.refusal, probes: [])
        if host.permitsTracing {
            do throws(CaptureError) {
                report.probes = try LiveCapture.plan(options: CaptureOptions()).map(Probe.init)
            } catch {
                report.refusal = error.message
            }
        }
        let output = Descriptor.standardOutput
        try? output.write(format == .json ? report.json : Array(report.text(colour: output.wantsColour).utf8))
        if report.refusal != nil { throw ExitCode(77) }
    }
}

// `futexscope doctor`: asks the capture what this host allows and which probes it would get, and prints
// the answer. Nothing stays attached.

internal import ArgumentParser
internal import Capture
internal import Events
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
        var report = DoctorReport(host: HostReport.read(), probes: [])
        if report.host.refusal == nil {
            do throws(CaptureError) {
                report.probes = try LiveCapture.plan(options: CaptureOptions())
            } catch {
                report.host.refusal = error.message
            }
        }
        let output = Descriptor.standardOutput
        try? output.write(format == .json ? report.json : Array(report.text(colour: output.wantsColour).utf8))
        if report.host.refusal != nil { throw ExitCode(77) }
    }
}

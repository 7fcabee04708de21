// `futexscope trace`: its arguments, and what they ask of the capture. Findings go to standard output or
// to a file; everything else goes to standard error. The run itself is in TraceRun.swift.

internal import ArgumentParser
internal import Capture
internal import Correlation
internal import Events
internal import Presentation

struct Trace: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show findings as they happen, until Ctrl-C, a duration or a count.",
        discussion: """
            Each line is one lookup. In the table, EFAULT! is a failure although the file still \
            backs the address; a question mark after a cause says that it is inferred, and > that \
            the hole was in another page of the same folio. R/E/S is what each rule would have \
            made of it: retry (2.6.28 to 3.2), efault (proposed in 2011), swizzle (3.3 to today), \
            each s(ucceeds), f(ails) or l(oops). Filters choose victims, never culprits.

            EXAMPLES:
              futexscope trace -n app -d 30
              futexscope trace -c /system.slice/app.service --result EFAULT
              futexscope trace -f json -N 1000 -o findings.json
              futexscope trace --dry-run

            EXIT CODES:
              0 done (Ctrl-C is a normal end), 1 failed while running, 64 usage,
              77 this host does not permit it
            """)

    // MARK: Which victims

    @Option(name: .shortAndLong, help: "Only this process.", transform: wholeNumber)
    var pid: UInt32?

    @Option(name: .shortAndLong, help: "Only this thread.", transform: wholeNumber)
    var tid: UInt32?

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Only tasks of this name.", valueName: "name"))
    var comm: String?

    @Option(name: .shortAndLong, help: ArgumentHelp("Only tasks in this control group or below.", valueName: "path"))
    var cgroup: String?

    @Option(name: .shortAndLong, help: "Only tasks of this user.", transform: wholeNumber)
    var uid: UInt32?

    // MARK: Which lookups

    @Option(
        help: ArgumentHelp("Only lookups with at least so many passes (default: 0).", valueName: "n"),
        transform: wholeNumber)
    var minPasses: UInt64 = 0

    @Option(
        help: ArgumentHelp("Only lookups that took at least so long: 500us, 2ms.", valueName: "time"),
        transform: Span.init)
    var minDuration: Span?

    @Option(
        help: ArgumentHelp("Only lookups that returned ok or this error: EFAULT.", valueName: "result"),
        transform: LookupResult.init)
    var result: LookupResult?

    @Flag(help: "Every shared lookup, also those that met nothing.")
    var all = false

    @Option(
        help: ArgumentHelp("A lookup with so many passes is a loop (default: 64).", valueName: "n"),
        transform: wholeNumber)
    var loopPasses: UInt64 = Correlator.Thresholds().passes

    @Option(
        help: ArgumentHelp("A lookup that takes so long is a loop (default: 10ms).", valueName: "time"),
        transform: Span.init)
    var loopDuration: Span?

    // MARK: How long

    @Option(
        name: .shortAndLong, help: ArgumentHelp("End after so long: 10 (seconds), 500ms, 2m.", valueName: "time"),
        transform: Span.init)
    var duration: Span?

    @Option(
        name: [.customShort("N"), .long], help: ArgumentHelp("End after so many findings.", valueName: "n"),
        transform: wholeNumber)
    var count: UInt64?

    // MARK: What comes out

    @Option(name: .shortAndLong, help: "How to write findings.")
    var format: OutputFormat = .table

    @Option(name: .shortAndLong, help: ArgumentHelp("Where to write findings: a new file.", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("A file to make, with the pid, once all is attached.", valueName: "file"))
    var readyFile: String?

    @Flag(help: "Show kernel addresses instead of page ids.")
    var kernelAddresses = false

    @Flag(name: .shortAndLong, help: "Say how each probe is attached.")
    var verbose = false

    // MARK: How to attach

    @Option(help: "Which hooks to use.")
    var attach: AttachMode = .auto

    @Option(
        help: ArgumentHelp(
            "Size of the ring buffer, a power of two from 4096 (default: 8M).", valueName: "bytes"),
        transform: RingSize.init)
    var ringSize: RingSize?

    @Flag(help: "Let the kernel count what the tool's own programs cost.")
    var bpfStats = false

    @Flag(help: "Show what would be attached, and end.")
    var dryRun = false

    func validate() throws {
        if count == 0 { throw ValidationError("cannot end after 0 findings: -N expects 1 or more") }
        if duration?.ns == 0 { throw ValidationError("cannot trace for no time: -d expects more than 0") }
        if let comm, comm.utf8.count > 15 {
            throw ValidationError(
                "cannot match the name '\(comm)': the kernel keeps 15 bytes of a task's name; try -n '\(Comm(comm).text)'"
            )
        }
    }

    func run() throws {
        let options = try captureOptions()
        if dryRun { return try show(LiveCapture.plan(options: options)) }
        try TraceRun(trace: self, options: options).run()
    }

    private func captureOptions() throws -> CaptureOptions {
        var options = CaptureOptions()
        options.attach = attach
        options.victims.pid = try pid.map(existingProcess)
        options.victims.tid = try tid.map(existingThread)
        options.victims.uid = uid
        options.victims.comm = comm.map { Comm($0) }
        options.victims.cgroup = try cgroup.map { try CgroupFilter(path: $0) }
        options.emitAll = all
        options.minPasses = minPasses
        options.minDurationNs = minDuration?.ns ?? 0
        options.result = result?.number
        if let ringSize { options.ringBytes = ringSize.bytes }
        options.kernelAddresses = kernelAddresses
        options.countsCost = bpfStats
        return options
    }

    private func existingProcess(_ pid: UInt32) throws -> UInt32 {
        guard let process = Descriptor.process(ofThread: pid) else {
            throw CommandFailure.usage(
                "cannot trace process \(pid): there is none; expected the pid of a running process")
        }
        guard process == pid else {
            throw CommandFailure.usage(
                "cannot trace process \(pid): it is a thread of \(process); try -t \(pid) or -p \(process)")
        }
        return pid
    }

    private func existingThread(_ tid: UInt32) throws -> UInt32 {
        guard Descriptor.process(ofThread: tid) != nil else {
            throw CommandFailure.usage(
                "cannot trace thread \(tid): there is none; expected the tid of a running thread")
        }
        return tid
    }

    private func show(_ probes: [ProbeReport]) {
        let output = Descriptor.standardOutput
        let bytes =
            format == .json
            ? DoctorReport.json(probes: probes)
            : Array(DoctorReport.text(probes: probes, colour: output.wantsColour).utf8)
        try? output.write(bytes)
    }
}

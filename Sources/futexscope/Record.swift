// SPDX-License-Identifier: Apache-2.0

// `futexscope record`: its arguments, and the run from the directory made to the last packet written. What
// is recorded is what a trace would see, and besides it every operation that detached pages, for the
// analysis afterwards.

internal import ArgumentParser
internal import Capture
internal import Events
internal import Presentation
internal import Recording

struct Record: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "record",
        abstract: "Record events for an analysis afterwards, elsewhere, without root.",
        discussion: """
            Makes a directory in the Common Trace Format 1.8: `futexscope report` reads it, and so do \
            babeltrace2 and Trace Compass. It ends with Ctrl-C, after a duration, at the size limit, \
            or with the command that is given after --; then its exit status is the command's. What is \
            written stays readable whatever happens to the process. Filters choose victims, never \
            culprits. With --hindsight the directory gets a recording of its own for each moment \
            that --on names, named by its time, with what came before it.

            EXAMPLES:
              futexscope record -o app.ctf -n app -d 60
              futexscope record -o night.ctf --max-size 2G --rotate
              futexscope record -o bench.ctf -- ./bench --threads 8
              futexscope record -o moments --hindsight 60s --on spurious --on loop
              futexscope report app.ctf

            EXIT CODES:
              0 done (Ctrl-C is a normal end), 1 failed while running, 64 usage,
              77 this host does not permit it, 127 there is no such command; with a
              command, its own
            """)

    @OptionGroup
    var capture: CaptureArguments

    // MARK: Where to

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "The recording: a new directory; with --hindsight a directory for recordings.", valueName: "directory"))
    var output: String

    @Option(
        help: ArgumentHelp("End at this size: 64M, 2G (default: no limit).", valueName: "bytes"),
        transform: RecordingSize.init)
    var maxSize: RecordingSize?

    @Flag(help: "At the size limit let the oldest part give way instead of ending.")
    var rotate = false

    // MARK: Only the moments that matter

    @OptionGroup
    var moments: HindsightArguments

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp(
            "A command, after --: its start begins the recording and its end ends it.", valueName: "command"))
    var command: [String] = []

    func validate() throws {
        if rotate, maxSize == nil {
            throw ValidationError("cannot rotate without a limit: --rotate expects --max-size")
        }
        if moments.hindsight != nil, maxSize != nil {
            throw ValidationError(
                "cannot use --max-size with --hindsight, whose snapshots are bounded by --hindsight, --after and --keep"
            )
        }
    }

    func run() throws {
        var options = try capture.options()
        if capture.dryRun { return try LiveRun.show(options, format: .table) }
        options.tellsActivities = true
        if moments.on.contains(where: \.needsFullDepth) { options.depth = .full }
        try LiveRun.check(capture)
        let child = command.isEmpty ? nil : ChildCommand(command)
        if let name = command.first, child == nil {
            throw CommandFailure(
                message: "cannot run \(name): there is no such command; expected a program by its path or in PATH",
                exitCode: 127)
        }
        // The command runs with the rights of its caller, which this process gives up when all is attached.
        try child?.hold()
        let snapshots = try moments.limits.map {
            try HindsightSink(directory: output, limits: $0, triggers: moments.on, loops: options.loops)
        }
        let sink: any RunRecorder =
            try snapshots
            ?? RecordingSink(directory: output, limits: RecordingLimits(maxBytes: maxSize?.bytes, rotates: rotate))
        if snapshots?.isInFoundDirectory == true { options.keepsFileAccess = true }
        let live: LiveRun
        do throws(CaptureError) {
            live = try LiveRun(capture, options: options)
        } catch {
            sink.abandon()
            throw error
        }
        try sink.begin(live.source.run)
        try child?.start()
        try follow(live, child: child, to: sink, onRequest: snapshots?.ask)
        if let status = child?.waitStatus() { throw ExitCode(status) }
        if sink.hasFailed { throw ExitCode(1) }
    }

    private func follow(
        _ live: LiveRun, child: ChildCommand?, to sink: some RunRecorder, onRequest: (() -> Void)?
    ) throws {
        var limits = RunLimits(endDescriptor: child?.endDescriptor)
        var signals = 0
        limits.endsOnSignal = { number, isFromTerminal in
            if let onRequest, number == RunLimits.request {
                onRequest()
                return false
            }
            // The terminal tells the command itself; a second signal is for this program.
            signals += 1
            guard let child, signals == 1 else { return true }
            if !isFromTerminal { child.send(signal: number) }
            return false
        }
        let status = StatusLine(isShown: child == nil)
        let ending = capture.duration == nil && child == nil ? "; Ctrl-C ends" : ""
        var sink = sink
        try live.follow(limits, ending: ending, into: &sink) { sink in
            let wantsMore = sink.endBatch()
            status.show("recording: \(sink.amount)")
            return wantsMore
        }
        status.clear()
        sink.finish()
    }
}

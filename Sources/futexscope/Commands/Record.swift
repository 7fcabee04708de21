// SPDX-License-Identifier: Apache-2.0

// `futexscope record`: its arguments, its help, and the run from the new directory to the last packet. A recording has
// the events of a trace, and every operation that detached pages, for the analysis in time.

internal import ArgumentParser
internal import Capture
internal import Events
internal import Presentation
internal import Recording

struct Record: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "record",
        abstract: "Record events. A later report of them needs no root and runs on any host.",
        discussion: """
            Creates a directory in the Common Trace Format 1.8, for `futexscope report`, babeltrace2 \
            and Trace Compass. Ends with Ctrl-C, after a duration, at the size limit, or with the \
            command after --, whose exit status it returns. The recording stays readable when the \
            process is killed or the disk is full. Filters select victims, never culprits. With \
            --hindsight, events stay in memory; each time an --on condition occurs, a recording of \
            the time before and after is written into the directory, named by its time.

            EXAMPLES:
              futexscope record -o app.ctf -n app -d 60
              futexscope record -o night.ctf --max-size 2G --rotate
              futexscope record -o bench.ctf -- ./bench --threads 8
              futexscope record -o moments --hindsight 60s --on spurious --on loop
              futexscope report app.ctf

            EXIT CODES:
              0 done (Ctrl-C is a normal end), 1 failed while running, 64 usage,
              77 not permitted on this host, 127 command not found; with a command, the
              status of the command
            """)

    @OptionGroup
    var capture: CaptureArguments

    // MARK: Where to

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "The recording: a new directory. With --hindsight: a directory for recordings.", valueName: "directory"))
    var output: String

    @Option(
        help: ArgumentHelp("End at this size, such as 64M or 2G (default: no limit).", valueName: "bytes"),
        transform: RecordingSize.init)
    var maxSize: RecordingSize?

    @Flag(help: "At the size limit, drop the oldest part instead of ending.")
    var rotate = false

    // MARK: Only the moments that matter

    @OptionGroup
    var moments: HindsightArguments

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp(
            "A command, after --. The recording starts and ends with it.", valueName: "command"))
    var command: [String] = []

    func validate() throws {
        if rotate, maxSize == nil {
            throw ValidationError("cannot use --rotate without --max-size; expected both")
        }
        if moments.hindsight != nil, maxSize != nil {
            throw ValidationError(
                "cannot use --max-size with --hindsight; expected --hindsight, --after and --keep to limit the snapshots"
            )
        }
    }

    func run() throws {
        var options = try capture.options()
        if capture.dryRun { return try LiveRun.show(options, format: .table) }
        options.emitsActivities = true
        if moments.on.contains(where: \.needsFullDepth) { options.depth = .full }
        try LiveRun.check(capture)
        let child = command.isEmpty ? nil : ChildCommand(command)
        if let name = command.first, child == nil {
            throw CommandError(
                message: "cannot run \(name): command not found; expected the path of a program, or a name in PATH",
                exitCode: 127)
        }
        // The command runs with the capabilities of its caller, which this process drops when all is attached.
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
            live = try LiveRun(capture, options: options, endsWithVictim: child == nil)
        } catch {
            sink.abandon()
            throw error
        }
        try sink.begin(live.source.run)
        try child?.start()
        try follow(live, child: child, to: sink, onRequest: snapshots?.request)
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
            // A terminal sends the signal to the command itself; a second signal is for this program.
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

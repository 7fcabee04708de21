// SPDX-License-Identifier: Apache-2.0

// The arguments that `trace`, `record` and `serve` have in common: which victims, which lookups, how long, how to attach.
// The kernel applies the filters.

internal import ArgumentParser
internal import Capture
internal import Events

/// The arguments of a live run.
struct CaptureArguments: ParsableArguments {
    @OptionGroup
    var wanted: LookupArguments

    @Flag(help: "Report every shared lookup, including those that succeed.")
    var all = false

    @Option(
        help: ArgumentHelp("A lookup with N passes is a loop (default: 64).", valueName: "n"),
        transform: wholeNumber)
    var loopPasses: UInt64 = LoopThresholds().passes

    @Option(
        help: ArgumentHelp("A lookup that takes TIME is a loop (default: 10ms).", valueName: "time"),
        transform: Span.init)
    var loopDuration: Span?

    // MARK: How long

    @Option(
        name: .shortAndLong, help: ArgumentHelp("End after TIME: 10 (seconds), 500ms, 2m.", valueName: "time"),
        transform: Span.init)
    var duration: Span?

    // MARK: How to attach

    @Option(
        help: ArgumentHelp(
            "What to observe with: bpf, ftrace, or auto, which uses bpf, or ftrace where the host refuses bpf."))
    var source: CaptureSource = .auto

    @Option(help: "Hooks to use.")
    var attach: AttachMode = .auto

    @Flag(
        help: "Follow every lookup from entry to return: reports passes and durations too, at a cost for each call.")
    var full = false

    @Option(
        help: ArgumentHelp(
            "Size of the ring buffer: a power of two, one page or more (default: 8M).", valueName: "bytes"),
        transform: RingSize.init)
    var ringSize: RingSize?

    @Flag(help: "Count the CPU time of futexscope's own BPF programs.")
    var bpfStats = false

    // MARK: For scripts

    @Option(help: ArgumentHelp("Create this file, with the pid, when all probes are attached.", valueName: "file"))
    var readyFile: String?

    @Flag(help: "Show kernel addresses instead of page ids.")
    var kernelAddresses = false

    @Flag(name: .shortAndLong, help: "Show how each probe is attached.")
    var verbose = false

    @Flag(help: "Show which probes would be attached, and end.")
    var dryRun = false

    func validate() throws {
        if duration?.ns == 0 { throw ValidationError("cannot trace for 0 seconds; expected more than 0 after -d") }
    }

    /// When an unfinished lookup counts as a loop.
    var loops: LoopThresholds {
        LoopThresholds(passes: loopPasses, durationNs: loopDuration?.ns ?? LoopThresholds().durationNs)
    }

    /// The options of the capture.
    /// - Throws: what is wrong with the process or control group of a filter.
    func options() throws -> CaptureOptions {
        var options = CaptureOptions()
        (options.source, options.attach) = (source, attach)
        options.depth = full ? .full : .sentinel
        options.wanted = wanted.filter
        if let pid = wanted.pid { try checkProcess(pid) }
        if let tid = wanted.tid { try checkThread(tid) }
        options.emitAll = all
        if let ringSize { options.ringBytes = ringSize.bytes }
        options.kernelAddresses = kernelAddresses
        options.countsCost = bpfStats
        options.keepsFileAccess = readyFile != nil
        (options.loops, options.filterText) = (loops, filterText)
        return options
    }

    private func checkProcess(_ pid: UInt32) throws {
        guard let process = TaskFiles.process(ofThread: pid) else {
            throw CommandError.usage(
                "cannot trace process \(pid): it does not exist; expected the pid of a running process")
        }
        guard process == pid else {
            throw CommandError.usage(
                "cannot trace process \(pid): it is a thread of \(process); try -t \(pid) or -p \(process)")
        }
    }

    private func checkThread(_ tid: UInt32) throws {
        guard TaskFiles.process(ofThread: tid) != nil else {
            throw CommandError.usage(
                "cannot trace thread \(tid): it does not exist; expected the tid of a running thread")
        }
    }

    /// The filters as a user types them.
    private var filterText: String {
        (wanted.words + (all ? ["--all"] : [])).joined(separator: " ")
    }
}

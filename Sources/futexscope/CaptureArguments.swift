// SPDX-License-Identifier: Apache-2.0

// What `trace`, `record` and `serve` have in common: which victims, which lookups, how long, how to attach. What
// a user asks for here is applied in the kernel.

internal import ArgumentParser
internal import Capture
internal import Events

/// The arguments of a live run.
struct CaptureArguments: ParsableArguments {
    @OptionGroup
    var wanted: LookupArguments

    @Flag(help: "Every shared lookup, also those that met nothing.")
    var all = false

    @Option(
        help: ArgumentHelp("A lookup with so many passes is a loop (default: 64).", valueName: "n"),
        transform: wholeNumber)
    var loopPasses: UInt64 = LoopThresholds().passes

    @Option(
        help: ArgumentHelp("A lookup that takes so long is a loop (default: 10ms).", valueName: "time"),
        transform: Span.init)
    var loopDuration: Span?

    // MARK: How long

    @Option(
        name: .shortAndLong, help: ArgumentHelp("End after so long: 10 (seconds), 500ms, 2m.", valueName: "time"),
        transform: Span.init)
    var duration: Span?

    // MARK: How to attach

    @Option(help: "Which hooks to use.")
    var attach: AttachMode = .auto

    @Flag(
        help: "Follow every lookup from entry to return: tells passes and durations too, and costs each call.")
    var full = false

    @Option(
        help: ArgumentHelp(
            "Size of the ring buffer, a power of two from 4096 (default: 8M).", valueName: "bytes"),
        transform: RingSize.init)
    var ringSize: RingSize?

    @Flag(help: "Let the kernel count what the tool's own programs cost.")
    var bpfStats = false

    // MARK: For scripts

    @Option(help: ArgumentHelp("A file to make, with the pid, once all is attached.", valueName: "file"))
    var readyFile: String?

    @Flag(help: "Show kernel addresses instead of page ids.")
    var kernelAddresses = false

    @Flag(name: .shortAndLong, help: "Say how each probe is attached.")
    var verbose = false

    @Flag(help: "Show what would be attached, and end.")
    var dryRun = false

    func validate() throws {
        if duration?.ns == 0 { throw ValidationError("cannot trace for no time: -d expects more than 0") }
        if attach == .callsite, let option = optionOfFullDepth {
            throw ValidationError(
                "cannot use --attach callsite with \(option), which needs entry and return of lookups; leave out one of the two"
            )
        }
    }

    /// When an unfinished lookup counts as a loop.
    var loops: LoopThresholds {
        LoopThresholds(passes: loopPasses, durationNs: loopDuration?.ns ?? LoopThresholds().durationNs)
    }

    /// The option that needs more than call sites; nil when there is none.
    private var optionOfFullDepth: String? {
        if full { return "--full" }
        if all { return "--all" }
        if wanted.minPasses > 0 { return "--min-passes" }
        if (wanted.minDuration?.ns ?? 0) > 0 { return "--min-duration" }
        return wanted.result.map { $0.isFailureToMap ? nil : "--result" } ?? nil
    }

    /// As the capture takes them.
    /// - Throws: what is wrong with a process or a control group that was named.
    func options() throws -> CaptureOptions {
        var options = CaptureOptions()
        options.attach = attach
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
        guard let process = Descriptor.process(ofThread: pid) else {
            throw CommandFailure.usage(
                "cannot trace process \(pid): there is none; expected the pid of a running process")
        }
        guard process == pid else {
            throw CommandFailure.usage(
                "cannot trace process \(pid): it is a thread of \(process); try -t \(pid) or -p \(process)")
        }
    }

    private func checkThread(_ tid: UInt32) throws {
        guard Descriptor.process(ofThread: tid) != nil else {
            throw CommandFailure.usage(
                "cannot trace thread \(tid): there is none; expected the tid of a running thread")
        }
    }

    /// The filters as they would be typed.
    private var filterText: String {
        (wanted.words + (all ? ["--all"] : [])).joined(separator: " ")
    }
}

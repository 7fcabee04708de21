// What `trace` and `record` have in common: which victims, which lookups, how long, how to attach. What
// a user asks for here is applied in the kernel.

internal import ArgumentParser
internal import Capture
internal import Events
internal import Presentation

/// The arguments of a live run.
struct CaptureArguments: ParsableArguments {
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
        if let comm, comm.utf8.count > 15 {
            throw ValidationError(
                "cannot match the name '\(comm)': the kernel keeps 15 bytes of a task's name; try -n '\(Comm(comm).text)'"
            )
        }
    }

    /// When an unfinished lookup counts as a loop.
    var loops: LoopThresholds {
        LoopThresholds(passes: loopPasses, durationNs: loopDuration?.ns ?? LoopThresholds().durationNs)
    }

    /// As the capture takes them.
    /// - Throws: what is wrong with a process or a control group that was named.
    func options() throws -> CaptureOptions {
        var options = CaptureOptions()
        options.attach = attach
        options.depth = full ? .full : .sentinel
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
        (options.loops, options.filterText) = (loops, filterText)
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

    /// The filters as they would be typed.
    private var filterText: String {
        let words: [(String, String?)] = [
            ("-p", pid.map { "\($0)" }), ("-t", tid.map { "\($0)" }), ("-n", comm), ("-c", cgroup),
            ("-u", uid.map { "\($0)" }), ("--min-passes", minPasses > 0 ? "\(minPasses)" : nil),
            ("--min-duration", minDuration.map { "\($0.ns)ns" }),
            ("--result", result.map { ErrorNumber.name(ofResult: $0.number) }),
        ]
        let filters = words.compactMap { word, value in value.map { "\(word) \($0)" } }
        return (filters + (all ? ["--all"] : [])).joined(separator: " ")
    }
}

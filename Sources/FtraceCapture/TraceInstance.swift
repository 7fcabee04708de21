// SPDX-License-Identifier: Apache-2.0

// An instance of ftrace for one run, with the run's own probes: defined, switched on, read and removed. Nothing outside of
// it is changed.

import Events
import Ftrace
import Glibc
import System

/// The instance and the probes of one run.
final class TraceInstance {
    /// One processor's buffer.
    private struct Buffer {
        var processor: Int
        var descriptor: Int32
    }

    /// Pages that are read of one buffer before the next buffer is read.
    private static let pagesInRow = 32

    /// Names of the events that the kernel accepted, with the accepted definition.
    private(set) var defined: [String: String] = [:]
    /// Names of the events that it refused, with its reason.
    private(set) var refused: [String: String] = [:]
    /// Tracepoints that are recorded.
    private(set) var tracepoints: [RecordedEvents.Tracepoint] = []
    private let tracefs: Tracefs
    private let name: String
    /// Of all processors that there may be.
    private var buffers: [Buffer] = []
    /// Of processors that ran when the instance was made. The kernel has no buffer for others, and calls a descriptor of such
    /// a one ready at any time.
    private var online: [Buffer] = []
    /// Triggers that were set, by the file of each.
    private var triggers: [String: String] = [:]
    private var page: [UInt8]
    /// The instance was made by this run.
    private var isThere = false

    /// Makes the instance and defines the probes; records nothing yet.
    /// - Throws: with exit code 1 or 77, with nothing left behind.
    init(
        _ tracefs: Tracefs, facts: KernelFacts, use: RecordedEvents.Use, bufferBytes: Int
    ) throws(CaptureError) {
        self.tracefs = tracefs
        name = RunName.own().text
        page = [UInt8](repeating: 0, count: Int(getpagesize()))
        try tracefs.makeInstance(name)
        isThere = true
        do throws(CaptureError) {
            try openBuffers()
            try set("0", "tracing_on")
            try set("mono", "trace_clock")
            try setBufferSize(bufferBytes)
            // Wakes a reader for the first event; kernels before 5.0 always do.
            if tracefs.has("instances/\(name)/buffer_percent") { try set("0", "buffer_percent") }
            let events = RecordedEvents(facts: facts, group: name, for: use)
            for probe in events.probes { try define(probe) }
            for probe in events.probes where defined[probe.name] != nil { try enable(probe, facts: facts) }
            for tracepoint in events.tracepoints
            where tracefs.has("instances/\(name)/events/\(tracepoint.system)/\(tracepoint.name)") {
                try set("1", "events/\(tracepoint.system)/\(tracepoint.name)/enable")
                tracepoints.append(tracepoint)
            }
            try set("1", "tracing_on")
        } catch {
            remove()
            throw error
        }
    }

    deinit { remove() }

    // MARK: Setting up

    /// While one of these files is open, the kernel lets nobody remove the instance.
    private func openBuffers() throws(CaptureError) {
        let directories = tracefs.names(in: "instances/\(name)/per_cpu")
        for processor in directories.compactMap({ Int($0.drop { !$0.isNumber }) }).sorted() {
            let path = "\(tracefs.root)/instances/\(name)/per_cpu/cpu\(processor)/trace_pipe_raw"
            let descriptor = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            guard descriptor >= 0 else { throw .failed("read the buffer \(path)", reason: errorText(errno)) }
            buffers.append(Buffer(processor: processor, descriptor: descriptor))
        }
        guard !buffers.isEmpty else {
            throw .failed("read the instance \(name) of ftrace", reason: "it has no buffers")
        }
        let running = Set(CPUs.online)
        online = buffers.filter { running.contains($0.processor) }
        if online.isEmpty { online = buffers }
    }

    private func set(_ text: String, _ file: String) throws(CaptureError) {
        do throws(SystemError) {
            try tracefs.write(text + "\n", to: "instances/\(name)/\(file)")
        } catch {
            throw .failed("write \(text) to \(file) of an instance of ftrace", reason: error.text)
        }
    }

    private func setBufferSize(_ bytes: Int) throws(CaptureError) {
        let kilobytes = max(1, bytes / 1024 / online.count)
        do throws(SystemError) {
            try tracefs.write("\(kilobytes)\n", to: "instances/\(name)/buffer_size_kb")
        } catch {
            throw .failed(
                "make a buffer of \(kilobytes) KiB on each of \(online.count) processors",
                reason: "\(error.text); expected less; make the ring smaller")
        }
    }

    /// The first definition that this kernel accepts.
    private func define(_ probe: RecordedEvents.Probe) throws(CaptureError) {
        var reason = ""
        for attempt in probe.attempts {
            do throws(SystemError) {
                for line in attempt.split(separator: "\n") {
                    try tracefs.write("\(line)\n", to: "dynamic_events", appending: true)
                }
                defined[probe.name] = attempt
                return
            } catch {
                reason = error.text
                // A definition of several places may be defined in part.
                try? tracefs.write("-:\(name)/\(probe.name)\n", to: "dynamic_events", appending: true)
            }
        }
        refused[probe.name] = reason
        guard !probe.isRequired else {
            throw .notPermitted(
                "the kernel refuses the probe \(probe.name), without which nothing can be observed: \(reason); see \(tracefs.root)/error_log"
            )
        }
    }

    private func enable(_ probe: RecordedEvents.Probe, facts: KernelFacts) throws(CaptureError) {
        let event = "events/\(name)/\(probe.name)"
        let range = facts.lookupCode?.extent
        func within(_ field: String) -> String? {
            range.map {
                "\(field) >= 0x\(String($0.lowerBound, radix: 16)) && \(field) < 0x\(String($0.upperBound, radix: 16))"
            }
        }
        let filter: String? =
            switch probe.filter {
            case .none: nil
            case .condition(let text): text
            case .calledByLookup: within("caller")
            case .returnsToLookup: within("__probe_ret_ip")
            // Kernels that refuse the best definition record no arguments at a return.
            case .returnsOfShared(let text): defined[probe.name] == probe.attempts[0] ? text : nil
            }
        if let filter { try set(filter, event + "/filter") }
        if !probe.trigger.isEmpty {
            try set(probe.trigger, event + "/trigger")
            triggers[event + "/trigger"] = probe.trigger
        }
        try set("1", event + "/enable")
    }

    // MARK: Reading

    /// Readable when a buffer has an event. Whoever reads all of them now and then misses no processor that came later.
    var descriptors: [Int32] { online.map(\.descriptor) }

    /// How many buffers there are; `read` numbers them from 0.
    var bufferCount: Int { buffers.count }

    var pageBytes: Int { page.count }

    /// The kernel's description of the recorded events.
    var formats: [[UInt8]] {
        let own = defined.keys.sorted().map { "events/\(name)/\($0)/format" }
        let others = tracepoints.map { "events/\($0.system)/\($0.name)/format" }
        return (own + others + ["events/ftrace/kernel_stack/format"]).compactMap(tracefs.bytes)
    }

    /// Reads what is in the buffers, page by page.
    /// - Returns: the time before which nothing is left in any of them; the greatest number when nothing is.
    func read(_ take: (_ buffer: Int, _ page: ArraySlice<UInt8>) -> Void) -> UInt64 {
        var end = UInt64.max
        for (place, buffer) in buffers.enumerated() {
            var left = Self.pagesInRow
            while left > 0 {
                // The kernel writes one page at most.
                let count = unsafe Glibc.read(buffer.descriptor, &page, page.count)
                if count < 0, errno == EINTR { continue }
                guard count == page.count else { break }
                take(place, page[...])
                left -= 1
            }
            // A page begins with its time.
            if left == 0 { end = min(end, page[..<8].reversed().reduce(0) { $0 << 8 | UInt64($1) }) }
        }
        return end
    }

    /// Ends recording; what is in the buffers can still be read.
    func switchOff() { try? set("0", "tracing_on") }

    /// What others have switched off, as a clause; nil when nothing is.
    var switchedOff: String? { ProbeSwitches(tracefs: tracefs, name: name).firstOff(of: defined.keys.sorted()) }

    // MARK: Losses

    /// Events that found no room, by the kernel's own count over all processors: overwritten, or never written.
    var overruns: UInt64 {
        buffers.reduce(0) { sum, buffer in
            let stats = tracefs.text(of: "instances/\(name)/per_cpu/cpu\(buffer.processor)/stats") ?? ""
            return stats.split(separator: "\n").reduce(sum) { sum, line in
                let words = line.split(separator: ":")
                guard words.count == 2, ["overrun", "commit overrun", "dropped events"].contains(words[0]) else {
                    return sum
                }
                return sum &+ (UInt64(words[1].drop { $0 == " " }) ?? 0)
            }
        }
    }

    /// Hits of the run's kprobes that the kernel skipped.
    var misses: UInt64 {
        // The profile has no groups; it has the same order as the list of events.
        let events = (tracefs.text(of: "kprobe_events") ?? "").split(separator: "\n").map { line in
            line.drop { $0 != ":" }.dropFirst().prefix { $0 != " " }
        }
        let rows = (tracefs.text(of: "kprobe_profile") ?? "").split(separator: "\n").map {
            $0.split(separator: " ", omittingEmptySubsequences: true)
        }
        let isPaired =
            events.count == rows.count && zip(events, rows).allSatisfy { $0.split(separator: "/").last == $1.first }
        return rows.indices.reduce(0) { sum, row in
            guard rows[row].count == 3, let missed = UInt64(rows[row][2]) else { return sum }
            // If the two lists have changed in between, a miss of another program's probe is counted as well.
            let isOwn = isPaired ? events[row].hasPrefix(name + "/") : defined[String(rows[row][0])] != nil
            return isOwn ? sum &+ missed : sum
        }
    }

    // MARK: The end

    /// Removes the instance and the probes; harmless when done already.
    /// - Returns: why something stays; nil when nothing does.
    @discardableResult
    func remove() -> String? {
        guard isThere else { return nil }
        isThere = false
        // If somebody else reads the instance it stays; the probes shall cost nothing then.
        for (file, trigger) in triggers { try? set("!" + trigger, file) }
        try? set("0", "events/enable")
        for buffer in buffers { close(buffer.descriptor) }
        (buffers, online) = ([], [])
        return Leftovers.remove(name, from: tracefs)
    }
}

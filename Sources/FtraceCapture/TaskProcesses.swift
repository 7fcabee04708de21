// SPDX-License-Identifier: Apache-2.0

// Which process a thread belongs to. ftrace records only the thread, so the process is read from /proc soon after the
// event, while most threads still exist. A process often ends because of the very failure that is looked for; so the
// threads of the process that -p names are remembered. For any other thread that has ended, the process stays unknown.

import Events
import System

/// Finds processes, and remembers them for as long as the number of a thread is certainly not reused.
final class TaskProcesses {
    private static let limit = 4096
    private static let patienceNs: UInt64 = 1_000_000_000
    /// Between two looks at the threads of the wanted process.
    private static let restNs: UInt64 = 100_000_000

    private struct Entry {
        var process: UInt32?
        var comm: Comm
        var until: UInt64
    }

    private let wanted: UInt32?
    private var known: [UInt32: Entry] = [:]
    /// Threads of the wanted process, and when each was seen last.
    private var threads: [UInt32: UInt64] = [:]
    private var latestLook: UInt64?

    private let clock: () -> UInt64

    /// - Parameter clock: monotonic nanoseconds.
    init(wanted: UInt32? = nil, clock: @escaping () -> UInt64 = { Clock.monotonicNs }) {
        (self.wanted, self.clock) = (wanted, clock)
    }

    /// Remembers the threads that the wanted process has now. To be called before events are read.
    func look() {
        let now = clock()
        guard let wanted, latestLook.map({ now - $0 >= Self.restNs }) ?? true else { return }
        latestLook = now
        threads = threads.filter { isRecent($0.value, at: now) }
        for path in paths(matching: "/proc/\(wanted)/task/*") {
            if let thread = path.split(separator: "/").last.flatMap({ UInt32($0) }) { threads[thread] = now }
        }
    }

    /// The process of a thread that had this name; nil when the thread is gone.
    func process(of thread: UInt32, named comm: Comm) -> UInt32? {
        let now = clock()
        if let entry = known[thread], entry.comm == comm, now < entry.until { return entry.process }
        var process = statusField("Tgid", of: String(thread)).flatMap { UInt32($0) }
        // What is read after the end of a run, which takes its time, was recorded before it.
        if let seen = threads[thread], let latestLook, process == nil, isRecent(seen, at: latestLook) {
            process = wanted
        }
        if known.count >= Self.limit { known = [:] }
        known[thread] = Entry(process: process, comm: comm, until: now + Self.patienceNs)
        return process
    }

    private func isRecent(_ time: UInt64, at now: UInt64) -> Bool { now < time + Self.patienceNs }
}

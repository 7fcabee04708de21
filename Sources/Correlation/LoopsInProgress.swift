// SPDX-License-Identifier: Apache-2.0

// Lookups that loop and have not returned, each with its latest finding. Progress and end of a lookup are reported, but
// not the end of a task that is killed meanwhile. Whether the task still exists is a question to the system, and must be
// answered by the caller.

import Events

/// One loop for each thread, in bounded memory.
public struct LoopsInProgress: Sendable {
    /// Loops kept. A further one has no room until another ends.
    public static let limit = 4096
    /// The end of a loop is given this time to arrive before its task is asked for: events travel in batches.
    static let travelNs: UInt64 = 1_000_000_000

    /// A lookup that loops and has not been seen to end.
    public struct Loop: Sendable, Equatable {
        /// The latest one.
        public var finding: Finding
        /// When it was first reported: CLOCK_MONOTONIC nanoseconds.
        public var firstReported: UInt64

        /// When it started, or was first reported where its entry was not seen.
        public var begin: UInt64 { finding.lookup.isTimed ? finding.lookup.start : firstReported }

        /// Passes so far, or retries where the entry was not seen.
        public var passes: UInt64 { finding.lookup.isTimed ? finding.lookup.passes : finding.lookup.retries.total }

        /// Whether it would have been reported again by `now` if it still looped. A long loop whose entry was seen is
        /// reported every second, any other one each time its number of retries has doubled.
        func isSilent(at now: UInt64) -> Bool {
            let lookup = finding.lookup
            let sinceReportNs = now > lookup.time ? now - lookup.time : 0
            let untilDoubledNs = lookup.isTimed ? lookup.time &- lookup.start : 4 &* (lookup.time &- firstReported)
            let isReportedEverySecond = lookup.isTimed && lookup.passes > 64
            return sinceReportNs > 10_000_000_000 &+ (isReportedEverySecond ? 0 : untilDoubledNs)
        }
    }

    private var byThread: [UInt32: Loop] = [:]

    public init() {}

    public var isEmpty: Bool { byThread.isEmpty }
    public var count: Int { byThread.count }

    /// In the order of their threads' numbers.
    public var all: [Loop] { byThread.sorted { $0.key < $1.key }.map(\.value) }

    /// Takes the progress of a loop.
    /// - Returns: false when there is no room for it.
    mutating func update(_ finding: Finding) -> Bool {
        let lookup = finding.lookup
        let known = byThread[lookup.victim.tid]
        guard known != nil || byThread.count < Self.limit else { return false }
        let isSame = known?.finding.lookup.start == lookup.start
        byThread[lookup.victim.tid] = Loop(
            finding: finding, firstReported: isSame ? known?.firstReported ?? lookup.time : lookup.time)
        return true
    }

    /// A lookup of this thread has returned, so the loop before it is over.
    mutating func end(thread: UInt32) { byThread.removeValue(forKey: thread) }

    /// Removes loops whose task cannot be in a lookup, and those that would have been reported again by `now`
    /// (CLOCK_MONOTONIC nanoseconds) and whose end may have been missed: the end of a lookup whose entry was not seen
    /// is not reported, and that of another one only where ends were lost. Otherwise the task still loops, but had no CPU.
    /// - Returns: the removed loops.
    mutating func giveUp(at now: UInt64, endsWereLost: Bool, unless canLoop: (TaskIdentity) -> Bool) -> [Loop] {
        let gone = all.filter { loop in
            let lookup = loop.finding.lookup
            let isOver = (endsWereLost || !lookup.isTimed) && loop.isSilent(at: now)
            return isOver || (now > lookup.time &+ Self.travelNs && !canLoop(lookup.victim))
        }
        for loop in gone { byThread.removeValue(forKey: loop.finding.lookup.victim.tid) }
        return gone
    }
}

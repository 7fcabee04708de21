// SPDX-License-Identifier: Apache-2.0

// Lookups that go round and have not returned, each with what was last told of it. A lookup tells its
// progress and its end, but a task that is killed meanwhile tells nothing any more: whether it still
// exists is a question to the system, which whoever shows loops has to ask.

import Events

/// One loop a thread, in bounded memory.
public struct LoopsInProgress: Sendable {
    /// Loops remembered. One that is told above this has no room until another ends.
    public static let limit = 4096

    /// A lookup that goes round and has not been seen to end.
    public struct Loop: Sendable, Equatable {
        /// As it was told last.
        public var finding: Finding
        /// When it was told first: CLOCK_MONOTONIC nanoseconds.
        public var firstTold: UInt64

        /// When it began, or was told first where its entry was not seen.
        public var begin: UInt64 { finding.lookup.isTimed ? finding.lookup.start : firstTold }

        /// Times that it went round, as last told.
        public var passes: UInt64 { finding.lookup.isTimed ? finding.lookup.passes : finding.lookup.retries.total }

        /// Whether more would have been heard of it by `now`. A long loop whose entry was seen is told every
        /// second, any other when it has gone round twice as often as before.
        func isSilent(at now: UInt64) -> Bool {
            let lookup = finding.lookup
            let sinceToldNs = now > lookup.time ? now - lookup.time : 0
            let untilTwiceNs = lookup.isTimed ? lookup.time &- lookup.start : 4 &* (lookup.time &- firstTold)
            let isToldEverySecond = lookup.isTimed && lookup.passes > 64
            return sinceToldNs > 10_000_000_000 &+ (isToldEverySecond ? 0 : untilTwiceNs)
        }
    }

    private var byThread: [UInt32: Loop] = [:]

    public init() {}

    public var isEmpty: Bool { byThread.isEmpty }
    public var count: Int { byThread.count }

    /// By the number of their thread.
    public var all: [Loop] { byThread.sorted { $0.key < $1.key }.map(\.value) }

    /// Takes the progress of a loop; false when there is no room for it.
    mutating func tell(_ finding: Finding) -> Bool {
        let lookup = finding.lookup
        let known = byThread[lookup.victim.tid]
        guard known != nil || byThread.count < Self.limit else { return false }
        let isSame = known?.finding.lookup.start == lookup.start
        byThread[lookup.victim.tid] = Loop(
            finding: finding, firstTold: isSame ? known?.firstTold ?? lookup.time : lookup.time)
        return true
    }

    /// A lookup of this thread has returned, so the loop before it is over.
    mutating func end(thread: UInt32) { byThread.removeValue(forKey: thread) }

    /// Forgets loops of which more would have been heard by `now` (CLOCK_MONOTONIC nanoseconds), and those
    /// whose task cannot be in a lookup; returns them.
    mutating func giveUp(at now: UInt64, unless canLoop: (TaskIdentity) -> Bool) -> [Loop] {
        let gone = all.filter { $0.isSilent(at: now) || !canLoop($0.finding.lookup.victim) }
        for loop in gone { byThread.removeValue(forKey: loop.finding.lookup.victim.tid) }
        return gone
    }
}

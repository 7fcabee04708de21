// Lookups that go round and have not returned, each with what was last told of it. A lookup tells its
// progress and its end, but a task that is killed meanwhile tells nothing any more: whether it still
// exists is a question to the system, which whoever shows loops has to ask.

public import Events

/// One loop a thread, in bounded memory.
public struct LoopsInProgress: Sendable {
    /// Loops remembered. One that is told above this has no room until another ends.
    public static let limit = 4096

    private var byThread: [UInt32: Finding] = [:]

    public init() {}

    public var isEmpty: Bool { byThread.isEmpty }
    public var count: Int { byThread.count }

    /// By the number of their thread.
    public var all: [Finding] { byThread.sorted { $0.key < $1.key }.map(\.value) }

    /// Takes the progress of a loop; false when there is no room for it.
    public mutating func tell(_ finding: Finding) -> Bool {
        let thread = finding.lookup.victim.tid
        guard byThread[thread] != nil || byThread.count < Self.limit else { return false }
        byThread[thread] = finding
        return true
    }

    /// A lookup of this thread has returned, so the loop before it is over.
    public mutating func end(thread: UInt32) { byThread.removeValue(forKey: thread) }

    /// Forgets the loops of tasks that are gone.
    public mutating func forget(where isGone: (TaskIdentity) -> Bool) {
        byThread = byThread.filter { !isGone($0.value.lookup.victim) }
    }
}

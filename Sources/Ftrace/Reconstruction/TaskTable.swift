// SPDX-License-Identifier: Apache-2.0

// What is known of each task between two lines: the lookup that it is in, and the functions that it has
// entered and not left. Bounded; tasks that are in nothing make room for others.

import Events

/// A lookup that has not returned, or the room for one: it is large, and always where it is.
struct OpenLookup {
    var isOpen = false
    var start: UInt64 = 0
    var address: UInt64 = 0
    var flags: Lookup.Flags = []
    var passes: UInt64 = 0
    var observations: UInt64 = 0
    var retries = RetryCounts()
    var lockWaits: UInt32 = 0
    /// Line of the entry, and of the begin of the pass.
    private var line: UInt64 = 0
    var passLine: UInt64 = 0
    var isPinning = false
    /// The page's pin of this pass has succeeded.
    var isPinned = false
    /// The page that the pin gave, as far as the text says: address of its structure.
    var pinned: UInt64?
    var mappingAtPin: UInt64?
    /// This pass had the function's own unlock, and found swap cache or a mapping there.
    var isUnlocked = false
    var isSwizzled = false
    var page: PageFacts?

    mutating func begin(at time: UInt64, address: UInt64, flags: Lookup.Flags, line: UInt64) {
        self = OpenLookup()
        isOpen = true
        (start, self.address, self.flags, self.line) = (time, address, flags, line)
    }

    /// Observed something, or went back.
    var metSomething: Bool { observations > 0 || passes > 1 }

    /// It has its page and not unlocked it.
    var isWaitingForUnlock: Bool { isOpen && isPinned && !isPinning && !isUnlocked }

    mutating func beginPass(at line: UInt64) {
        (passes, passLine) = (passes &+ 1, line)
        (isPinning, isPinned, isUnlocked, isSwizzled) = (true, false, false, false)
        (pinned, mappingAtPin) = (nil, nil)
        flags.remove(.pinFailed)
    }

    /// The second try of a pin, in the same pass.
    mutating func tryReadOnly() {
        (isPinning, isPinned) = (true, false)
        flags.remove(.pinFailed)
        flags.insert(.readOnly)
    }

    /// The number of the lookup, never 0.
    var id: UInt64 { line }
}

/// A function that was entered, or an operation that has begun.
struct OpenFunction {
    var function: FunctionID
    var kind: ActivityKind?
    var start: UInt64
    /// Bytes of the hole, for fallocate() that punches one.
    var hole: Range<UInt64>?
    /// Detaches in it so far.
    var detaches: UInt64 = 0
    /// Base pages that left the page cache in it.
    var pages: UInt64 = 0
}

/// One task.
struct TaskState {
    var identity: TaskIdentity
    var lookup = OpenLookup()
    /// The outermost first.
    var functions: [OpenFunction] = []
    /// Place of the detach that was this task's last event, so that a stack below belongs to it.
    var detach: Int?

    var isIdle: Bool { !lookup.isOpen && functions.isEmpty }

    /// Functions on the task's stack, as far as their entries were seen.
    func landmarks(_ names: KnownNames) -> Landmarks {
        functions.reduce(into: []) { $0.formUnion(names[$1.function].landmark) }
    }

    /// The operation that somebody asked for: the outermost. Reclaim starts inside any other one and has
    /// nothing to do with it; of several calls of fallocate() the last one counts, which may be that of a
    /// file system below.
    var scope: ActivityKind? {
        if functions.contains(where: { $0.kind == .reclaim }) { return .reclaim }
        let cuts = functions.last { $0.kind == .holePunch || $0.kind == .fallocateOther }
        return cuts?.kind ?? functions.first { $0.kind != nil }?.kind
    }

    var hole: Range<UInt64>? { functions.last { $0.kind == .holePunch || $0.kind == .fallocateOther }?.hole }
}

/// The tasks that were seen.
struct TaskTable {
    /// Some hundred bytes each.
    static let limit = 16_384
    /// Functions inside each other; the deepest way there is has six.
    static let depthLimit = 24

    private var places: [UInt32: Int] = [:]
    /// By the places that `place` gives. Here, and not behind a subscript, which would cost an allocation each time.
    var states: [TaskState] = []
    private var latest = (tid: UInt32.max, place: -1)

    /// The place of a task, which is made if it is new; nil when there is no room.
    mutating func place(of tid: UInt32) -> Int? {
        if latest.tid == tid { return latest.place }
        if let place = places[tid] {
            latest = (tid, place)
            return place
        }
        if states.count >= Self.limit { removeIdle() }
        guard states.count < Self.limit else { return nil }
        let identity = TaskIdentity(pid: tid, tid: tid, comm: Comm(low: 0, high: 0))
        states.append(TaskState(identity: identity))
        places[tid] = states.count - 1
        latest = (tid, states.count - 1)
        return latest.place
    }

    private mutating func removeIdle() {
        states.removeAll(where: \.isIdle)
        places = Dictionary(uniqueKeysWithValues: states.indices.map { (states[$0].identity.tid, $0) })
        latest = (UInt32.max, -1)
    }

    /// Lookups that have not returned, in the order of their tasks' numbers.
    var unfinished: [TaskState] {
        states.filter { $0.lookup.isOpen }.sorted { $0.identity.tid < $1.identity.tid }
    }

    mutating func removeAll() {
        (places, states, latest) = ([:], [], (UInt32.max, -1))
    }
}

// SPDX-License-Identifier: Apache-2.0

// The state of each task between two events: the lookup that it is in, and the functions that it has entered and not
// left. The table is bounded; tasks without state are evicted for others.

import Events

/// A lookup that has not returned, or memory for one: it is large, and stays in its place.
struct OpenLookup {
    var isOpen = false
    var start: UInt64 = 0
    var address: UInt64 = 0
    var flags: Lookup.Flags = []
    var passes: UInt64 = 0
    var observations: UInt64 = 0
    var retries = RetryCounts()
    var lockWaits: UInt32 = 0
    /// Line of the entry, and of the start of the pass.
    private var line: UInt64 = 0
    var passLine: UInt64 = 0
    /// Of the reconstruction when it was entered.
    private(set) var era: UInt64 = 0
    var isPinning = false
    /// The page's pin of this pass has succeeded.
    var isPinned = false
    /// The page that the pin returned, if the text shows it: address of its structure.
    var pinned: UInt64?
    var mappingAtPin: UInt64?
    /// Line of the pin's return, if it shows a mapping of the pinned page.
    var mappedLine: UInt64?
    /// This pass had the function's own unlock, and found swap cache or a mapping there.
    var isUnlocked = false
    var isSwizzled = false
    var page: PageFacts?
    /// Address of its pins, the same in each pass.
    var pinAddress: UInt64?
    /// What the pass before this one had pinned, as long as there may not have been a retry between the two.
    var unconfirmed: Pinned?
    /// Possible retries for which there is no proof; `provenRetries` of them are proven.
    var doubtfulRetries: UInt64 = 0

    /// This number of possible retries in a row cannot be the effect of lost lines.
    static let provenRetries: UInt64 = 8

    /// What a pass had pinned.
    struct Pinned {
        /// Nil where the text does not name it.
        var page: UInt64?
        var mapping: UInt64?
        /// At which its pass began.
        var line: UInt64
        var mappedLine: UInt64?

        init(_ lookup: OpenLookup) {
            (page, mapping, line, mappedLine) =
                (lookup.pinned, lookup.mappingAtPin, lookup.passLine, lookup.mappedLine)
        }
    }

    mutating func begin(at time: UInt64, address: UInt64, flags: Lookup.Flags, line: UInt64, era: UInt64) {
        self = OpenLookup()
        isOpen = true
        (start, self.address, self.flags, self.line, self.era) = (time, address, flags, line, era)
    }

    /// Observed something, or retried.
    var metSomething: Bool { observations > 0 || passes > 1 }

    /// It has pinned its page and not unlocked it.
    var isWaitingForUnlock: Bool { isOpen && isPinned && !isPinning && !isUnlocked }

    mutating func beginPass(at line: UInt64) {
        (passes, passLine) = (passes &+ 1, line)
        (isPinning, isPinned, isUnlocked, isSwizzled) = (true, false, false, false)
        (pinned, mappingAtPin, mappedLine) = (nil, nil, nil)
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
    /// At which it was entered.
    var line: UInt64
    var era: UInt64
    /// Bytes of the hole, for fallocate() that punches one.
    var hole: Range<UInt64>?
    /// Detaches in it so far.
    var detaches: UInt64 = 0
    /// Base pages that left the page cache in it.
    var pages: UInt64 = 0
}

/// One task.
struct TaskState {
    /// Detaches that wait for the end of their function.
    private static let pendingLimit = 256

    var identity: TaskIdentity
    /// Else the thread stands for it.
    private(set) var isProcessKnown = false
    /// A loss was counted for the lookup that it is in, which is not followed.
    var hasMissedObservation = false
    var lookup = OpenLookup()
    /// The outermost first.
    var functions: [OpenFunction] = []
    /// The functions in which it is are known, because an entry or a return was seen.
    var knowsFunctions = false
    /// Place of the detach that was this task's last event, so that a stack on the next lines belongs to it.
    var detach: Int?
    /// The same, and that of its stack does not count.
    var underWay: Int?
    /// Detaches within functions that have not been left yet, or since the task was in none.
    private(set) var pending: [PendingDetach] = []

    struct PendingDetach {
        /// In the table of detaches, and its line there.
        var place: Int
        var line: UInt64
        /// At which its operation was entered; 0 where no function was.
        var entry: UInt64
    }

    var isIdle: Bool { !lookup.isOpen && functions.isEmpty }

    /// Stores the names that an event has for the task; returns the detach that was its last event, to which a stack on
    /// the next lines belongs.
    @inline(__always)
    mutating func takeEvent(_ head: EventHead) -> Int? {
        if let tgid = head.tgid { (identity.pid, isProcessKnown) = (tgid, true) }
        if !head.oddities.contains(.isNameShort) {
            identity.comm = head.comm
        } else if identity.comm.low == 0 {
            // The possible end of a longer name is not used as a name.
            identity.comm = .nameless
        }
        defer { detach = nil }
        return detach
    }

    /// Functions on the task's stack, as far as their entries were seen.
    func landmarks(_ names: KnownNames) -> Landmarks {
        functions.reduce(into: []) { $0.formUnion(names[$1.function].landmark) }
    }

    /// The operation that a task has requested: the outermost one. Reclaim starts inside any other operation and is
    /// independent of it. Of several calls of fallocate() the last one counts, which may be that of a file system
    /// below.
    var operation: OpenFunction? {
        functions.first { $0.kind == .reclaim } ?? cut ?? functions.first { $0.kind != nil }
    }

    private var cut: OpenFunction? { functions.last { $0.kind == .holePunch || $0.kind == .fallocateOther } }
    var hole: Range<UInt64>? { cut?.hole }

    /// The newest ones are kept.
    mutating func await(_ detach: PendingDetach) {
        if pending.count == Self.pendingLimit { pending.removeFirst() }
        pending.append(detach)
    }

    /// The detaches within a function that was entered at this line and has been left. They wait for the functions
    /// around it, unless ends within it are missing.
    mutating func leave(enteredAt line: UInt64, isWhole: Bool) -> [PendingDetach] {
        guard !pending.isEmpty else { return [] }
        let within = isWhole ? pending.filter { $0.line > line } : []
        if functions.isEmpty {
            pending.removeAll(keepingCapacity: true)
        } else if !isWhole {
            pending.removeAll { $0.line > line }
        }
        return within
    }

    /// What comes is in no function that is left later without an entry.
    mutating func stopWaiting() { pending.removeAll(keepingCapacity: true) }

    /// The functions in which it is are not known any more.
    mutating func forgetFunctions() {
        functions.removeAll(keepingCapacity: true)
        pending.removeAll(keepingCapacity: true)
        knowsFunctions = false
    }
}

extension Comm {
    /// The name that the kernel and trace-cmd give to a task about which nothing is known.
    static let nameless = Comm("<...>")
}

/// The tasks that were seen.
struct TaskTable {
    /// Some hundred bytes each.
    static let limit = 16_384
    /// Functions inside each other; the deepest known path has six.
    static let depthLimit = 24

    private var places: [UInt32: Int] = [:]
    /// Indexed by the results of `place`. It is not behind a subscript, which would cost an allocation for each access.
    var states: [TaskState] = []
    private var latest: (tid: UInt32, place: Int)?
    /// Tasks for which there is no room before the table is looked at again: else a table full of open lookups would be
    /// looked at for each further task.
    private var refusals = 0

    /// The place of a task, which is made if it is new; nil when there is no room.
    mutating func place(of tid: UInt32) -> Int? {
        if let latest, latest.tid == tid { return latest.place }
        if let place = places[tid] {
            latest = (tid, place)
            return place
        }
        if states.count >= Self.limit {
            if refusals > 0 { refusals -= 1 } else { removeIdle() }
        }
        guard states.count < Self.limit else { return nil }
        let identity = TaskIdentity(pid: tid, tid: tid, comm: Comm(low: 0, high: 0))
        states.append(TaskState(identity: identity))
        places[tid] = states.count - 1
        latest = (tid, states.count - 1)
        return states.count - 1
    }

    private mutating func removeIdle() {
        states.removeAll(where: \.isIdle)
        if states.count > Self.limit - Self.limit / 16 { refusals = Self.limit / 16 }
        places = Dictionary(uniqueKeysWithValues: states.indices.map { (states[$0].identity.tid, $0) })
        latest = nil
    }

    var isEmpty: Bool { states.isEmpty }

    /// Lookups that have not returned, in the order of their tasks' numbers.
    var unfinished: [TaskState] {
        states.filter { $0.lookup.isOpen }.sorted { $0.identity.tid < $1.identity.tid }
    }

    mutating func removeAll() {
        (places, states, latest, refusals) = ([:], [], nil, 0)
    }
}

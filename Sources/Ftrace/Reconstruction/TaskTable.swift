// SPDX-License-Identifier: Apache-2.0

// The state of each task between two events: the lookup in which it is, and the functions that it has entered and not
// left. The table is bounded: a task without open state is evicted when another one needs its slot.

import Events

/// A lookup that has not returned, if `isOpen`; else memory for one. It is large, so it is not copied.
struct OpenLookup {
    var isOpen = false
    var start: UInt64 = 0
    var address: UInt64 = 0
    var flags: Lookup.Flags = []
    var passes: UInt64 = 0
    var observations: UInt64 = 0
    var retries = RetryCounts()
    var lockWaits: UInt32 = 0
    /// Lines of the entry into the lookup and of the begin of the pass.
    private var line: UInt64 = 0
    var passLine: UInt64 = 0
    /// `Reconstruction.era` at the entry.
    private(set) var era: UInt64 = 0
    var isPinning = false
    /// The pin of this pass has succeeded.
    var isPinned = false
    /// The page that the pin returned, as the address of its structure; nil if the text does not show it.
    var pinned: UInt64?
    /// The field `mapping` of that page at the return of the pin.
    var mappingAtPin: UInt64?
    /// Line of the pin's return, if it shows that the page had a mapping.
    var mappedLine: UInt64?
    /// In this pass get_futex_key() has unlocked the page; then the page was in the swap cache or had a mapping.
    var isUnlocked = false
    var isSwizzled = false
    var page: PageFacts?
    /// The user address that each of its pins has.
    var pinAddress: UInt64?
    /// What the previous pass had pinned, until it is decided whether this pass can be a retry.
    var unconfirmed: Pinned?
    /// Number of passes that can be a retry, or another lookup after missing lines. From `provenRetries` on, all of
    /// them are retries.
    var doubtfulRetries: UInt64 = 0

    /// Lost lines alone cannot make this number of possible retries in a row.
    static let provenRetries: UInt64 = 8

    /// The page that a pass had pinned.
    struct Pinned {
        /// Nil where the text does not show it.
        var page: UInt64?
        var mapping: UInt64?
        /// The line at which the pass began.
        var line: UInt64
        var mappedLine: UInt64?

        init(_ lookup: OpenLookup) {
            (page, mapping, line, mappedLine) =
                (lookup.pinned, lookup.mappingAtPin, lookup.passLine, lookup.mappedLine)
        }
    }

    /// Begins a lookup in this memory.
    mutating func begin(at time: UInt64, address: UInt64, flags: Lookup.Flags, line: UInt64, era: UInt64) {
        self = OpenLookup()
        isOpen = true
        (start, self.address, self.flags, self.line, self.era) = (time, address, flags, line, era)
    }

    /// It has an observation or a retry.
    var metSomething: Bool { observations > 0 || passes > 1 }

    /// It has pinned its page and not unlocked it.
    var isWaitingForUnlock: Bool { isOpen && isPinned && !isPinning && !isUnlocked }

    mutating func beginPass(at line: UInt64) {
        (passes, passLine) = (passes &+ 1, line)
        (isPinning, isPinned, isUnlocked, isSwizzled) = (true, false, false, false)
        (pinned, mappingAtPin, mappedLine) = (nil, nil, nil)
        flags.remove(.pinFailed)
    }

    /// The second pin of a pass, for reading.
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
    /// The line of its entry, and `Reconstruction.era` then.
    var line: UInt64
    var era: UInt64
    /// The bytes of the file that a hole punch removes; nil for other functions.
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
    /// `identity.pid` is the process. Else it is the number of the thread.
    private(set) var isProcessKnown = false
    /// The task is in a lookup that is not followed, and a missed observation was counted for it.
    var hasMissedObservation = false
    /// It is in a lookup that is not followed: a private one, one that the filter rejects, or one that was dropped.
    var isNotFollowed = false
    var lookup = OpenLookup()
    /// The functions that it has entered and not left, the outermost first.
    var functions: [OpenFunction] = []
    /// It is known in which functions the task is, because an entry or a return was seen.
    var knowsFunctions = false
    /// If the task's last event was a detach, its place in the table: a stack on the next lines belongs to it.
    var detach: Int?
    /// The same, but the line that begins the stack of the detach is not seen as an event.
    var underWay: Int?
    /// Detaches that wait for the ends of the functions around them.
    private(set) var pending: [PendingDetach] = []

    struct PendingDetach {
        /// Its place in the table of detaches, and its line, to recognize it there.
        var place: Int
        var line: UInt64
        /// The line of the entry into its operation; 0 where the task was in no known function.
        var entry: UInt64
    }

    var isIdle: Bool { !lookup.isOpen && functions.isEmpty }
    /// It had an event since `TaskTable.takeActive`.
    fileprivate(set) var isActive = false

    /// Its lookup is not followed any more: its start or an event in it is not certain. A loss was counted for it.
    mutating func stopLookup() { (lookup.isOpen, isNotFollowed) = (false, true) }

    /// Stores what an event says about the task: its process and its name. Returns the detach that was its last event,
    /// if any: a stack on the next lines belongs to it.
    @inline(__always)
    mutating func takeEvent(_ head: EventHead) -> Int? {
        if let tgid = head.tgid { (identity.pid, isProcessKnown) = (tgid, true) }
        if !head.oddities.contains(.isNameShort) {
            identity.comm = head.comm
        } else if identity.comm.low == 0 {
            // The name may be only the end of a longer one, so it is not used.
            identity.comm = .nameless
        }
        defer { detach = nil }
        return detach
    }

    /// Landmarks of the functions in which the task is, as far as their entries were seen.
    func landmarks(_ names: KnownNames) -> Landmarks {
        functions.reduce(into: []) { $0.formUnion(names[$1.function].landmark) }
    }

    /// The operation in which the task is: the outermost one, which it has requested. There are two exceptions: reclaim
    /// within another operation is independent of it; and of two calls of fallocate() the inner one counts, that of the
    /// lower file system.
    var operation: OpenFunction? {
        functions.first { $0.kind == .reclaim } ?? cut ?? functions.first { $0.kind != nil }
    }

    private var cut: OpenFunction? { functions.last { $0.kind == .holePunch || $0.kind == .fallocateOther } }
    var hole: Range<UInt64>? { cut?.hole }

    /// Adds a detach that waits, and drops the oldest one where there are too many.
    mutating func await(_ detach: PendingDetach) {
        if pending.count == Self.pendingLimit { pending.removeFirst() }
        pending.append(detach)
    }

    /// The detaches within a function that was entered at this line and has now been left; none if `isWhole` is false,
    /// because ends within it are missing. They continue to wait for the functions around it, unless ends are missing.
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

    /// A function that begins now, or a lookup, shows that the task is in no function whose entry is missing. So an end
    /// without an entry says nothing about earlier detaches.
    mutating func stopWaiting() {
        if !pending.isEmpty { pending.removeAll(keepingCapacity: true) }
    }

    /// It is not known any more in which functions the task is.
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

/// The tasks of the trace, by number.
struct TaskTable {
    /// The largest number of tasks, of some hundred bytes each.
    static let limit = 16_384
    /// The largest number of functions within each other. The deepest known path has six.
    static let depthLimit = 24

    private var places: [UInt32: Int] = [:]
    /// Indexed by the results of `place`. A subscript in its stead would cost an allocation for each access.
    var states: [TaskState] = []
    private var latest: (tid: UInt32, place: Int)?
    /// Tasks with an event since `takeActive`.
    private var active: [Int] = []
    /// Number of new tasks that are refused before the table is searched for idle tasks again. Without it, a table full
    /// of open lookups would be searched for each further task.
    private var refusals = 0

    /// The place of a task, which is added if it is new; nil when there is no room.
    @inline(__always)
    mutating func place(of tid: UInt32) -> Int? {
        if let latest, latest.tid == tid { return latest.place }
        return otherPlace(of: tid)
    }

    @inline(never)
    private mutating func otherPlace(of tid: UInt32) -> Int? {
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
        active = states.indices.filter { states[$0].isActive }
        latest = nil
    }

    @inline(never)
    mutating func activate(_ place: Int) {
        states[place].isActive = true
        active.append(place)
    }

    /// The tasks that had an event since the last call. Only they can have open state that was not there then.
    mutating func takeActive() -> [Int] {
        for place in active { states[place].isActive = false }
        defer { active.removeAll(keepingCapacity: true) }
        return active
    }

    var isEmpty: Bool { states.isEmpty }

    /// Lookups that have not returned, in the order of their tasks' numbers.
    var unfinished: [TaskState] {
        states.filter { $0.lookup.isOpen }.sorted { $0.identity.tid < $1.identity.tid }
    }

    mutating func removeAll() {
        (places, states, latest, refusals, active) = ([:], [], nil, 0, [])
    }
}

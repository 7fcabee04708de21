// SPDX-License-Identifier: Apache-2.0

// What every source yields and every sink understands: a lookup, a detach, an activity, the
// progress of an unfinished lookup, a loss, the names that go with them, and what was counted. All but
// the last two are plain values of fixed size without strings, so that a hundred million of them cost no
// allocation; text (paths, control groups) arrives once, as a `Name`, ahead of the first event that needs
// it.

/// One thing that happened in the kernel or on the way from there.
public enum Event: Sendable, Equatable {
    case lookup(Lookup)
    case progress(Lookup)
    case detach(Detach)
    case activity(Activity)
    case name(Name)
    case lost(Loss)
    /// What the source has counted since it began; each replaces the one before.
    case totals(Totals)

    /// When it was told; nil when it does not say.
    public var time: UInt64? {
        switch self {
        case .lookup(let lookup), .progress(let lookup): lookup.time
        case .detach(let detach): detach.time
        case .activity(let activity): activity.time
        case .lost(let loss): loss.time
        case .totals(let totals): totals.time
        case .name: nil
        }
    }
}

/// The task's name, sixteen bytes as the kernel has them. Hostile text: any byte may occur.
public struct Comm: Sendable, Hashable {
    public var low: UInt64
    public var high: UInt64

    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    /// From text, cut after fifteen bytes as the kernel cuts it.
    public init(_ text: String) {
        (low, high) = (0, 0)
        for (position, byte) in text.utf8.prefix(15).enumerated() {
            if position < 8 {
                low |= UInt64(byte) << UInt64(position * 8)
            } else {
                high |= UInt64(byte) << UInt64((position - 8) * 8)
            }
        }
    }

    /// The bytes before the first NUL; bytes that are no UTF-8 become U+FFFD.
    public var text: String {
        var bytes: [UInt8] = []
        for position in 0..<16 {
            let word = position < 8 ? low : high
            let byte = UInt8(truncatingIfNeeded: word >> UInt64((position % 8) * 8))
            if byte == 0 { break }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Who did something: thread group, thread, name and control group (inode of its directory).
public struct TaskIdentity: Sendable, Hashable {
    public var pid: UInt32
    public var tid: UInt32
    public var comm: Comm
    public var cgroup: UInt64

    public init(pid: UInt32, tid: UInt32, comm: Comm, cgroup: UInt64 = 0) {
        self.pid = pid
        self.tid = tid
        self.comm = comm
        self.cgroup = cgroup
    }
}

/// A page as the user sees it: opaque and stable for one run, or the kernel's address of its
/// `struct page` when that was asked for. 0 is no page.
public struct PageID: Sendable, Hashable {
    public var rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// A file by device and inode. `device` is the kernel's internal number: major in the upper twelve
/// bits, minor in the lower twenty.
public struct FileID: Sendable, Hashable {
    public var device: UInt32
    public var inode: UInt64

    public init(device: UInt32, inode: UInt64) {
        self.device = device
        self.inode = inode
    }

    public var major: UInt32 { device >> 20 }
    public var minor: UInt32 { device & 0xfffff }
    public var isNone: Bool { device == 0 && inode == 0 }
}

/// Text that belongs to a number in other events.
public struct Name: Sendable, Equatable {
    public enum Subject: Sendable, Hashable {
        /// `text` is the path, `detail` the type of the file system.
        case file(FileID)
        /// `text` is the path below the root of the cgroup hierarchy.
        case cgroup(UInt64)
    }

    public var subject: Subject
    public var text: String
    public var detail: String
    /// Nil for a control group, and where it could not be told.
    public var fileState: FileState?

    public init(subject: Subject, text: String, detail: String = "", fileState: FileState? = nil) {
        self.subject = subject
        self.text = text
        self.detail = detail
        self.fileState = fileState
    }
}

/// How the path of a mapped file leads to it, when that was looked up. Raw values are the names in all
/// output. Part of the recording format; see `RecordedWord`.
public enum FileState: String, NumberedWord {
    /// From the tracer's root.
    case linked
    /// From the tracer's or the victim's root, through an overlay: device and inode are those of the layer
    /// below, which has another path.
    case overlay
    /// From the victim's root alone: in a container, or below a chroot(2).
    case otherRoot = "other-root"
    /// From neither root: its mount was detached or covered, or it lies outside of the victim's root.
    case unreachable
    /// It has no name any more; the path is the last one.
    case deleted
    /// It never had one: memfd_create(2); what follows `/memfd:` is for people.
    case memfd
    /// Shared memory of System V; the path has its key.
    case sysvShm = "sysv-shm"
    /// Shared and anonymous, or a mapping of /dev/zero.
    case sharedAnonymous = "shared-anonymous"

    public var number: UInt8 { recorded.number }
    public var format: Int { recorded.format }

    /// The number in recordings, and the format that brought it.
    private var recorded: (number: UInt8, format: Int) {
        switch self {
        case .linked: (1, 2)
        case .overlay: (2, 2)
        case .otherRoot: (3, 2)
        case .unreachable: (4, 2)
        case .deleted: (5, 2)
        case .memfd: (6, 2)
        case .sysvShm: (7, 2)
        case .sharedAnonymous: (8, 2)
        }
    }
}

/// Something was not kept. Counts are of events unless the stage says otherwise.
public struct Loss: Sendable, Equatable {
    /// Where in the pipeline, in the order of the data. The raw value is the name in all output. Part of the
    /// recording format; see `RecordedWord`.
    public enum Stage: String, NumberedWord {
        /// No room in the ring buffer: a lookup, its progress, a detach or an activity.
        case ringLookup = "ring-lookup"
        case ringProgress = "ring-progress"
        case ringDetach = "ring-detach"
        case ringActivity = "ring-activity"
        /// A shared lookup that could not be followed: too many at once.
        case lookupTable = "lookup-table"
        /// An operation that could not be followed: too many at once.
        case operationTable = "operation-table"
        /// Two detaches met in one slot of the detach table and one gave way.
        case slotCollision = "slot-collision"
        /// A young detach of another page was overwritten in the detach table.
        case slotOverwritten = "slot-overwritten"
        /// A return probe did not fire for a call whose entry was seen.
        case returnMissed = "return-missed"
        /// A lookup returned whose entry was not seen: skipped, or under way when tracing began.
        case lookupMissed = "lookup-missed"
        /// A lookup failed as after an observation, but its page was not seen pinned.
        case observationMissed = "observation-missed"
        /// The page count of an operation went to nobody: two tasks shared a scope slot.
        case scopeCollision = "scope-collision"
        /// The kernel did not run a program because one was running already.
        case programMissed = "program-missed"
        /// The kernel's trace buffer gave up events before they were written as text.
        case ftraceBuffer = "ftrace-buffer"
        /// Emitted by the kernel side and not delivered to the reader: never, unless there is a bug.
        case delivery = "delivery"
        /// A record of unknown kind or wrong size was passed over.
        case malformed = "malformed"
        /// Events that a recording held once: a packet was damaged, or its file gave way to newer ones.
        case recording
        /// A detach left the correlator's memory before its lookup came, or a loop had no room there.
        case correlator = "correlator"

        public var number: UInt8 { recorded.number }
        public var format: Int { recorded.format }

        /// The number in recordings, and the format that brought it.
        private var recorded: (number: UInt8, format: Int) {
            switch self {
            case .ringLookup: (1, 1)
            case .ringProgress: (2, 1)
            case .ringDetach: (3, 1)
            case .ringActivity: (4, 1)
            case .lookupTable: (5, 1)
            case .operationTable: (6, 1)
            case .slotCollision: (7, 1)
            case .slotOverwritten: (8, 1)
            case .returnMissed: (9, 1)
            case .lookupMissed: (10, 1)
            case .observationMissed: (11, 1)
            case .scopeCollision: (12, 1)
            case .programMissed: (13, 1)
            case .ftraceBuffer: (18, 1)
            case .delivery: (14, 1)
            case .malformed: (15, 1)
            case .recording: (17, 1)
            case .correlator: (16, 1)
            }
        }

        /// Whether a finding may lack evidence because of a loss here.
        public var touchesEvidence: Bool {
            switch self {
            case .ringDetach, .slotCollision, .slotOverwritten, .programMissed, .ftraceBuffer, .delivery, .malformed,
                .recording, .correlator:
                true
            case .ringLookup, .ringProgress, .ringActivity, .lookupTable, .operationTable,
                .returnMissed, .lookupMissed, .observationMissed, .scopeCollision:
                false
            }
        }
    }

    public var time: UInt64
    public var stage: Stage
    public var count: UInt64

    public init(time: UInt64, stage: Stage, count: UInt64) {
        self.time = time
        self.stage = stage
        self.count = count
    }
}

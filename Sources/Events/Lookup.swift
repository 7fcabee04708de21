// SPDX-License-Identifier: Apache-2.0

// One call of get_futex_key() for a shared futex, as the kernel side reports it: finished (`.lookup`)
// or still going round (`.progress`). Facts only; cause, verdicts and outcome are the correlator's.

/// A lookup. Times are CLOCK_MONOTONIC nanoseconds.
public struct Lookup: Sendable, Equatable {
    /// When it returned, or when its progress was told.
    public var time: UInt64
    /// When it was entered; meaningless unless `isTimed`.
    public var start: UInt64
    public var victim: TaskIdentity
    public var uid: UInt32
    /// User address of the futex word; see `isAddressKnown`.
    public var address: UInt64
    /// Runs through the code below `again:`.
    public var passes: UInt64
    /// Passes in which the locked page had no mapping.
    public var observations: UInt64
    /// How often it went back, by reason.
    public var retries: RetryCounts
    /// What get_futex_key() returned: 0 or a negative errno. Nil while it has not returned, and for one
    /// that went back and of which no more is known.
    public var result: Int32?
    public var flags: Flags
    /// How often it slept for the page's lock; meaningless unless `isTimed`.
    public var lockWaits: UInt32
    /// The page of the last observation, or of the last changed mapping; nil when there was neither.
    public var page: PageFacts?

    public struct Flags: OptionSet, Sendable, Hashable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        public static let write = Flags(rawValue: 1 << 0)
        public static let readOnly = Flags(rawValue: 1 << 1)
        public static let pinFailed = Flags(rawValue: 1 << 2)
        public static let returned = Flags(rawValue: 1 << 3)
        /// Entry was seen, so `start` and `passes` are valid.
        public static let timed = Flags(rawValue: 1 << 4)
        /// It failed because the page of its last pass had no mapping.
        public static let failedUnmapped = Flags(rawValue: 1 << 5)
        /// It failed because the page is anonymous and the area read-only.
        public static let failedReadOnly = Flags(rawValue: 1 << 6)
    }

    public init(
        time: UInt64, start: UInt64, victim: TaskIdentity, uid: UInt32, address: UInt64, passes: UInt64,
        observations: UInt64, retries: RetryCounts, result: Int32?, flags: Flags, lockWaits: UInt32,
        page: PageFacts?
    ) {
        self.time = time
        self.start = start
        self.victim = victim
        self.uid = uid
        self.address = address
        self.passes = passes
        self.observations = observations
        self.retries = retries
        self.result = result
        self.flags = flags
        self.lockWaits = lockWaits
        self.page = page
    }

    public var isTimed: Bool { flags.contains(.timed) }
    /// The address comes from the arguments of the system call, which do not always name it.
    public var isAddressKnown: Bool { address != 0 }
    /// Nanoseconds from entry to `time`; nil when the entry was not seen.
    public var durationNs: UInt64? { isTimed ? time &- start : nil }
}

/// Why a lookup went back to `again:`; the raw values are the names in all output.
public enum RetryReason: String, Sendable, CaseIterable {
    /// The page was in swap cache, or had a mapping again once it was locked (3.2, e6780f7243ed).
    case swizzled
    /// The mapping was another one when read again under RCU (4.6, 65d8fc777f6d).
    case mappingChanged = "mapping-changed"
    /// The mapping had no inode.
    case noHost = "no-host"
    /// No mapping at all: only a kernel with the rule of 2.6.28 to 3.0 does that.
    case noMapping = "no-mapping"
}

/// A count for each reason.
public struct RetryCounts: Sendable, Hashable {
    public var swizzled: UInt64
    public var mappingChanged: UInt64
    public var noHost: UInt64
    public var noMapping: UInt64

    public init(
        swizzled: UInt64 = 0, mappingChanged: UInt64 = 0, noHost: UInt64 = 0, noMapping: UInt64 = 0
    ) {
        self.swizzled = swizzled
        self.mappingChanged = mappingChanged
        self.noHost = noHost
        self.noMapping = noMapping
    }

    public subscript(reason: RetryReason) -> UInt64 {
        switch reason {
        case .swizzled: swizzled
        case .mappingChanged: mappingChanged
        case .noHost: noHost
        case .noMapping: noMapping
        }
    }

    public var total: UInt64 { swizzled &+ mappingChanged &+ noHost &+ noMapping }
}

/// What was read of a page under its lock, and of the memory area through which the victim saw it.
public struct PageFacts: Sendable, Equatable {
    public var page: PageID
    public var file: FileID
    /// Of the futex's own base page in the file.
    public var index: UInt64
    /// Bytes, when the observation was made.
    public var fileSize: UInt64
    /// super_block.s_magic of the file's file system.
    public var magic: UInt32
    public var facts: Facts
    /// inode.i_mode of the file behind the address.
    public var mode: UInt16
    public var slot: SlotAnswer
    /// Time of the detach that the kernel side matched: with `page` the key of that `Detach`.
    public var detachTime: UInt64

    public struct Facts: OptionSet, Sendable, Hashable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// PG_reserved: the zero page, the vDSO.
        public static let reserved = Facts(rawValue: 1 << 0)
        /// PG_swapcache with PG_swapbacked, under the lock.
        public static let swapCache = Facts(rawValue: 1 << 1)
        public static let large = Facts(rawValue: 1 << 2)
        /// There was no mapping when the pin returned.
        public static let nullAtPin = Facts(rawValue: 1 << 3)
        /// The memory area could be read; the ones below are valid only then.
        public static let areaKnown = Facts(rawValue: 1 << 4)
        public static let areaHasFile = Facts(rawValue: 1 << 5)
        public static let areaHasOperations = Facts(rawValue: 1 << 6)
        /// VM_IO, VM_PFNMAP or VM_MIXEDMAP.
        public static let areaIsDriver = Facts(rawValue: 1 << 7)
        public static let dax = Facts(rawValue: 1 << 8)
        /// The kernel's zero page or huge zero page itself, told by its number and not by its area.
        public static let zeroPage = Facts(rawValue: 1 << 9)
        /// No PG_uptodate, which every mapped page of a file has: the page never was in a page cache.
        public static let notUpToDate = Facts(rawValue: 1 << 10)
    }

    /// What the detach table said of this page. Raw values are those of `enum fs_slot_answer`. Part of the recording
    /// format; see `RecordedWord`.
    public enum SlotAnswer: UInt8, NumberedWord {
        case notAsked = 0
        case found = 1
        /// No detach of a held page with this address was stored.
        case empty = 2
        /// Its slot holds another page's detach, which may have replaced the one of this page.
        case otherPage = 3
        /// The stored detach took the page from another file or index: a former life of the page.
        case stale = 4
        /// The slot was being written, or a writer had given way.
        case torn = 5

        public var name: String {
            switch self {
            case .notAsked: "not-asked"
            case .found: "found"
            case .empty: "empty"
            case .otherPage: "other-page"
            case .stale: "stale"
            case .torn: "torn"
            }
        }

        public var format: Int {
            switch self {
            case .notAsked, .found, .empty, .otherPage, .stale, .torn: 1
            }
        }
    }

    public init(
        page: PageID, file: FileID, index: UInt64, fileSize: UInt64, magic: UInt32, facts: Facts,
        mode: UInt16, slot: SlotAnswer, detachTime: UInt64
    ) {
        self.page = page
        self.file = file
        self.index = index
        self.fileSize = fileSize
        self.magic = magic
        self.facts = facts
        self.mode = mode
        self.slot = slot
        self.detachTime = detachTime
    }
}

// SPDX-License-Identifier: Apache-2.0

// One call of get_futex_key() for a shared futex, as the kernel side reports it: finished (`.lookup`) or still in
// progress (`.progress`). Facts only: cause, verdicts and outcome are the correlator's.

/// A lookup. Times are CLOCK_MONOTONIC nanoseconds.
public struct Lookup: Sendable, Equatable {
    /// When it returned, or when its progress was emitted.
    public var time: UInt64
    /// When it was entered; valid only with `isTimed`.
    public var start: UInt64
    public var victim: TaskIdentity
    public var uid: UInt32
    /// User address of the futex word; see `isAddressKnown`.
    public var address: UInt64
    /// Runs through the code below `again:`.
    public var passes: UInt64
    /// Passes in which the locked page had no mapping.
    public var observations: UInt64
    /// Retries, by reason.
    public var retries: RetryCounts
    /// What get_futex_key() returned: 0 or a negative errno. Nil while it has not returned, and for a lookup that
    /// retried and of which no more is known.
    public var result: Int32?
    public var flags: Flags
    /// How often it slept for the page's lock; valid only with `isTimed`.
    public var lockWaits: UInt32
    /// The page of the last observation, of the last changed mapping, or of a failure; nil when there was none.
    public var page: PageFacts?
    /// What asked for it; nil when that is not known.
    public var operation: FutexOperation?

    /// Raw values are those of `fs_lookup.flags`. Part of the recording format; see `RecordedBits`.
    public struct Flags: RecordedBits, Hashable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// Write access was requested.
        public static let write = Flags(rawValue: 1 << 0)
        /// The last pin fell back to read-only.
        public static let readOnly = Flags(rawValue: 1 << 1)
        /// The last pin failed.
        public static let pinFailed = Flags(rawValue: 1 << 2)
        /// `result` is valid.
        public static let returned = Flags(rawValue: 1 << 3)
        /// Entry was seen, so `start` and `passes` are valid.
        public static let timed = Flags(rawValue: 1 << 4)
        /// It failed because the page of its last pass had no mapping.
        public static let failedUnmapped = Flags(rawValue: 1 << 5)
        /// It failed because the page is anonymous and the area read-only.
        public static let failedReadOnly = Flags(rawValue: 1 << 6)

        public static let words: [RecordedBit<Flags>] = [
            RecordedBit(.write, "write", format: 1),
            RecordedBit(.readOnly, "read-only", format: 1),
            RecordedBit(.pinFailed, "pin-failed", format: 1),
            RecordedBit(.returned, "returned", format: 1),
            RecordedBit(.timed, "timed", format: 1),
            RecordedBit(.failedUnmapped, "failed-unmapped", format: 1),
            RecordedBit(.failedReadOnly, "failed-read-only", format: 1),
        ]
    }

    // Inlined where a reader fills a blank one for each record.
    @inlinable public init(
        time: UInt64, start: UInt64, victim: TaskIdentity, uid: UInt32, address: UInt64, passes: UInt64,
        observations: UInt64, retries: RetryCounts, result: Int32?, flags: Flags, lockWaits: UInt32,
        page: PageFacts?, operation: FutexOperation? = nil
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
        self.operation = operation
    }

    public var isTimed: Bool { flags.contains(.timed) }
    /// The address comes from the arguments of the system call, which do not always name it.
    public var isAddressKnown: Bool { address != 0 }
    /// Nanoseconds from entry to `time`; nil when the entry was not seen, or when time stepped back meanwhile.
    public var durationNs: UInt64? { isTimed && time >= start ? time - start : nil }
}

// SPDX-License-Identifier: Apache-2.0

// What a source has counted since it started, beside the events that it emitted: the kernel side aggregates what is
// frequent, so these numbers are complete even where no event was emitted.

/// Counts over one run of a source.
public struct Totals: Sendable, Equatable {
    /// Shared lookups that passed the victim filter; nil where entries are not observed.
    public var lookups: UInt64?
    public var observations: UInt64 = 0
    public var retries = RetryCounts()
    /// Lookups that failed, by reason: only the first is about a missing mapping, and only that one is
    /// counted where entries are not observed.
    public var failedUnmapped: UInt64 = 0
    public var failedPin: UInt64 = 0
    public var failedReadOnly: UInt64 = 0
    public var failedOther: UInt64 = 0
    /// Folios that left the page cache, and those of them that somebody held.
    public var detaches: UInt64 = 0
    public var detachesHeld: UInt64 = 0
    public var activities: [ActivityKind: ActivityTotals] = [:]
    public var cost: Cost?
    /// When this was counted: CLOCK_MONOTONIC nanoseconds.
    public var time: UInt64 = 0
    /// Nanoseconds that these counts cover, from the time at which all probes were attached.
    public var durationNs: UInt64 = 0
    /// No more will come: the source ended in the ordinary way.
    public var isFinal = false

    public init() {}

    /// Lookups were followed from entry to return, so that those without an observation were counted too.
    public var followsLookups: Bool { lookups != nil }

    /// Operations of one kind.
    public struct ActivityTotals: Sendable, Equatable {
        public var operations: UInt64
        /// Base pages detached in them, held or not.
        public var pages: UInt64
        public var durationNs: UInt64

        public init(operations: UInt64, pages: UInt64, durationNs: UInt64) {
            self.operations = operations
            self.pages = pages
            self.durationNs = durationNs
        }
    }

    /// What the tool's own programs cost, where the kernel counts it (BPF_STATS_RUN_TIME).
    public struct Cost: Sendable, Equatable {
        public var runTimeNs: UInt64
        public var runCount: UInt64
        /// Bytes that the kernel keeps for the maps.
        public var mapBytes: UInt64

        public init(runTimeNs: UInt64, runCount: UInt64, mapBytes: UInt64) {
            self.runTimeNs = runTimeNs
            self.runCount = runCount
            self.mapBytes = mapBytes
        }
    }
}

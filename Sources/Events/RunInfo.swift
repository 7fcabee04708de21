// SPDX-License-Identifier: Apache-2.0

// What is known of a run from its start: what a live capture, a recording and an ftrace text have in common besides
// their events.

/// A run as its source knows it before the first event.
public struct RunInfo: Sendable, Equatable {
    /// As uname(2) has it; nil when the source does not have it.
    public var kernelRelease: String?
    public var host: String?
    /// That of a live run and of its recording; a snapshot has its own. Nil when the source has none.
    public var id: RunID?
    /// Empty when the source does not have them.
    public var probes: [ProbeReport]
    /// Add to an event's time to get nanoseconds since 1970. 0 when the source knows no wall clock: times are then
    /// those since the host was booted.
    public var wallClockOffsetNs: Int64
    /// Times are not nanoseconds but what the clock of a trace counts, such as cycles of a processor: they order events,
    /// and nothing has a duration.
    public var hasCountsForTimes = false
    /// Page ids are addresses of `struct page`.
    public var showsKernelAddresses: Bool
    /// When the run took an unfinished lookup for a loop.
    public var loops: LoopThresholds
    /// Every lookup was reported, including those that succeeded at once.
    public var emitsAll: Bool
    /// Bytes of a base page on the traced machine, a power of two.
    public var pageBytes: UInt64
    /// The filters of the run, as options of the command; empty for none.
    public var filters: String
    /// The condition for which this run was written, if it is a snapshot of a longer one; empty otherwise.
    public var trigger: String

    /// What is assumed where the source does not have the size: recordings of formats 1 and 2, and traces without a
    /// mark of the recipe.
    public static let usualPageBytes: UInt64 = 4096

    public init(
        kernelRelease: String? = nil, host: String? = nil, id: RunID? = nil, probes: [ProbeReport] = [],
        wallClockOffsetNs: Int64 = 0,
        showsKernelAddresses: Bool = false, loops: LoopThresholds = LoopThresholds(), emitsAll: Bool = false,
        pageBytes: UInt64 = RunInfo.usualPageBytes, filters: String = "", trigger: String = ""
    ) {
        self.kernelRelease = kernelRelease
        self.host = host
        self.id = id
        self.probes = probes
        self.wallClockOffsetNs = wallClockOffsetNs
        self.showsKernelAddresses = showsKernelAddresses
        self.loops = loops
        self.emitsAll = emitsAll
        self.pageBytes = pageBytes
        self.filters = filters
        self.trigger = trigger
    }
}

/// When an unfinished lookup counts as a loop: after this many passes, or after this time.
public struct LoopThresholds: Sendable, Equatable {
    public var passes: UInt64
    public var durationNs: UInt64

    public init(passes: UInt64 = 64, durationNs: UInt64 = 10_000_000) {
        self.passes = passes
        self.durationNs = durationNs
    }
}

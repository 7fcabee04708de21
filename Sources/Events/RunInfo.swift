// SPDX-License-Identifier: Apache-2.0

// What is known of a run from its beginning, and how a run is read again after the fact: the two things
// that a live capture, a recording and an ftrace text have in common besides their events.

/// A run as its source knows it before the first event.
public struct RunInfo: Sendable, Equatable {
    /// As uname(2) has it; nil when the source does not say.
    public var kernelRelease: String?
    public var host: String?
    /// Empty when the source does not say.
    public var probes: [ProbeReport]
    /// Add to an event's time to get nanoseconds since 1970. 0 when the source knows no wall clock: times
    /// are then those since the host was booted.
    public var wallClockOffsetNs: Int64
    /// Page ids are addresses of `struct page`.
    public var showsKernelAddresses: Bool
    /// When the run took an unfinished lookup for a loop.
    public var loops: LoopThresholds
    /// Every lookup was told, also those that met nothing.
    public var tellsAll: Bool
    /// The victims and lookups that were asked for, as options of the command; empty for all.
    public var filters: String
    /// What this run was written for, if it is a snapshot of a longer one; empty otherwise.
    public var trigger: String

    public init(
        kernelRelease: String? = nil, host: String? = nil, probes: [ProbeReport] = [], wallClockOffsetNs: Int64 = 0,
        showsKernelAddresses: Bool = false, loops: LoopThresholds = LoopThresholds(), tellsAll: Bool = false,
        filters: String = "", trigger: String = ""
    ) {
        self.kernelRelease = kernelRelease
        self.host = host
        self.probes = probes
        self.wallClockOffsetNs = wallClockOffsetNs
        self.showsKernelAddresses = showsKernelAddresses
        self.loops = loops
        self.tellsAll = tellsAll
        self.filters = filters
        self.trigger = trigger
    }
}

/// When an unfinished lookup counts as a loop: after so many passes, or after so long.
public struct LoopThresholds: Sendable, Equatable {
    public var passes: UInt64
    public var durationNs: UInt64

    public init(passes: UInt64 = 64, durationNs: UInt64 = 10_000_000) {
        self.passes = passes
        self.durationNs = durationNs
    }
}

/// Events of a run that is over, read in the order in which they were told.
public protocol EventSource {
    var run: RunInfo { get }
    /// Hands over the next events; false when there are none left. What cannot be read is passed over and
    /// becomes an omission, as long as it is known where to go on.
    mutating func read(into sink: inout some EventSink) throws -> Bool
    /// How far it has come, for a progress line.
    var progress: SourceProgress { get }
    /// What was left out so far.
    var omissions: [Omission] { get }
}

/// Bytes read and, where it is known, bytes in all.
public struct SourceProgress: Sendable, Equatable {
    public var bytesRead: UInt64
    public var bytesInAll: UInt64?

    public init(bytesRead: UInt64, bytesInAll: UInt64?) {
        self.bytesRead = bytesRead
        self.bytesInAll = bytesInAll
    }
}

/// Something in the source that is not among the events.
public struct Omission: Sendable, Equatable {
    /// Where: a file with an offset or a line.
    public var place: String
    /// One clause.
    public var what: String

    public init(place: String, what: String) {
        self.place = place
        self.what = what
    }
}

/// A source that is not what it should be. One line: what was read, where, what was expected, what to do.
public struct SourceError: Error, Sendable, Equatable {
    public var message: String
    public init(_ message: String) { self.message = message }
}

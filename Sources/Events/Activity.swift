// SPDX-License-Identifier: Apache-2.0

// Operations during which pages lose their mapping: reclaim, truncate and the like.

/// Operations that detach pages. Raw values are those of `enum fs_activity_kind`. Part of the recording format; see
/// `RecordedWord`.
public enum ActivityKind: UInt8, NumberedWord {
    case directIOInvalidation = 1
    case dropCaches
    case fadvise
    case reclaim
    case truncate
    case holePunch
    /// fallocate() that zeroes, collapses or inserts a range.
    case fallocateOther
    case blockZeroOut
    case swapOut
    case migration
    case collapse
    case split
    case memoryFailure

    /// The name in all output; equal to the cause's where there is one.
    public var name: String { recorded.name }
    public var format: Int { recorded.format }

    /// The name, and the recording format that brought it.
    private var recorded: (name: String, format: Int) {
        switch self {
        case .directIOInvalidation: ("direct-io-invalidation", 1)
        case .dropCaches: ("drop-caches", 1)
        case .fadvise: ("fadvise", 1)
        case .reclaim: ("reclaim", 1)
        case .truncate: ("truncate", 1)
        case .holePunch: ("hole-punch", 1)
        case .fallocateOther: ("fallocate-other", 1)
        case .blockZeroOut: ("block-zero-out", 1)
        case .swapOut: ("swap-out", 1)
        case .migration: ("migration", 1)
        case .collapse: ("collapse", 1)
        case .split: ("split", 1)
        case .memoryFailure: ("memory-failure", 1)
        }
    }
}

/// Start or end of an operation that matters to correlation in time. Rare or long operations emit both; frequent ones
/// emit only their end, and only when they detached something.
public struct Activity: Sendable, Equatable {
    /// CLOCK_MONOTONIC nanoseconds.
    public var time: UInt64
    public var kind: ActivityKind
    public var task: TaskIdentity
    /// Nanoseconds at the end, nil at the start.
    public var durationNs: UInt64?
    /// Base pages detached in it, held or not; 0 at the start.
    public var pages: UInt64

    public init(time: UInt64, kind: ActivityKind, task: TaskIdentity, durationNs: UInt64?, pages: UInt64 = 0) {
        self.time = time
        self.kind = kind
        self.task = task
        self.durationNs = durationNs
        self.pages = pages
    }
}

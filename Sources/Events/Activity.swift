// SPDX-License-Identifier: Apache-2.0

// Start and end of operations during which pages lose their mapping. The kinds of operations are in Landmarks.swift.

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

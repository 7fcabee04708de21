// SPDX-License-Identifier: Apache-2.0

/// What one run did and what its calls returned, as far as user space can know. Retries inside the kernel are not visible
/// here: a call that was retried returns once.
public struct ProvocationReport: Equatable, Sendable {
    public struct Task: Equatable, Sendable {
        public var pid: Int32
        public var tid: Int32
    }

    public struct File: Equatable, Sendable {
        public var path: String
        /// "MAJ:MIN" of the file system, or of the device itself if the futex was on a device.
        public var device: String
        public var inode: UInt64
    }

    public struct Evidence: Equatable, Sendable {
        public var name: String
        public var growth: Int
    }

    public var cause: ProvokedCause
    /// Futex calls that returned: the sum of the next three.
    public var calls: Int
    public var succeeded: Int
    public var efault: Int
    public var otherErrors: Int
    /// Of `efault`, the calls during which the file was too short all the time, so that there was no page to pin. A lower
    /// bound: about the others user space cannot know.
    public var efaultBeyondEnd: Int
    /// Operations of the culprit that succeeded, and those that failed.
    public var operations: Int
    public var operationsFailed: Int
    public var victim: Task
    /// Nil where no culprit is needed.
    public var culprit: Task?
    public var file: File?
    /// From the victim's first call to its last.
    public var durationNs: Int
    /// Counters that show whether the operations had an effect, and by how much they grew.
    public var evidence: [Evidence]
    /// What a reader must know to interpret the figures, one sentence each.
    public var notes: [String]
}

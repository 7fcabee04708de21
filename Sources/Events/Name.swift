// SPDX-License-Identifier: Apache-2.0

// Text that belongs to a number in other events: the path of a file, of a control group, or of calls in the kernel.

/// One name, valid from the moment it arrives.
public struct Name: Sendable, Equatable {
    public enum Subject: Sendable, Hashable {
        /// `text` is the path, `detail` the type of the file system.
        case file(FileID)
        /// `text` is the path below the root of the cgroup hierarchy.
        case cgroup(UInt64)
        /// `text` is the functions, as in `CallPath`.
        case callPath(CallPathID)
    }

    public var subject: Subject
    /// Untrusted: other tasks choose it.
    public var text: String
    public var detail: String
    /// Nil for all but files, and where it is not known.
    public var fileState: FileState?

    public init(subject: Subject, text: String, detail: String = "", fileState: FileState? = nil) {
        self.subject = subject
        self.text = text
        self.detail = detail
        self.fileState = fileState
    }

    /// The path of a file; nil where only its type of file system is known.
    public var path: String? { text.isEmpty ? nil : text }
    /// Of a file; nil where it is not known.
    public var fileSystem: String? { detail.isEmpty ? nil : detail }
}

/// How the path of a mapped file leads to the file. Raw values are the names in all output. Part of the recording
/// format; see `RecordedWord`.
public enum FileState: String, NumberedWord {
    /// The path leads to the file from the tracer's root.
    case linked
    /// The path leads to the file through an overlay, from the tracer's or the victim's root: device and inode are
    /// those of the layer below, where the file has another path.
    case overlay
    /// The path leads to the file from the victim's root alone: in a container, or below a chroot(2).
    case otherRoot = "other-root"
    /// The path leads to the file from neither root: the mount was detached or covered, or it lies outside the
    /// victim's root.
    case unreachable
    /// The file has no name any more; the path is the last one.
    case deleted
    /// The file never had a name: memfd_create(2). What follows `/memfd:` is for people.
    case memfd
    /// Shared memory of System V; the path has its key.
    case sysvShm = "sysv-shm"
    /// Shared and anonymous memory, or a mapping of /dev/zero.
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

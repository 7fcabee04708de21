// SPDX-License-Identifier: Apache-2.0

// A page that lost its mapping while somebody else held it: which page of which file, when, by which task, and what
// is known of the cause.

/// One detach. Its key is (`page`, `time`): the lookup that met it has both.
public struct Detach: Sendable, Equatable {
    /// CLOCK_MONOTONIC nanoseconds.
    public var time: UInt64
    public var page: PageID
    /// The task that detached the page.
    public var culprit: TaskIdentity
    public var file: FileID
    /// super_block.s_magic of the file's file system.
    public var magic: UInt32
    /// Index of the folio's first page in the file, in base pages.
    public var index: UInt64
    /// Bytes, at the time of the detach.
    public var fileSize: UInt64
    /// Base pages in the folio.
    public var pages: UInt32
    /// References to the folio at that time; more than `pages + 1` means that somebody held it.
    public var references: Int32
    /// Which hook saw it.
    public var via: Source
    /// The operation in which the culprit was, nil when none was seen.
    public var scope: ActivityKind?
    /// Bytes of the hole that the culprit was punching; nil when no hole was seen.
    public var hole: Range<UInt64>?
    /// Functions on the culprit's stack that name a cause. Empty when there is none.
    public var landmarks: Landmarks
    /// False when the stack is missing or its functions could not be named.
    public var stackIsNamed: Bool
    /// The functions through which the culprit came here.
    public var callPath: CallPathID

    /// A hook that sees detaches. Raw values are those of `enum fs_detach_via`. Part of the recording format; see
    /// `RecordedWord`.
    public enum Source: UInt8, NumberedWord {
        case pageCache = 1
        case swapOut = 2
        case migration = 3

        public var name: String { recorded.name }
        public var format: Int { recorded.format }

        /// The name, and the recording format that brought it.
        private var recorded: (name: String, format: Int) {
            switch self {
            case .pageCache: ("page-cache", 1)
            case .swapOut: ("swap-out", 1)
            case .migration: ("migration", 1)
            }
        }
    }

    public init(
        time: UInt64, page: PageID, culprit: TaskIdentity, file: FileID, magic: UInt32, index: UInt64,
        fileSize: UInt64, pages: UInt32, references: Int32, via: Source, scope: ActivityKind?,
        hole: Range<UInt64>?, landmarks: Landmarks, stackIsNamed: Bool, callPath: CallPathID = .none
    ) {
        self.time = time
        self.page = page
        self.culprit = culprit
        self.file = file
        self.magic = magic
        self.index = index
        self.fileSize = fileSize
        self.pages = pages
        self.references = references
        self.via = via
        self.scope = scope
        self.hole = hole
        self.landmarks = landmarks
        self.stackIsNamed = stackIsNamed
        self.callPath = callPath
    }
}

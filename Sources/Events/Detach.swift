// SPDX-License-Identifier: Apache-2.0

// A page losing its mapping while somebody else held it, and the operations during which pages lose
// theirs. Who did it and where in the kernel, as landmarks: the functions on the detaching task's
// stack that say something about the cause. Landmarks are a set of bits, so that an event carries no
// kernel address and means the same on another machine.

/// One detach. Its key is (`page`, `time`): the lookup that met it names both.
public struct Detach: Sendable, Equatable {
    public var time: UInt64
    public var page: PageID
    public var culprit: TaskIdentity
    public var file: FileID
    public var magic: UInt32
    /// Index of the folio's first page in the file.
    public var index: UInt64
    /// Bytes, at the moment of the detach.
    public var fileSize: UInt64
    /// Base pages in the folio.
    public var pages: UInt32
    /// References to the folio at that moment; more than `pages + 1` means that somebody held it.
    public var references: Int32
    public var via: Source
    /// The operation in which the culprit was, nil when none was seen.
    public var scope: ActivityKind?
    /// Bytes of the hole that the culprit was punching; nil when it was not, or was not seen to.
    public var hole: Range<UInt64>?
    /// Functions on the culprit's stack that name a cause. Empty when the stack says nothing.
    public var landmarks: Landmarks
    /// False when the stack is missing or its functions could not be named.
    public var stackIsNamed: Bool

    /// Which hook saw it. Raw values are those of `enum fs_detach_via`. Part of the recording format; see
    /// `RecordedWord`.
    public enum Source: UInt8, NumberedWord {
        case pageCache = 1
        case swapOut = 2
        case migration = 3

        public var name: String {
            switch self {
            case .pageCache: "page-cache"
            case .swapOut: "swap-out"
            case .migration: "migration"
            }
        }

        public var format: Int {
            switch self {
            case .pageCache, .swapOut, .migration: 1
            }
        }
    }

    public init(
        time: UInt64, page: PageID, culprit: TaskIdentity, file: FileID, magic: UInt32, index: UInt64,
        fileSize: UInt64, pages: UInt32, references: Int32, via: Source, scope: ActivityKind?,
        hole: Range<UInt64>?, landmarks: Landmarks, stackIsNamed: Bool
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
    }
}

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
    public var name: String {
        switch self {
        case .directIOInvalidation: "direct-io-invalidation"
        case .dropCaches: "drop-caches"
        case .fadvise: "fadvise"
        case .reclaim: "reclaim"
        case .truncate: "truncate"
        case .holePunch: "hole-punch"
        case .fallocateOther: "fallocate-other"
        case .blockZeroOut: "block-zero-out"
        case .swapOut: "swap-out"
        case .migration: "migration"
        case .collapse: "collapse"
        case .split: "split"
        case .memoryFailure: "memory-failure"
        }
    }

    public var format: Int {
        switch self {
        case .directIOInvalidation, .dropCaches, .fadvise, .reclaim, .truncate, .holePunch, .fallocateOther,
            .blockZeroOut, .swapOut, .migration, .collapse, .split, .memoryFailure:
            1
        }
    }
}

/// Begin or end of an operation that matters to correlation in time. Rare or long operations tell both;
/// frequent ones tell their end alone, and only when they detached something.
public struct Activity: Sendable, Equatable {
    public var time: UInt64
    public var kind: ActivityKind
    public var task: TaskIdentity
    /// Nanoseconds at the end, nil at the begin.
    public var durationNs: UInt64?
    /// Base pages detached in it, held or not; 0 at the begin.
    public var pages: UInt64

    public init(time: UInt64, kind: ActivityKind, task: TaskIdentity, durationNs: UInt64?, pages: UInt64 = 0) {
        self.time = time
        self.kind = kind
        self.task = task
        self.durationNs = durationNs
        self.pages = pages
    }
}

/// Kernel functions whose presence on a detaching stack says why the page went.
public struct Landmarks: OptionSet, Sendable, Hashable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public static let memoryFailure = Landmarks(rawValue: 1 << 0)
    public static let dropCaches = Landmarks(rawValue: 1 << 1)
    public static let fadvise = Landmarks(rawValue: 1 << 2)
    public static let blockDeviceTruncate = Landmarks(rawValue: 1 << 3)
    public static let invalidate2 = Landmarks(rawValue: 1 << 4)
    public static let fallocate = Landmarks(rawValue: 1 << 5)
    public static let partialFolio = Landmarks(rawValue: 1 << 6)
    public static let setSize = Landmarks(rawValue: 1 << 7)
    public static let truncateRange = Landmarks(rawValue: 1 << 8)
    public static let reclaim = Landmarks(rawValue: 1 << 9)
    public static let swapOut = Landmarks(rawValue: 1 << 10)
    public static let migration = Landmarks(rawValue: 1 << 11)
    public static let collapse = Landmarks(rawValue: 1 << 12)
    public static let split = Landmarks(rawValue: 1 << 13)
    public static let evict = Landmarks(rawValue: 1 << 14)
    public static let invalidate = Landmarks(rawValue: 1 << 15)

    /// The kernel's names for each, 5.10 to 7.3; several where a function was renamed or where
    /// several lead to the same place. Suffixes such as `.isra.0` are left to the reader of symbols.
    public static let functions: [(landmark: Landmarks, names: [String])] = [
        (.memoryFailure, ["memory_failure", "truncate_error_folio", "truncate_error_page", "me_pagecache_clean"]),
        (.dropCaches, ["drop_caches_sysctl_handler", "drop_pagecache_sb"]),
        (.fadvise, ["generic_fadvise", "ksys_fadvise64_64"]),
        (.blockDeviceTruncate, ["truncate_bdev_range", "blkdev_ioctl", "blkdev_common_ioctl", "blkdev_fallocate"]),
        (.invalidate2, ["invalidate_inode_pages2_range", "filemap_invalidate_inode"]),
        (.fallocate, ["vfs_fallocate"]),
        (.partialFolio, ["truncate_inode_partial_folio"]),
        (.setSize, ["do_truncate", "vfs_truncate", "do_ftruncate", "truncate_setsize"]),
        (
            .truncateRange,
            ["truncate_inode_pages_range", "shmem_undo_range", "remove_inode_hugepages", "truncate_pagecache"]
        ),
        (
            .reclaim,
            [
                "shrink_folio_list", "shrink_page_list", "shrink_node", "shrink_lruvec", "evict_folios",
                "reclaim_pages", "reclaim_folio_list",
            ]
        ),
        (.swapOut, ["shmem_writepage", "shmem_writeout", "swap_writepage", "swap_writeout"]),
        (.migration, ["migrate_pages", "migrate_pages_batch", "move_to_new_folio", "move_to_new_page"]),
        (.collapse, ["collapse_file"]),
        (
            .split,
            ["split_huge_page_to_list", "split_huge_page_to_list_to_order", "__folio_split"]
        ),
        (.evict, ["evict", "truncate_inode_pages_final", "prune_icache_sb"]),
        (
            .invalidate,
            [
                "invalidate_mapping_pages", "__invalidate_mapping_pages", "invalidate_mapping_pagevec",
                "mapping_try_invalidate", "mapping_evict_folio",
            ]
        ),
    ]
}

// SPDX-License-Identifier: Apache-2.0

// The page of an observation: what was read of it under its lock, and of the memory area through which the victim
// saw it.

/// A page without a mapping, or with another one than before; or, where there was no page to pin, what is at the
/// address.
public struct PageFacts: Sendable, Equatable {
    /// 0 where there was no page.
    public var page: PageID
    /// The file that the memory area maps.
    public var file: FileID
    /// Of the futex's own base page in the file.
    public var index: UInt64
    /// Bytes, when the observation was made.
    public var fileSize: UInt64
    /// super_block.s_magic of the file's file system.
    public var magic: UInt32
    public var facts: Facts
    public var slot: SlotAnswer
    /// Time of the detach that the kernel side matched, CLOCK_MONOTONIC nanoseconds: with `page` the key of that
    /// `Detach`.
    public var detachTime: UInt64

    /// Raw values are those of `fs_page.facts`. Part of the recording format; see `RecordedBits`.
    public struct Facts: RecordedBits, Hashable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// PG_reserved: the zero page, the vDSO.
        public static let reserved = Facts(rawValue: 1 << 0)
        /// PG_swapcache with PG_swapbacked, under the lock.
        public static let swapCache = Facts(rawValue: 1 << 1)
        /// Part of a folio of several pages.
        public static let large = Facts(rawValue: 1 << 2)
        /// There was no mapping when the pin returned.
        public static let nullAtPin = Facts(rawValue: 1 << 3)
        /// The memory area could be read; the ones below are valid only then.
        public static let areaKnown = Facts(rawValue: 1 << 4)
        public static let areaHasFile = Facts(rawValue: 1 << 5)
        public static let areaHasOperations = Facts(rawValue: 1 << 6)
        /// VM_IO, VM_PFNMAP or VM_MIXEDMAP.
        public static let areaIsDriver = Facts(rawValue: 1 << 7)
        public static let dax = Facts(rawValue: 1 << 8)
        /// The kernel's zero page or huge zero page itself, known by its number and not by its area. Only ftrace
        /// sources set it.
        public static let zeroPage = Facts(rawValue: 1 << 9)
        /// No PG_uptodate, which every mapped page of a file has. Few file systems, such as hugetlbfs, remove the flag when
        /// they detach a page.
        public static let notUpToDate = Facts(rawValue: 1 << 10)
        /// Nothing is mapped at the address; like the ones below, read for a failure only.
        public static let noArea = Facts(rawValue: 1 << 11)
        public static let areaIsReadable = Facts(rawValue: 1 << 12)
        public static let areaIsWritable = Facts(rawValue: 1 << 13)
        /// VM_IO or VM_PFNMAP.
        public static let areaRefusesPins = Facts(rawValue: 1 << 14)
        /// The kernel no longer uses the page in the file's cache, because of a memory error.
        public static let poisoned = Facts(rawValue: 1 << 15)
        /// hugetlbfs had no huge page that is not reserved.
        public static let noHugePage = Facts(rawValue: 1 << 16)
        /// The lookup failed without an observation, and what is at its address was read.
        public static let failureDescribed = Facts(rawValue: 1 << 17)

        public static let words: [RecordedBit<Facts>] = [
            RecordedBit(.reserved, "reserved", format: 1),
            RecordedBit(.swapCache, "swap-cache", format: 1),
            RecordedBit(.large, "large", format: 1),
            RecordedBit(.nullAtPin, "null-at-pin", format: 1),
            RecordedBit(.areaKnown, "area-known", format: 1),
            RecordedBit(.areaHasFile, "area-has-file", format: 1),
            RecordedBit(.areaHasOperations, "area-has-operations", format: 1),
            RecordedBit(.areaIsDriver, "area-is-driver", format: 1),
            RecordedBit(.dax, "dax", format: 1),
            RecordedBit(.zeroPage, "zero-page", format: 2),
            RecordedBit(.notUpToDate, "not-up-to-date", format: 3),
            RecordedBit(.noArea, "no-area", format: 3),
            RecordedBit(.areaIsReadable, "area-is-readable", format: 3),
            RecordedBit(.areaIsWritable, "area-is-writable", format: 3),
            RecordedBit(.areaRefusesPins, "area-refuses-pins", format: 3),
            RecordedBit(.poisoned, "poisoned", format: 3),
            RecordedBit(.noHugePage, "no-huge-page", format: 3),
            RecordedBit(.failureDescribed, "failure-described", format: 3),
        ]
    }

    /// What the detach table answered for this page. Raw values are those of `enum fs_slot_answer`. Part of the
    /// recording format; see `RecordedWord`.
    public enum SlotAnswer: UInt8, NumberedWord {
        case notAsked = 0
        case found = 1
        /// No detach of a held page with this address was stored.
        case empty = 2
        /// Its slot holds another page's detach, which may have replaced the one of this page.
        case otherPage = 3
        /// The stored detach took the page from another file or index: an earlier use of the page.
        case stale = 4
        /// The slot was being written, or two writers used it at the same time.
        case torn = 5

        public var name: String { recorded.name }
        public var format: Int { recorded.format }

        /// The name, and the recording format that brought it.
        private var recorded: (name: String, format: Int) {
            switch self {
            case .notAsked: ("not-asked", 1)
            case .found: ("found", 1)
            case .empty: ("empty", 1)
            case .otherPage: ("other-page", 1)
            case .stale: ("stale", 1)
            case .torn: ("torn", 1)
            }
        }
    }

    public init(
        page: PageID, file: FileID, index: UInt64, fileSize: UInt64, magic: UInt32, facts: Facts,
        slot: SlotAnswer, detachTime: UInt64
    ) {
        self.page = page
        self.file = file
        self.index = index
        self.fileSize = fileSize
        self.magic = magic
        self.facts = facts
        self.slot = slot
        self.detachTime = detachTime
    }
}

// SPDX-License-Identifier: Apache-2.0

// The facts of a kernel that are needed to define events on it: offsets of fields, numbers of flags, and which
// functions exist. It is a plain value, so the recipe is a pure function of it. A caller that can read BTF and
// kallsyms, or can measure on the running kernel, fills it in.

/// One kernel, as far as the recipe for recording on it depends on it.
public struct KernelFacts: Sendable, Equatable {
    /// Offsets of fields, numbers of flags, and the meaning of arguments.
    public struct Layout: Sendable, Equatable {
        /// How this is known.
        public enum Source: String, Sendable {
            case btf = "BTF"
            /// From pages and files of this process, on the running kernel.
            case measured
        }

        public var source: Source
        public var offsets: Offsets
        public var bits: FlagBits
        /// Bytes of a `struct page`.
        public var pageStructureSize: Int
        /// The second argument of get_futex_key() is a truth value (to 6.6), not flags.
        public var sharedIsBool: Bool
        /// The function of `KernelFunctions.unaccount` has the page as its second argument.
        public var unaccountHasPage: Bool

        public init(
            source: Source, offsets: Offsets, bits: FlagBits, pageStructureSize: Int, sharedIsBool: Bool,
            unaccountHasPage: Bool
        ) {
            (self.source, self.offsets, self.bits) = (source, offsets, bits)
            (self.pageStructureSize, self.sharedIsBool) = (pageStructureSize, sharedIsBool)
            self.unaccountHasPage = unaccountHasPage
        }
    }

    /// Bytes from the begin of a structure to its fields.
    public struct Offsets: Sendable, Equatable {
        /// Of a folio, or of a page where there are no folios.
        public var mapping, flags, index, references: Int
        /// Byte with the order of a large folio, from the begin of the folio; nil when it has no place
        /// that is known.
        public var order: Int?
        /// address_space.host, inode.i_ino, inode.i_size, inode.i_sb, super_block.s_dev, super_block.s_magic.
        public var host, inode, size, superBlock, device, magic: Int

        public init(
            mapping: Int, flags: Int, index: Int, references: Int, order: Int?, host: Int, inode: Int, size: Int,
            superBlock: Int, device: Int, magic: Int
        ) {
            (self.mapping, self.flags, self.index, self.references) = (mapping, flags, index, references)
            (self.order, self.host, self.inode, self.size) = (order, host, inode, size)
            (self.superBlock, self.device, self.magic) = (superBlock, device, magic)
        }
    }

    /// Numbers of bits in the flags of a page, by `enum pageflags`.
    public struct FlagBits: Sendable, Equatable {
        public var reserved, upToDate, swapCache, swapBacked, head: Int

        public init(reserved: Int, upToDate: Int, swapCache: Int, swapBacked: Int, head: Int) {
            (self.reserved, self.upToDate, self.swapCache) = (reserved, upToDate, swapCache)
            (self.swapBacked, self.head) = (swapBacked, head)
        }
    }

    public enum Architecture: String, Sendable {
        case x86 = "x86_64"
        case arm = "aarch64"
    }

    /// A function and the symbol under which it can be probed, which may carry a compiler's suffix.
    public struct Function: Sendable, Equatable {
        public var name: String
        public var symbol: String

        public init(name: String, symbol: String) {
            self.name = name
            self.symbol = symbol
        }
    }

    /// The code of get_futex_key() in the memory of the running kernel.
    public struct LookupCode: Sendable, Equatable {
        /// From its first instruction to the next function.
        public var extent: Range<UInt64>
        /// Calls of the page's unlock, as offsets from its start; empty when the code could not be read.
        public var unlockSites: [Int]
        /// Why it could not be read; one clause.
        public var obstacle: String?

        public init(extent: Range<UInt64>, unlockSites: [Int], obstacle: String? = nil) {
            (self.extent, self.unlockSites, self.obstacle) = (extent, unlockSites, obstacle)
        }
    }

    /// As uname(2) has it.
    public var release: String
    public var architecture: Architecture
    public var layout: Layout
    /// folio_unlock or unlock_page; nil when neither can be probed, and then nothing is observed.
    public var unlock: String?
    /// The slow path of taking the page's lock.
    public var lockWait: String?
    /// A function that is called with (mapping, page) for each page that leaves the page cache.
    public var unaccount: String?
    /// Variables with the number of the zero page and of the huge one.
    public var zeroPage: String?
    public var hugeZeroPage: String?
    /// The variable with the address of the first `struct page` is there.
    public var hasPageBase: Bool
    /// An instance of tracefs can be in memory that survives a reset (6.12 on).
    public var canPersist = false
    /// Functions that name a cause, those of `KernelFunctions.landmarks` that this kernel has.
    public var landmarks: [Function]
    /// Only for a live run; nil when the kernel hides its addresses from this process.
    public var lookupCode: LookupCode?

    public init(
        release: String, architecture: Architecture, layout: Layout, unlock: String?, lockWait: String?,
        unaccount: String?, zeroPage: String?, hugeZeroPage: String?, hasPageBase: Bool, landmarks: [Function]
    ) {
        (self.release, self.architecture, self.layout) = (release, architecture, layout)
        (self.unlock, self.lockWait, self.unaccount) = (unlock, lockWait, unaccount)
        (self.zeroPage, self.hugeZeroPage, self.hasPageBase) = (zeroPage, hugeZeroPage, hasPageBase)
        self.landmarks = landmarks
    }
}

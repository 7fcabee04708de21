// SPDX-License-Identifier: Apache-2.0

// The kernel functions that mean something to futexscope, each in one row: its names from 5.10 to 7.3, what it means on
// the stack of a task that detaches a page, which operation a call of it is, and what a live capture does with it. The
// probes, the naming of stacks, the ftrace recipe and the reader of ftrace texts all take them from here. A function
// that the kernel renames gets its new name here, and nowhere else.

/// One kernel function.
public struct KernelFunction: Sendable, Equatable {
    /// The newest name first; several where the function was renamed. Suffixes such as `.isra.0` are left to the
    /// reader of symbols.
    public let names: [String]
    /// What it means on the stack of a task that detaches a page; empty when it means nothing.
    public let landmark: Landmarks
    /// The operation that one call of it is; nil when it is none.
    public let operation: Operation?
    /// What a live capture does with it; nil when it only looks for it on stacks.
    public let probe: Probe?
    /// Reclaim calls it for each batch of pages: too often to record an event for each call.
    public let isFrequent: Bool

    /// The operation that a call is.
    public enum Operation: Sendable, Equatable {
        case kind(ActivityKind)
        /// fallocate(2): the mode decides between `holePunch`, `fallocateOther` and none.
        case fallocate
        /// posix_fadvise(2): only POSIX_FADV_DONTNEED detaches pages.
        case fadvise

        /// The operation where the call alone decides; nil where its arguments do.
        public var kind: ActivityKind? { if case .kind(let kind) = self { kind } else { nil } }
    }

    /// How a live capture uses the function.
    public struct Probe: Sendable, Equatable {
        /// The name that `doctor` and reports show.
        public let role: String
        /// A cause or an observation depends on it. The others are only counted, once for each operation.
        public let isEvidence: Bool
        /// Nothing can be observed without it.
        public let isRequired: Bool
        /// Its return is seen too.
        public let hasReturn: Bool
        /// What is missing without it: one clause for people.
        public let offWithout: String
    }

    fileprivate init(
        _ names: String..., on landmark: Landmarks = [], is operation: Operation? = nil, probe: Probe? = nil,
        isFrequent: Bool = false
    ) {
        (self.names, self.landmark, self.operation) = (names, landmark, operation)
        (self.probe, self.isFrequent) = (probe, isFrequent)
    }
}

extension KernelFunction.Probe {
    /// What is only counted, from entry to return.
    fileprivate static func counted(_ role: String, _ operations: String) -> Self {
        Self(
            role: role, isEvidence: false, isRequired: false, hasReturn: true,
            offWithout: "operations of \(operations) are not counted")
    }

    /// What nothing can be observed without.
    fileprivate static func required(_ role: String, hasReturn: Bool) -> Self {
        Self(
            role: role, isEvidence: true, isRequired: true, hasReturn: hasReturn,
            offWithout: "nothing can be observed")
    }

    /// What a cause depends on.
    fileprivate static func evidence(_ role: String, hasReturn: Bool, off: String) -> Self {
        Self(role: role, isEvidence: true, isRequired: false, hasReturn: hasReturn, offWithout: off)
    }
}

/// The table.
public enum KernelFunctions {
    // MARK: The lookup

    public static let lookup = KernelFunction("get_futex_key", probe: .required("lookup", hasReturn: true))
    public static let pin = KernelFunction("get_user_pages_fast", probe: .required("pin", hasReturn: true))
    /// Unlocks the page of a pass, which is where an observation is made.
    public static let unlock = KernelFunction(
        "folio_unlock", "unlock_page", probe: .required("unlock", hasReturn: false))
    /// The slow path of locking a page.
    public static let lockWait = KernelFunction(
        "__folio_lock", "__lock_page",
        probe: KernelFunction.Probe(
            role: "lock-wait", isEvidence: false, isRequired: false, hasReturn: false,
            offWithout: "waits for the page's lock are not counted"))

    // MARK: Detaches

    /// Called with (mapping, page) for each page that leaves the page cache.
    public static let unaccount = KernelFunction("filemap_unaccount_folio", "unaccount_page_cache_page")
    /// Puts a page of shared memory into the swap cache.
    public static let swapOut = KernelFunction(
        "shmem_writeout", "shmem_writepage", on: .swapOut,
        probe: .evidence("swap-out", hasReturn: true, off: "swap-out is not seen as a cause"))
    /// Moves what is known of a page to the page that replaces it.
    public static let migratedPage = KernelFunction(
        "folio_migrate_flags", "migrate_page_states",
        probe: .evidence("migrated-page", hasReturn: false, off: "migration is not seen as a cause"))

    // MARK: Operations

    public static let dropCaches = KernelFunction(
        "drop_caches_sysctl_handler", on: .dropCaches, is: .kind(.dropCaches),
        probe: .counted("drop-caches", "drop-caches"))
    public static let invalidate2 = KernelFunction(
        "invalidate_inode_pages2_range", on: .invalidate2, is: .kind(.directIOInvalidation),
        probe: .counted("invalidate2", "direct-io-invalidation"))
    public static let fadvise = KernelFunction(
        "generic_fadvise", on: .fadvise, is: .fadvise, probe: .counted("fadvise", "fadvise"))
    public static let reclaimDirect = KernelFunction(
        "try_to_free_pages", probe: .counted("reclaim-direct", "direct reclaim"))
    public static let reclaimMemcg = KernelFunction(
        "try_to_free_mem_cgroup_pages", probe: .counted("reclaim-memcg", "memory control group reclaim"))
    public static let reclaimKswapd = KernelFunction(
        "balance_pgdat", probe: .counted("reclaim-kswapd", "kswapd"))
    /// Begin and end of the operations of reclaim as tracepoints of the system vmscan, for sources that use those.
    public static let reclaimTracepoints = [
        "mm_vmscan_direct_reclaim_begin", "mm_vmscan_direct_reclaim_end", "mm_vmscan_memcg_reclaim_begin",
        "mm_vmscan_memcg_reclaim_end", "mm_vmscan_node_reclaim_begin", "mm_vmscan_node_reclaim_end",
        "mm_vmscan_kswapd_wake", "mm_vmscan_kswapd_sleep",
    ]
    /// MADV_PAGEOUT and DAMON.
    public static let reclaimList = KernelFunction(
        "reclaim_pages", on: .reclaim, is: .kind(.reclaim),
        probe: .counted("reclaim-list", "MADV_PAGEOUT and DAMON"))
    public static let truncate = KernelFunction(
        "truncate_inode_pages_range", on: .truncateRange, probe: .counted("truncate", "truncate"))
    public static let truncateShmem = KernelFunction(
        "shmem_undo_range", on: .truncateRange, probe: .counted("truncate-shmem", "truncate of shared memory"))
    public static let truncateHugetlb = KernelFunction(
        "remove_inode_hugepages", on: .truncateRange,
        probe: .counted("truncate-hugetlb", "truncate of huge pages"))
    /// Its range and mode distinguish a hole from a zeroed range, and a neighbour from the page itself, also where the
    /// registers of the system call do not show them (bpf/cut.h).
    public static let fallocate = KernelFunction(
        "vfs_fallocate", on: .fallocate, is: .fallocate,
        probe: .evidence(
            "fallocate", hasReturn: true,
            off: "hole-punch is not counted, and with io_uring it is not distinguished from other kinds of fallocate"))
    public static let blockDevice = KernelFunction(
        "truncate_bdev_range", on: .blockDeviceTruncate, is: .kind(.blockZeroOut),
        probe: .counted("block-device", "block-zero-out"))
    public static let migrate = KernelFunction(
        "migrate_pages", on: .migration, is: .kind(.migration), probe: .counted("migrate", "migration"))
    public static let collapse = KernelFunction(
        "collapse_file", on: .collapse, is: .kind(.collapse), probe: .counted("collapse", "collapse"))
    public static let split = KernelFunction(
        "__folio_split", "split_huge_page_to_list_to_order", "split_huge_page_to_list", on: .split,
        is: .kind(.split), probe: .counted("split", "split"))
    public static let memoryFailure = KernelFunction(
        "memory_failure", on: .memoryFailure, is: .kind(.memoryFailure),
        probe: .counted("memory-failure", "memory-failure"))

    // MARK: Functions that are only looked for on stacks

    private static let onStacksOnly = [
        KernelFunction("truncate_error_folio", "truncate_error_page", on: .memoryFailure),
        KernelFunction("me_pagecache_clean", on: .memoryFailure),
        KernelFunction("drop_pagecache_sb", on: .dropCaches),
        KernelFunction("ksys_fadvise64_64", on: .fadvise),
        KernelFunction("blkdev_ioctl", on: .blockDeviceTruncate),
        KernelFunction("blkdev_common_ioctl", on: .blockDeviceTruncate),
        KernelFunction("blkdev_fallocate", on: .blockDeviceTruncate),
        KernelFunction("filemap_invalidate_inode", on: .invalidate2),
        KernelFunction("truncate_inode_partial_folio", on: .partialFolio),
        KernelFunction("do_truncate", on: .setSize, is: .kind(.truncate)),
        KernelFunction("vfs_truncate", on: .setSize, is: .kind(.truncate)),
        KernelFunction("do_ftruncate", on: .setSize, is: .kind(.truncate)),
        KernelFunction("truncate_setsize", on: .setSize),
        KernelFunction("truncate_pagecache", on: .truncateRange),
        KernelFunction("shrink_folio_list", "shrink_page_list", on: .reclaim, isFrequent: true),
        KernelFunction("shrink_node", on: .reclaim, isFrequent: true),
        KernelFunction("shrink_lruvec", on: .reclaim, isFrequent: true),
        KernelFunction("evict_folios", on: .reclaim, isFrequent: true),
        KernelFunction("reclaim_folio_list", on: .reclaim, isFrequent: true),
        KernelFunction("swap_writeout", "swap_writepage", on: .swapOut, isFrequent: true),
        KernelFunction("migrate_pages_batch", on: .migration),
        KernelFunction("move_to_new_folio", "move_to_new_page", on: .migration),
        KernelFunction("evict", on: .evict),
        KernelFunction("truncate_inode_pages_final", on: .evict),
        KernelFunction("prune_icache_sb", on: .evict),
        KernelFunction(
            "mapping_try_invalidate", "invalidate_mapping_pagevec", "__invalidate_mapping_pages", on: .invalidate),
        KernelFunction("invalidate_mapping_pages", on: .invalidate),
        KernelFunction("mapping_evict_folio", on: .invalidate, isFrequent: true),
    ]

    /// Every row.
    public static let all =
        [
            lookup, pin, unlock, lockWait, unaccount, swapOut, migratedPage, dropCaches, invalidate2, fadvise,
            reclaimDirect, reclaimMemcg, reclaimKswapd, reclaimList, truncate, truncateShmem, truncateHugetlb,
            fallocate, blockDevice, migrate, collapse, split, memoryFailure,
        ] + onStacksOnly

    /// Those that mean something on a stack.
    public static let landmarks = all.filter { !$0.landmark.isEmpty }

    /// Names of functions that mean something on a stack.
    public static let landmarkNames = landmarks.flatMap(\.names)

    /// The row with this name; nil when it means nothing on a stack.
    public static func landmark(named name: String) -> KernelFunction? {
        landmarks.first { $0.names.contains(name) }
    }

    /// Landmarks by the name of the function.
    public static let landmarksByName = Dictionary(
        uniqueKeysWithValues: landmarks.flatMap { function in function.names.map { ($0, function.landmark) } })
}

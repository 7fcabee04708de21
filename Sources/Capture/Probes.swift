// SPDX-License-Identifier: Apache-2.0

// The table of probes: for each role the kernel functions that can play it, what the programs are
// called, and what is off without it.

import CRecords
import Events

/// One role that a kernel function or a tracepoint plays.
struct ProbeRole: Sendable {
    enum Site: Sendable { case function, tracepoint }

    var name: String
    /// Prefix of the programs in the object: `<program>_fentry` and so on.
    var program: String
    var site: Site
    /// In order of preference; the first that the kernel has is taken.
    var candidates: [String]
    var hasReturn: Bool
    var isRequired: Bool
    /// A cause or an observation hangs on it. The others are only counted, once an operation.
    var isEvidence: Bool
    /// Number of the hook on both sides; none for a tracepoint.
    var number: fs_hook
    var offWithout: String

    /// Follows lookups; all others follow what detaches pages.
    var isOfLookup: Bool { ["lock-wait", "unlock", "pin", "lookup"].contains(name) }

    /// Where a jump takes the place of a return, by the processor's flaws.
    static let returnThunks = [
        "__x86_return_thunk", "srso_return_thunk", "srso_alias_return_thunk", "retbleed_return_thunk",
        "its_return_thunk", "call_depth_return_thunk", "zen_return_thunk",
    ]

    private static func function(
        _ name: String, _ number: fs_hook, _ candidates: [String], return hasReturn: Bool = false,
        required: Bool = false, evidence: Bool = false, off: String
    ) -> ProbeRole {
        ProbeRole(
            name: name, program: String(name.map { $0 == "-" ? "_" : $0 }), site: .function,
            candidates: candidates, hasReturn: hasReturn, isRequired: required, isEvidence: evidence,
            number: number, offWithout: off)
    }

    private static func activity(
        _ name: String, _ number: fs_hook, _ candidates: [String], off: String
    ) -> ProbeRole {
        function(name, number, candidates, return: true, off: "operations of \(off) are not counted")
    }

    /// In the order in which they are attached: what explains comes before what is explained, so that
    /// no observation is made while its evidence is not yet collected.
    static let all: [ProbeRole] = [
        ProbeRole(
            name: "detach", program: "detach", site: .tracepoint,
            candidates: ["mm_filemap_delete_from_page_cache"], hasReturn: false,
            isRequired: false, isEvidence: true, number: fs_hook(0), offWithout: "causes by page are unknown"),
        function(
            "swap-out", FS_HOOK_SWAP_OUT, ["shmem_writeout", "shmem_writepage"], return: true, evidence: true,
            off: "swap-out is not seen as a cause"),
        function(
            "migrated-page", FS_HOOK_MIGRATED_PAGE, ["folio_migrate_flags", "migrate_page_states"], evidence: true,
            off: "migration is not seen as a cause"),
        activity("drop-caches", FS_HOOK_DROP_CACHES, ["drop_caches_sysctl_handler"], off: "drop-caches"),
        activity("invalidate2", FS_HOOK_INVALIDATE2, ["invalidate_inode_pages2_range"], off: "direct-io-invalidation"),
        activity("fadvise", FS_HOOK_FADVISE, ["generic_fadvise"], off: "fadvise"),
        activity("reclaim-direct", FS_HOOK_RECLAIM_DIRECT, ["try_to_free_pages"], off: "direct reclaim"),
        activity(
            "reclaim-memcg", FS_HOOK_RECLAIM_MEMCG, ["try_to_free_mem_cgroup_pages"],
            off: "memory control group reclaim"),
        activity("reclaim-kswapd", FS_HOOK_RECLAIM_KSWAPD, ["balance_pgdat"], off: "kswapd"),
        activity("reclaim-list", FS_HOOK_RECLAIM_LIST, ["reclaim_pages"], off: "MADV_PAGEOUT and DAMON"),
        activity("truncate", FS_HOOK_TRUNCATE, ["truncate_inode_pages_range"], off: "truncate"),
        activity("truncate-shmem", FS_HOOK_TRUNCATE_SHMEM, ["shmem_undo_range"], off: "truncate of shared memory"),
        activity(
            "truncate-hugetlb", FS_HOOK_TRUNCATE_HUGETLB, ["remove_inode_hugepages"], off: "truncate of huge pages"),
        // Its range and mode distinguish a hole from a zeroed range, and a neighbour from the page itself, also where
        // the registers of the system call do not show them (bpf/cut.h).
        function(
            "fallocate", FS_HOOK_FALLOCATE, ["vfs_fallocate"], return: true, evidence: true,
            off: "hole-punch is not counted, and with io_uring it is not distinguished from other kinds of fallocate"),
        activity("block-device", FS_HOOK_BLOCK_DEVICE, ["truncate_bdev_range"], off: "block-zero-out"),
        activity("migrate", FS_HOOK_MIGRATE, ["migrate_pages"], off: "migration"),
        activity("collapse", FS_HOOK_COLLAPSE, ["collapse_file"], off: "collapse"),
        activity(
            "split", FS_HOOK_SPLIT, ["__folio_split", "split_huge_page_to_list_to_order", "split_huge_page_to_list"],
            off: "split"),
        activity("memory-failure", FS_HOOK_MEMORY_FAILURE, ["memory_failure"], off: "memory-failure"),
        function(
            "lock-wait", FS_HOOK_LOCK_WAIT, ["__folio_lock", "__lock_page"],
            off: "waits for the page's lock are not counted"),
        function(
            "unlock", FS_HOOK_UNLOCK, ["folio_unlock", "unlock_page"], required: true, evidence: true,
            off: "nothing can be observed"),
        function(
            "pin", FS_HOOK_PIN, ["get_user_pages_fast"], return: true, required: true, evidence: true,
            off: "nothing can be observed"),
        function(
            "lookup", FS_HOOK_LOOKUP, ["get_futex_key"], return: true, required: true, evidence: true,
            off: "nothing can be observed"),
    ]
}

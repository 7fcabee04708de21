// SPDX-License-Identifier: Apache-2.0

// The roles that kernel functions and tracepoints play for a live capture, in the order in which they are attached, each
// with the number that both sides share. Names of functions and the words shown come from the table `KernelFunctions`.

import CRecords
import Events

/// One role that a kernel function or a tracepoint plays.
struct ProbeRole: Sendable {
    enum Site: Sendable { case function, tracepoint }

    var name: String
    /// Prefix of the programs in the object: `<program>_fentry` and so on.
    var program: String
    var site: Site
    /// In order of preference; the first one that the kernel has is used.
    var candidates: [String]
    var hasReturn: Bool
    var isRequired: Bool
    /// A cause or an observation depends on it. The others are only counted, once for each operation.
    var isEvidence: Bool
    /// Number of the hook on both sides; none for a tracepoint.
    var number: fs_hook
    var offWithout: String

    /// Follows lookups; all others follow what detaches pages.
    var isOfLookup: Bool { ["lock-wait", "unlock", "pin", "lookup"].contains(name) }

    /// It exists on instructions alone: a pin that fails although write access was requested.
    static let fault = ProbeRole(
        name: "pin-fault", program: "pin_fault", site: .function, candidates: ["get_futex_key"], hasReturn: false,
        isRequired: false, isEvidence: false, number: fs_hook(0),
        offWithout: "an EFAULT without an observation is found at full depth only")

    /// Functions to which a compiler jumps in place of a return, as a mitigation of processor flaws.
    static let returnThunks = [
        "__x86_return_thunk", "srso_return_thunk", "srso_alias_return_thunk", "retbleed_return_thunk",
        "its_return_thunk", "call_depth_return_thunk", "zen_return_thunk",
    ]

    /// In the order in which they are attached: what explains comes before what is explained, so that
    /// no observation is made while its evidence is not yet collected.
    static let all: [ProbeRole] =
        [
            ProbeRole(
                name: "detach", program: "detach", site: .tracepoint,
                candidates: ["mm_filemap_delete_from_page_cache"], hasReturn: false, isRequired: false,
                isEvidence: true, number: fs_hook(0), offWithout: "causes by page are unknown")
        ] + functions.compactMap { ProbeRole($0, number: $1) }

    private static let functions: [(KernelFunction, fs_hook)] = [
        (KernelFunctions.swapOut, FS_HOOK_SWAP_OUT),
        (KernelFunctions.migratedPage, FS_HOOK_MIGRATED_PAGE),
        (KernelFunctions.dropCaches, FS_HOOK_DROP_CACHES),
        (KernelFunctions.invalidate2, FS_HOOK_INVALIDATE2),
        (KernelFunctions.fadvise, FS_HOOK_FADVISE),
        (KernelFunctions.reclaimDirect, FS_HOOK_RECLAIM_DIRECT),
        (KernelFunctions.reclaimMemcg, FS_HOOK_RECLAIM_MEMCG),
        (KernelFunctions.reclaimKswapd, FS_HOOK_RECLAIM_KSWAPD),
        (KernelFunctions.reclaimList, FS_HOOK_RECLAIM_LIST),
        (KernelFunctions.truncate, FS_HOOK_TRUNCATE),
        (KernelFunctions.truncateShmem, FS_HOOK_TRUNCATE_SHMEM),
        (KernelFunctions.truncateHugetlb, FS_HOOK_TRUNCATE_HUGETLB),
        (KernelFunctions.fallocate, FS_HOOK_FALLOCATE),
        (KernelFunctions.blockDevice, FS_HOOK_BLOCK_DEVICE),
        (KernelFunctions.migrate, FS_HOOK_MIGRATE),
        (KernelFunctions.collapse, FS_HOOK_COLLAPSE),
        (KernelFunctions.split, FS_HOOK_SPLIT),
        (KernelFunctions.memoryFailure, FS_HOOK_MEMORY_FAILURE),
        (KernelFunctions.lockWait, FS_HOOK_LOCK_WAIT),
        (KernelFunctions.unlock, FS_HOOK_UNLOCK),
        (KernelFunctions.pin, FS_HOOK_PIN),
        (KernelFunctions.lookup, FS_HOOK_LOOKUP),
    ]

    /// Nil for a function that no probe is on.
    private init?(_ function: KernelFunction, number: fs_hook) {
        guard let probe = function.probe else { return nil }
        self.init(
            name: probe.role, program: String(probe.role.map { $0 == "-" ? "_" : $0 }), site: .function,
            candidates: function.names, hasReturn: probe.hasReturn, isRequired: probe.isRequired,
            isEvidence: probe.isEvidence, number: number, offWithout: probe.offWithout)
    }

    private init(
        name: String, program: String, site: Site, candidates: [String], hasReturn: Bool, isRequired: Bool,
        isEvidence: Bool, number: fs_hook, offWithout: String
    ) {
        (self.name, self.program, self.site, self.candidates) = (name, program, site, candidates)
        (self.hasReturn, self.isRequired, self.isEvidence) = (hasReturn, isRequired, isEvidence)
        (self.number, self.offWithout) = (number, offWithout)
    }
}

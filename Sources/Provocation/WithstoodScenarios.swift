// SPDX-License-Identifier: Apache-2.0

// The scenarios that detach a page only if no other task holds a reference. On the kernels known so far no futex call
// observes them; these scenarios test that on every kernel.

internal import Glibc

extension Scenario {
    // Both skip a page that is mapped, hence the victim's `releases`.
    static let dropCaches = Scenario(
        cause: .dropCaches, place: .disk, footing: .file(.readOnly, releases: true),
        // Each operation walks every file of the host and writes a line to the kernel's log.
        napNs: 10_000_000, evidence: ["drop_pagecache"],
        culprit: { _, _ throws(SyscallError) in
            let control = try Descriptor(opening: "/proc/sys/vm/drop_caches", flags: O_WRONLY)
            return { () throws(SyscallError) in try control.write(text: "1") }
        })

    static let fadvise = Scenario(
        cause: .fadvise, place: .disk, footing: .file(.readOnly, releases: true),
        culprit: { path, _ throws(SyscallError) in
            let file = try Descriptor(opening: path, flags: O_RDONLY)
            return { () throws(SyscallError) in try file.forget() }
        })

    static let reclaim = Scenario(
        cause: .reclaim, place: .disk, footing: .file(.readOnly), culprit: pagingOut)

    static let swapOut = Scenario(
        cause: .swapOut, place: .tmpfs, footing: .file(.readWrite),
        evidence: ["pswpout", "pswpin"], culprit: pagingOut)

    // On behalf of the victim: reclaim skips a page that a second process maps too, and does not find a page that another
    // CPU has faulted in and that is still in that CPU's batch.
    private static let pagingOut: SetUp = { _, board throws(SyscallError) in
        let victim = Descriptor(
            owning: try Syscalls.processDescriptor(Int32(board[.victimPid])), subject: "the victim")
        let address = board[.victimAddress]
        return { () throws(SyscallError) in
            try victim.pageOut(address: address, bytes: Mapping.pageBytes)
        }
    }

    static let migration = Scenario(
        cause: .migration, place: .directory, footing: .file(.readWrite),
        evidence: ["pgmigrate_success", "pgmigrate_fail"],
        culprit: { _, board throws(SyscallError) in
            let victim = Int32(board[.victimPid])
            let address = board[.victimAddress]
            let nodes = Host.nodesWithMemory
            guard nodes.count > 1 else {
                // With one node there is no other node to move a page to, but compaction moves it too.
                let control = try Descriptor(opening: "/proc/sys/vm/compact_memory", flags: O_WRONLY)
                return { () throws(SyscallError) in try control.write(text: "1") }
            }
            var next = 0
            return { () throws(SyscallError) in
                next = (next + 1) % nodes.count
                try Syscalls.movePage(of: victim, address: address, to: nodes[next])
            }
        })

    // Each collapse uses up a range of small pages. The range that gets small pages again is never the victim's, because
    // that would be a hole in the page of the futex.
    static let collapse: Scenario = {
        let stride = Mapping.hugePageBytes
        let strides = 16
        return Scenario(
            cause: .collapse, place: .tmpfs, fileBytes: strides * stride,
            footing: .file(.readWrite, stride: stride), napNs: 2_000_000, evidence: ["thp_collapse_alloc"],
            culprit: { path, board throws(SyscallError) in
                let file = try Descriptor(opening: path, flags: O_RDWR)
                let mapping = try Mapping(hugeAligned: file, bytes: strides * stride)
                var cursor = 0
                mapping.populate(at: 0, bytes: stride)
                return { () throws(SyscallError) in
                    try mapping.collapse(at: cursor * stride)
                    cursor = (cursor + 1) % strides
                    try file.punchHole(at: cursor * stride, bytes: stride)
                    mapping.populate(at: cursor * stride, bytes: stride)
                    board[.cursor] = cursor
                }
            })
    }()
}

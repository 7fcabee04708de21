// SPDX-License-Identifier: Apache-2.0

// The scenarios that take a page away only if nobody holds it.  No kernel known so far lets a futex
// call meet one; they are here to show just that, and to show it of the next kernel too.

internal import Glibc

extension Scenario {
    // Both spare a page that is mapped, hence the victim's `releases`.
    static let dropCaches = Scenario(
        cause: .dropCaches, place: .disk, footing: .file(.readOnly, releases: true),
        // It walks every file of the host and leaves a line in the kernel's log each time.
        napNs: 10_000_000, evidence: ["drop_pagecache"],
        disturber: { _, _ throws(SystemError) in
            let control = try Descriptor(opening: "/proc/sys/vm/drop_caches", flags: O_WRONLY)
            return { () throws(SystemError) in try control.write(text: "1") }
        })

    static let fadvise = Scenario(
        cause: .fadvise, place: .disk, footing: .file(.readOnly, releases: true),
        disturber: { path, _ throws(SystemError) in
            let file = try Descriptor(opening: path, flags: O_RDONLY)
            return { () throws(SystemError) in try file.forget() }
        })

    static let reclaim = Scenario(
        cause: .reclaim, place: .disk, footing: .file(.readOnly), disturber: pagingOut)

    static let swapOut = Scenario(
        cause: .swapOut, place: .tmpfs, footing: .file(.readWrite),
        evidence: ["pswpout", "pswpin"], disturber: pagingOut)

    // On behalf of the victim: a page that a second process maps too is spared, and a page that
    // another CPU has faulted in waits in that CPU's batch, where reclaim does not find it.
    private static let pagingOut: SetUp = { _, board throws(SystemError) in
        let victim = Descriptor(
            owning: try Syscalls.processDescriptor(Int32(board[.victimPid])), subject: "the victim")
        let address = board[.victimAddress]
        return { () throws(SystemError) in
            try victim.pageOut(address: address, bytes: Mapping.pageBytes)
        }
    }

    static let migration = Scenario(
        cause: .migration, place: .directory, footing: .file(.readWrite),
        evidence: ["pgmigrate_success", "pgmigrate_fail"],
        disturber: { _, board throws(SystemError) in
            let victim = Int32(board[.victimPid])
            let address = board[.victimAddress]
            let nodes = Host.nodesWithMemory
            guard nodes.count > 1 else {
                // With one node there is nowhere to move a page to, but compaction moves it along.
                let control = try Descriptor(opening: "/proc/sys/vm/compact_memory", flags: O_WRONLY)
                return { () throws(SystemError) in try control.write(text: "1") }
            }
            var next = 0
            return { () throws(SystemError) in
                next = (next + 1) % nodes.count
                try Syscalls.movePage(of: victim, address: address, to: nodes[next])
            }
        })

    // Each collapse uses up a stretch of small pages.  The stretch that is made small again is never
    // the one that the victim is on, since that would be a hole where the futex is.
    static let collapse: Scenario = {
        let stride = Mapping.hugePageBytes
        let strides = 16
        return Scenario(
            cause: .collapse, place: .tmpfs, fileBytes: strides * stride,
            footing: .file(.readWrite, stride: stride), napNs: 2_000_000, evidence: ["thp_collapse_alloc"],
            disturber: { path, board throws(SystemError) in
                let file = try Descriptor(opening: path, flags: O_RDWR)
                let mapping = try Mapping(hugeAligned: file, bytes: strides * stride)
                var cursor = 0
                mapping.populate(at: 0, bytes: stride)
                return { () throws(SystemError) in
                    try mapping.collapse(at: cursor * stride)
                    cursor = (cursor + 1) % strides
                    try file.punchHole(at: cursor * stride, bytes: stride)
                    mapping.populate(at: cursor * stride, bytes: stride)
                    board[.cursor] = cursor
                }
            })
    }()
}

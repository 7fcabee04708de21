// SPDX-License-Identifier: Apache-2.0

// Texts of traces that are written event by event, so that a test can show what one gap makes of them.

import Events

/// A trace as tracefs prints it.
struct Script {
    static let (page, otherPage): (UInt64, UInt64) = (0xffff_f80a_c011_6ec0, 0xffff_f80a_c011_7000)
    static let mapping: UInt64 = 0xffff_8ecf_82d5_4ad8
    private static let removal = [
        "fentry_trace_func", "fentry_dispatcher", "fprobe_handler", "0xffffffffc05f50de",
        "__probestub_mm_filemap_delete_from_page_cache", "__filemap_remove_folio",
    ]
    private static let systemCall = ["do_syscall_64", "entry_SYSCALL_64_after_hwframe"]
    static let truncation =
        removal + [
            "filemap_remove_folio", "truncate_inode_folio", "truncate_inode_pages_range", "ext4_setattr",
            "notify_change", "do_truncate", "do_ftruncate",
        ] + systemCall
    static let directIO =
        removal + [
            "invalidate_inode_pages2_range", "__iomap_dio_rw", "iomap_dio_rw", "ext4_file_write_iter", "vfs_write",
            "__x64_sys_pwrite64",
        ] + systemCall
    static let holePunch =
        removal + [
            "filemap_remove_folio", "truncate_inode_folio", "shmem_undo_range", "shmem_fallocate", "vfs_fallocate",
            "__x64_sys_fallocate",
        ] + systemCall
    static let eviction =
        removal + [
            "filemap_remove_folio", "truncate_inode_folio", "truncate_inode_pages_range", "truncate_inode_pages_final",
            "ext4_evict_inode", "evict", "__dentry_kill", "dput", "__fput", "task_work_run",
            "syscall_exit_to_user_mode",
        ] + systemCall
    static let reclaim =
        removal + [
            "__remove_mapping", "shrink_folio_list", "evict_folios", "shrink_one", "shrink_node", "balance_pgdat",
            "kswapd", "kthread", "ret_from_fork", "ret_from_fork_asm",
        ]
    static let zeroRange =
        removal + [
            "filemap_remove_folio", "truncate_inode_folio", "truncate_inode_pages_range", "truncate_pagecache_range",
            "ext4_zero_range", "ext4_fallocate", "vfs_fallocate", "__x64_sys_fallocate",
        ] + systemCall

    private(set) var lines: [String] = ["# tracer: nop", "#"]
    private var time = 6_000_000

    /// Without the lines with these numbers, counted from the first event.
    func text(without lost: [Range<Int>] = []) -> Text {
        let events = lines.dropFirst(2).enumerated().filter { line in !lost.contains { $0.contains(line.offset) } }
            .map(\.element)
        return Text((lines.prefix(2) + events).joined(separator: "\n") + "\n")
    }

    /// The number of the first line that has all these words.
    func first(_ words: String...) -> Int? {
        lines.dropFirst(2).firstIndex { line in words.allSatisfy { line.contains($0) } }.map { $0 - 2 }
    }

    mutating func event(_ task: (name: String, tid: Int), _ text: String) {
        time += 100
        let name = String(repeating: " ", count: 16 - task.name.count) + task.name
        let number = "\(task.tid)"
        let columns = number + String(repeating: " ", count: 7 - number.count)
        let seconds = "\(time / 1_000_000).\(String(time).suffix(6))"
        lines.append(
            "\(name)-\(columns) (\(number)) [000] ..... \(String(repeating: " ", count: 12 - seconds.count))\(seconds): \(text)"
        )
    }

    static func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

    /// The next event has a time that differs by so much from that of the one before.
    mutating func step(milliseconds: Int) { time += milliseconds * 1000 }

    /// Nothing happens for some seconds.
    mutating func pause(seconds: Int) { time += seconds * 1_000_000 }

    // MARK: Victims

    mutating func lookup(_ task: (String, Int)) {
        event(task, "fs_lookup: (get_futex_key+0x4/0x2c0) uaddr=0x7fd9f766a000 flags=0x12 write=0")
    }

    mutating func pin(_ task: (String, Int), readOnly: Bool = false) {
        event(
            task,
            "fs_pin: (get_user_pages_fast+0x4/0x60) address=0x7fd9f766a000 count=1 flags=0x\(readOnly ? 0 : 1)")
    }

    mutating func pinned(_ task: (String, Int), page: UInt64 = page, mapping: UInt64 = mapping, result: Int = 1) {
        event(
            task,
            "fs_pin_return: (get_futex_key+0xa5/0x2c0 <- get_user_pages_fast) ret=\(result) page=\(Self.hex(page)) "
                + "mapping=\(Self.hex(mapping))")
    }

    mutating func unlock(_ task: (String, Int), page: UInt64 = page, order: Int = 0, isInSwapCache: Bool = false) {
        let swap = isInSwapCache ? 1 : 0
        event(
            task,
            "fs_unlock: (folio_unlock+0x4/0x20) page=\(Self.hex(page)) mapping=0x0 reserved=0 swapcache=\(swap) swapbacked=\(swap) "
                + "large=0 order=\(order) caller=get_futex_key+0x18d/0x2c0 base=0xfffff80ac0000000 zero=0xf6d8 "
                + "hugezero=0xffffffffffffffff")
    }

    mutating func end(_ task: (String, Int), result: Int = -14) {
        event(task, "fs_lookup_return: (futex_wake+0x6a/0x190 <- get_futex_key) ret=\(result)")
    }

    /// Up to the page that it has pinned.
    mutating func begin(_ task: (String, Int), page: UInt64 = page) {
        lookup(task)
        pin(task)
        pinned(task, page: page)
    }

    /// From the page without a mapping on.
    mutating func fail(_ task: (String, Int), page: UInt64 = page) {
        unlock(task, page: page)
        end(task)
    }

    // MARK: Culprits

    mutating func enter(_ task: (String, Int), _ function: String, _ arguments: String = "") {
        event(task, "fs_in_\(function): (\(function)+0x4/0x400)\(arguments.isEmpty ? "" : " " + arguments)")
    }

    mutating func leave(_ task: (String, Int), _ function: String) {
        event(task, "fs_out_\(function): (caller+0x3fe/0x860 <- \(function))")
    }

    mutating func detach(
        _ task: (String, Int), page: UInt64 = page, inode: Int = 12, size: Int = 4096, stack: [String]
    ) {
        event(
            task,
            "fs_detach: (__probestub_mm_filemap_delete_from_page_cache+0x4/0x10) page=\(Self.hex(page)) index=0 "
                + "references=3 dev=266338320 inode=\(inode) size=\(size) magic=0xef53 large=0 order=0")
        event(task, "<stack trace>")
        lines += stack.map { " => " + $0 }
    }

    mutating func truncate(_ task: (String, Int), page: UInt64 = page, inode: Int = 12, stack: [String] = truncation) {
        enter(task, "do_truncate")
        enter(task, "truncate_inode_pages_range")
        detach(task, page: page, inode: inode, size: 0, stack: stack)
        leave(task, "truncate_inode_pages_range")
        leave(task, "do_truncate")
    }

    mutating func writeDirectly(
        _ task: (String, Int), page: UInt64 = page, inode: Int = 12, stack: [String] = directIO
    ) {
        enter(task, "invalidate_inode_pages2_range")
        detach(task, page: page, inode: inode, stack: stack)
        leave(task, "invalidate_inode_pages2_range")
    }

    mutating func punchHole(_ task: (String, Int), page: UInt64 = page, inode: Int = 12, stack: [String] = holePunch) {
        enter(task, "vfs_fallocate", "mode=0x3 offset=0 length=4096")
        enter(task, "shmem_undo_range")
        detach(task, page: page, inode: inode, stack: stack)
        leave(task, "shmem_undo_range")
        leave(task, "vfs_fallocate")
    }
}

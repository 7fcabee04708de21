// SPDX-License-Identifier: Apache-2.0

// Operations and stacks when lines are missing: an entry without its end, a stack that another one follows, an end without
// its entry. None of these decides against what else is seen.

import Correlation
import Events
import Testing

@testable import Ftrace

@Suite("Operations with gaps") struct OperationTests {
    private static let victim = ("victim", 164)
    private static let (culprit, other) = (("culprit", 200), ("other", 300))

    private func causes(_ script: Script, without lost: Range<Int>...) throws -> [String] {
        try Reading(bytes: script.text(without: lost).bytes, threads: 0).causes
    }

    @Test("an operation whose end is missing explains nothing that comes after it", arguments: [8, 12, 16])
    func staleEntry(frames: Int) throws {
        for stale in [["invalidate_inode_pages2_range"], ["do_truncate", "truncate_inode_pages_range"]] {
            for isFinished in [false, true] {
                var punched = Script()
                for function in stale { punched.enter(Self.culprit, function) }
                if isFinished { for function in stale.reversed() { punched.leave(Self.culprit, function) } }
                var (truncated, written) = (punched, punched)
                punched.begin(Self.victim)
                punched.punchHole(Self.culprit, stack: Array(Script.holePunch.prefix(frames)))
                punched.fail(Self.victim)
                truncated.begin(Self.victim)
                truncated.truncate(Self.culprit, stack: Array(Script.truncation.prefix(frames)))
                truncated.fail(Self.victim)
                written.begin(Self.victim)
                written.writeDirectly(Self.culprit, stack: Array(Script.directIO.prefix(frames)))
                written.fail(Self.victim)
                for (script, cause) in [
                    (punched, "hole-punch"), (truncated, "truncate"), (written, "direct-io-invalidation"),
                ] {
                    let found = try causes(script)
                    #expect(found == [cause] || (!isFinished && found == ["unknown"]), "\(stale), \(cause): \(found)")
                }
            }
        }
    }

    @Test("what a system call requests is not within another operation: the end of that one is missing")
    func withinOther() throws {
        for stale in ["vfs_fallocate", "invalidate_inode_pages2_range", "generic_fadvise"] {
            var script = Script()
            script.enter(Self.culprit, stale, stale == "vfs_fallocate" ? "mode=0x3 offset=0 length=4096" : "advice=4")
            script.begin(Self.victim)
            script.truncate(Self.culprit, stack: Array(Script.truncation.prefix(8)))
            script.fail(Self.victim)
            let reading = try Reading(script.text())
            #expect(reading.causes == ["truncate"], "\(stale)")
            #expect(reading.losses == [.returnMissed: 1], "\(stale)")
        }
    }

    @Test("a gap within the entries and ends of other operations changes no cause")
    func gapInOperations() throws {
        var script = Script()
        script.writeDirectly(Self.culprit, page: Script.otherPage)
        script.truncate(Self.other, page: Script.otherPage + 64)
        script.begin(Self.victim)
        script.punchHole(Self.culprit, stack: Array(Script.holePunch.prefix(8)))
        script.fail(Self.victim)
        #expect(try causes(script) == ["hole-punch"])
        for begin in 0..<script.lines.count - 2 {
            for end in begin + 1...script.lines.count - 2 {
                let found = (try? causes(script, without: begin..<end)) ?? []
                #expect(Set(found).isSubset(of: ["hole-punch", "unknown"]), "\(begin)..<\(end)")
            }
        }
    }

    @Test("a gap behind the begin of a text that begins within an operation", arguments: [true, false])
    func gapBehindBegin(isOfOneTask: Bool) throws {
        var script = Script()
        script.begin(Self.victim)
        script.detach(Self.culprit, size: 0, stack: Script.truncation)
        script.leave(Self.culprit, "truncate_inode_pages_range")
        script.leave(Self.culprit, "do_truncate")
        let next = isOfOneTask ? Self.culprit : Self.other
        script.punchHole(next, page: Script.otherPage, inode: 13)
        script.writeDirectly(next, page: Script.otherPage + 64, inode: 14)
        script.fail(Self.victim)
        for begin in 0..<script.lines.count - 2 {
            for end in begin + 1...script.lines.count - 2 {
                let found = (try? causes(script, without: begin..<end)) ?? []
                #expect(Set(found).isSubset(of: ["truncate", "unknown"]), "\(begin)..<\(end)")
            }
        }
    }

    @Test("a mode of fallocate() that a frame contradicts is not the one of this stack")
    func otherMode() throws {
        var script = Script()
        script.begin(Self.victim)
        script.enter(Self.culprit, "vfs_fallocate", "mode=0x3 offset=0 length=4096")
        script.detach(Self.culprit, stack: Script.zeroRange)
        script.leave(Self.culprit, "vfs_fallocate")
        script.fail(Self.victim)
        #expect(try causes(script) == ["unknown"])
    }

    @Test("a call of fallocate() before, whose end is missing with the next entry, is not the one of this stack")
    func otherModeBefore() throws {
        var script = Script()
        script.begin(Self.victim)
        script.enter(Self.culprit, "vfs_fallocate", "mode=0x10 offset=0 length=4096")
        script.enter(Self.culprit, "shmem_undo_range")
        script.detach(Self.culprit, stack: Script.holePunch)
        script.leave(Self.culprit, "shmem_undo_range")
        script.leave(Self.culprit, "vfs_fallocate")
        script.fail(Self.victim)
        #expect(try causes(script) == ["unknown"])
    }

    @Test("an operation that is not on the whole stack is not exact")
    func notOnStack() throws {
        var script = Script()
        script.begin(Self.victim)
        script.enter(Self.culprit, "drop_pagecache_sb")
        script.enter(Self.culprit, "evict")
        script.enter(Self.culprit, "truncate_inode_pages_range")
        script.detach(Self.culprit, stack: Script.eviction)
        script.leave(Self.culprit, "truncate_inode_pages_range")
        script.leave(Self.culprit, "evict")
        script.leave(Self.culprit, "drop_pagecache_sb")
        script.fail(Self.victim)
        let finding = try #require(try Reading(script.text()).findings.first)
        #expect(finding.cause == .dropCaches && finding.confidence == .inferred)
    }

    @Test("kswapd is in reclaim before a text begins")
    func kswapd() throws {
        var script = Script()
        let kswapd = ("kswapd0", 60)
        script.begin(Self.victim)
        script.detach(kswapd, stack: Script.reclaim)
        script.event(kswapd, "mm_vmscan_kswapd_sleep: nid=0")
        script.truncate(Self.culprit, page: Script.otherPage)
        script.fail(Self.victim)
        #expect(try causes(script) == ["reclaim"])
    }

    @Test("a detach of another time, in a later line, is not the one that a lookup met", arguments: [-400, 0, 900])
    func otherTime(milliseconds: Int) throws {
        var script = Script()
        script.begin(Self.victim)
        if milliseconds != 0 { script.step(milliseconds: milliseconds) }
        script.truncate(Self.culprit)
        if milliseconds != 0 { script.step(milliseconds: -milliseconds) }
        script.fail(Self.victim)
        #expect(try causes(script) == [milliseconds == 0 ? "truncate" : "unknown"])
    }

    /// Operations, each with its cause.
    private enum Operation: String, CaseIterable {
        case truncate
        case directIO = "direct-io-invalidation"
        case holePunch = "hole-punch"

        func run(_ script: inout Script, _ task: (String, Int), page: UInt64 = Script.page, inode: Int = 12) {
            switch self {
            case .truncate: script.truncate(task, page: page, inode: inode)
            case .directIO: script.writeDirectly(task, page: page, inode: inode)
            case .holePunch: script.punchHole(task, page: page, inode: inode)
            }
        }
    }

    @Test("two stacks that a gap has joined, wherever it begins and ends", arguments: [false, true])
    func joinedStacks(isEntrySeen: Bool) throws {
        for first in Operation.allCases {
            for second in Operation.allCases where second != first {
                var script = Script()
                script.begin(Self.victim)
                first.run(&script, Self.culprit)
                second.run(&script, Self.other, page: Script.otherPage, inode: 13)
                script.fail(Self.victim)
                let detach = try #require(script.first("fs_detach"))
                let entries = isEntrySeen ? detach : try #require(script.first("fs_in"))
                // Without the entry, the frames may be of two stacks.
                #expect(
                    try causes(script, without: entries..<detach) == [isEntrySeen ? first.rawValue : "unknown"])
                let last = script.lines.count - 3
                for begin in detach..<last {
                    for end in begin + 1...last {
                        let found = Set(try causes(script, without: entries..<detach, begin..<end))
                        let isRight = found.isSubset(of: [first.rawValue, "unknown"])
                        #expect(isRight, "\(first), \(second), \(begin)..<\(end): \(found)")
                    }
                }
            }
        }
    }

    @Test("what follows the entry into the kernel is another stack: a loss")
    func behindEntry() throws {
        var script = Script()
        script.begin(Self.victim)
        script.truncate(Self.culprit, stack: Script.truncation + Script.directIO)
        script.fail(Self.victim)
        let reading = try Reading(script.text())
        #expect(reading.losses[.ftraceBuffer] == 1)
        #expect(Set(reading.causes).isSubset(of: ["truncate", "unknown"]))
        // The same stack begins once more before it has ended.
        script = Script()
        script.begin(Self.victim)
        script.truncate(Self.culprit, stack: Script.truncation.prefix(8) + Script.directIO)
        script.fail(Self.victim)
        #expect(try Reading(script.text()).losses[.ftraceBuffer] == 1)
    }

    @Test("a stack may have two functions at its end, and may go through a fault")
    func wholeStacks() throws {
        for (entry, cause) in [
            (["el0_svc", "el0t_64_sync_handler", "el0t_64_sync"], "direct-io-invalidation"),
            (["kthread", "ret_from_fork", "ret_from_fork_asm"], "direct-io-invalidation"),
            (["asm_exc_page_fault", "fault_in_readable", "entry_SYSCALL_64_after_hwframe"], "direct-io-invalidation"),
        ] {
            var script = Script()
            script.begin(Self.victim)
            script.writeDirectly(Self.culprit, stack: Script.directIO.dropLast(2) + entry)
            script.fail(Self.victim)
            let reading = try Reading(script.text())
            #expect(reading.causes == [cause], "\(entry)")
            #expect(reading.losses.isEmpty, "\(entry)")
        }
    }

    @Test("frames of user space behind those of the kernel, as perf prints them")
    func userFrames() throws {
        var lines: [[UInt8]] = []
        for line in try Text.sample("field/perf-script").lines {
            let text = String(decoding: line, as: UTF8.self)
            if text.contains("<stack trace>") { continue }
            guard text.hasPrefix(" => ") else {
                lines.append(line)
                continue
            }
            lines.append(Array("\tffffffff81234567 \(text.dropFirst(4))+0x12 ([kernel.kallsyms])".utf8))
            guard text.contains("entry_SYSCALL") else { continue }
            lines.append(Array("\t    7f2c3c114a37 __libc_pwrite64+0x17 (/usr/lib/libc.so.6)".utf8))
        }
        var text = Text("")
        text.lines = lines
        let reading = try Reading(text)
        #expect(reading.causes == ["hole-punch", "truncate", "zero-page"])
        #expect(reading.losses.isEmpty)
    }

    @Test("the end of another operation contradicts a stack: a loss, and no cause")
    func contradictedByEnd() throws {
        var script = Script()
        script.begin(Self.victim)
        script.detach(Self.culprit, size: 0, stack: Script.truncation)
        script.leave(Self.culprit, "invalidate_inode_pages2_range")
        script.fail(Self.victim)
        let reading = try Reading(script.text())
        #expect(reading.causes == ["unknown"])
        #expect(reading.losses[.ftraceBuffer] == 1)
        #expect(reading.findings.allSatisfy { $0.isIncomplete })
    }

    @Test("a truncation removes no page that lies before the end of the file")
    func beforeEnd() throws {
        for (size, cause) in [(0, "truncate"), (4096, "unknown")] {
            var script = Script()
            script.begin(Self.victim)
            script.detach(Self.culprit, size: size, stack: Script.truncation)
            script.fail(Self.victim)
            #expect(try causes(script) == [cause])
        }
    }
}

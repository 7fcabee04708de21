// SPDX-License-Identifier: Apache-2.0

// Where pieces are missing there are fewer findings, never wrong ones, and the lack is said.

import Correlation
import Events
@testable import Ftrace
import Testing

@Suite("Missing pieces") struct PieceTests {
    static let kernels = SampleTests.kernels
    static let all = ["direct-io-invalidation", "hole-punch", "hole-punch", "truncate", "zero-page"]

    private func text(_ kernel: String) throws -> Text { try .sample("trace-\(kernel)") }

    @Test("without stacks the functions that were entered name the cause", arguments: kernels)
    func noStacks(kernel: String) throws {
        let reading = try Reading(text(kernel).without("<stack trace>", " => "))
        #expect(reading.causes == Self.all)
        #expect(reading.findings.allSatisfy { $0.detach?.stackIsNamed != true })
    }

    @Test("without functions stacks name what they can", arguments: kernels)
    func noFunctions(kernel: String) throws {
        let reading = try Reading(text(kernel).without("fs_in_", "fs_out_"))
        // tmpfs and hugetlbfs know but one mode of fallocate() that removes pages.
        #expect(reading.causes == Self.all)
    }

    @Test("one mode of fallocate() looks like the other on a stack of another file system", arguments: kernels)
    func modes(kernel: String) throws {
        let reading = try Reading(
            text(kernel).without("fs_in_", "fs_out_").replacing(
                "=> (shmem|hugetlbfs)_fallocate", with: "=> xfs_file_fallocate"))
        #expect(reading.causes == ["direct-io-invalidation", "truncate", "unknown", "unknown", "zero-page"])
        for finding in reading.findings where finding.cause == .unknown && finding.lookup.observations > 0 {
            #expect(finding.unknownReason == .stackUnnamed)
            #expect(finding.detach?.culprit.comm.text == "provoke-culprit")
            #expect(finding.spurious == true)
        }
    }

    @Test("without both the culprit is known and the cause is not", arguments: kernels)
    func neither(kernel: String) throws {
        let reading = try Reading(text(kernel).without("fs_in_", "fs_out_", "<stack trace>", " => "))
        #expect(reading.causes == ["unknown", "unknown", "unknown", "unknown", "zero-page"])
    }

    @Test("a stack that was cut says nothing by what it lacks", arguments: kernels)
    func cutStacks(kernel: String) throws {
        let reading = try Reading(
            text(kernel).without(
                "fs_in_", "fs_out_", "do_truncate", "do_ftruncate", "truncate_setsize", "entry_SYSCALL"))
        #expect(!reading.causes.contains("truncate"))
        #expect(!reading.causes.contains("other"))
    }

    @Test("an entry replaces a missing line of the stack", arguments: kernels)
    func goneLine(kernel: String) throws {
        let reading = try Reading(
            text(kernel).without(" => do_truncate", " => do_ftruncate", " => truncate_setsize", " => vfs_fallocate"))
        #expect(reading.causes == Self.all)
    }

    @Test("without pins nothing is observed", arguments: kernels)
    func noPins(kernel: String) throws {
        let reading = try Reading(text(kernel).without("fs_pin:", "fs_pin_return:"))
        #expect(reading.totals.observations == 0)
        #expect(reading.findings.isEmpty)
        #expect(reading.omits("fs_pin"))
    }

    @Test("without a caller the pinned page shows an unlock, where the kernel says it", arguments: kernels)
    func noCaller(kernel: String) throws {
        let reading = try Reading(text(kernel).replacing(#" caller=\S+"#, with: ""))
        if kernel == "6.1" {
            #expect(reading.causes.isEmpty)
            #expect(reading.omits("name neither their caller nor the pinned page"))
        } else {
            #expect(reading.causes == Self.all)
        }
    }

    @Test("an unlock from elsewhere is not the function's own", arguments: kernels)
    func foreignUnlock(kernel: String) throws {
        let reading = try Reading(text(kernel).replacing("caller=get_futex_key", with: "caller=end_page_read"))
        #expect(reading.totals.observations == 0)
    }

    @Test("without detaches only the page itself explains anything", arguments: kernels)
    func noDetaches(kernel: String) throws {
        let reading = try Reading(text(kernel).without("fs_detach", "<stack trace>", " => "))
        #expect(reading.causes == ["unknown", "unknown", "unknown", "unknown", "zero-page"])
        for finding in reading.findings where finding.lookup.observations > 0 && finding.cause == .unknown {
            // Where it was gone when the pin returned, it might be a page that never has one.
            let wasGone = finding.lookup.page?.facts.contains(.nullAtPin) == true
            #expect(finding.unknownReason == (wasGone ? .areaUnreadable : .noDetachSeen))
        }
    }

    @Test("without its number the zero page is not distinguished from other pages", arguments: kernels)
    func noNumbers(kernel: String) throws {
        let reading = try Reading(text(kernel).replacing(#" (huge)?zero=\S+"#, with: ""))
        #expect(!reading.causes.contains("zero-page"))
        #expect(reading.causes.contains("unknown"))
    }

    @Test("without the file's size nobody knows whether it was spurious", arguments: kernels)
    func noSizes(kernel: String) throws {
        let reading = try Reading(text(kernel).replacing(#" size=\S+"#, with: ""))
        #expect(reading.causes == Self.all)
        for finding in reading.findings where finding.detach != nil {
            #expect(finding.kind == .unknown)
            #expect(finding.spurious == nil)
            #expect(finding.verdicts?.retry != .succeeds)
        }
    }

    @Test("the kernel's own tracepoint replaces the event of the detach", arguments: kernels)
    func tracepoint(kernel: String) throws {
        let base = try #require(
            try text(kernel).lines.lazy.compactMap { line -> UInt64? in
                let words = String(decoding: line, as: UTF8.self).split(separator: " ")
                return words.first { $0.hasPrefix("base=0x") }.flatMap { UInt64($0.dropFirst(7), radix: 16) }
            }.first)
        var changed = try text(kernel)
        for (place, line) in changed.lines.enumerated() {
            let words = String(decoding: line, as: UTF8.self)
            guard let range = words.range(of: "fs_detach: ") else { continue }
            var values: [String: UInt64] = [:]
            for word in words[range.upperBound...].split(separator: " ") {
                let parts = word.split(separator: "=")
                guard parts.count == 2 else { continue }
                values[String(parts[0])] =
                    parts[1].hasPrefix("0x") ? UInt64(parts[1].dropFirst(2), radix: 16) : UInt64(parts[1])
            }
            let device = values["dev"] ?? 0
            let number = ((values["page"] ?? 0) - base) / 64
            let inode = String(values["inode"] ?? 0, radix: 16)
            let offset = (values["index"] ?? 0) * 4096
            var new = String(words[..<range.lowerBound])
            new += "mm_filemap_delete_from_page_cache: dev \(device >> 20):\(device & 0xfffff) "
            new += "ino \(inode) pfn=0x\(String(number, radix: 16)) ofs=\(offset) order=0"
            changed.lines[place] = Array(new.utf8)
        }
        let (reading, wanted) = (try Reading(changed), try Reading(text(kernel)))
        #expect(reading.causes == Self.all)
        #expect(reading.findings.map(\.detach?.file) == wanted.findings.map(\.detach?.file))
        #expect(reading.findings.allSatisfy { $0.detach == nil || $0.spurious == nil })
    }

    @Test("a detach before the pin is of a former life", arguments: kernels)
    func formerLife(kernel: String) throws {
        var text = try Text.sample("large-\(kernel)")
        let detach = try #require(text.first("fs_detach"))
        let line = text.lines.remove(at: detach)
        let pin = try #require(text.first("fs_pin: "))
        text.lines.insert(line, at: pin - 1)
        let finding = try #require(try Reading(text).findings.first)
        #expect(finding.cause == .unknown)
        #expect(finding.unknownReason == .formerLife)
    }

    @Test(
        "what was lost is counted, and what was open before is given up",
        arguments: [
            "CPU:0 [LOST 17 EVENTS]", "CPU:0 [17 EVENTS DROPPED]", "[17 events lost]",
            "[   3.250000] CPU:0 [LOST 17 EVENTS]",
        ])
    func losses(line: String) throws {
        var text = try Text.sample("large-6.12")
        text.lines.insert(Array(line.utf8), at: try #require(text.first("fs_unlock")))
        let reading = try Reading(text)
        #expect(reading.losses[.ftraceBuffer] == 17 + 349_715)
        #expect(reading.causes.isEmpty)
    }

    @Test("events that the buffer dropped before its text was made")
    func overrun() throws {
        #expect(try Reading(.sample("large-6.12")).losses[.ftraceBuffer] == 349_715)
        #expect(try Reading(.sample("trace-6.12")).losses.isEmpty)
        var text = try Text.sample("large-6.12")
        text.lines.insert(Array("##### CPU 0 buffer started ####".utf8), at: try #require(text.first("fs_unlock")))
        #expect(try Reading(text).causes.isEmpty)
    }

    @Test("a table full of open lookups takes no longer for each further task", .timeLimit(.minutes(2)))
    func manyTasks() {
        var tasks = TaskTable()
        var refused = 0
        for tid in 1...UInt32(300_000) {
            guard let place = tasks.place(of: tid) else {
                refused += 1
                continue
            }
            tasks.states[place].lookup.isOpen = true
        }
        #expect(tasks.states.count == TaskTable.limit && refused == 300_000 - TaskTable.limit)
        // Those that have ended make room again, sooner or later.
        for place in tasks.states.indices.dropLast(10) { tasks.states[place].lookup.isOpen = false }
        let later = (400_000...UInt32(500_000)).first { tasks.place(of: $0) != nil }
        #expect(later != nil && later! < 400_000 + UInt32(TaskTable.limit))
    }

    @Test("what the recipe could not define is said")
    func missing() throws {
        let text = try Text.sample("trace-6.12").replacing("missing=", with: "missing=fs_lock_wait,fs_in_evict")
        #expect(try Reading(text).omits("fs_lock_wait,fs_in_evict"))
    }

    @Test("an event without what it needs is passed over, with its line")
    func incomplete() throws {
        let text = try Text.sample("large-6.12").replacing(
            #"fs_unlock: (.*) page=\S+"#, with: "fs_unlock: $1 page=(fault)")
        let reading = try Reading(text)
        #expect(reading.causes.isEmpty)
        let place = try #require(text.first("fs_unlock")) + 1
        #expect(reading.omissions.contains { $0.place == "t.txt, line \(place)" })
    }
}

// SPDX-License-Identifier: Apache-2.0

// The contract between the BPF programs and Swift: sizes, what each field becomes, and that no bytes,
// however wrong, do more than be counted.

import CRecords
import Events
import Testing

@testable import Capture

@Suite struct DecoderTests {
    static let kallsyms = """
        ffffffff81000000 T _stext
        ffffffff81001000 T vfs_fallocate
        ffffffff81002000 t shmem_undo_range
        ffffffff81003000 t something_else

        """

    func decode(_ bytes: [UInt8], kernelAddresses: Bool = true) -> (events: [Event], malformed: UInt64) {
        var decoder = RecordDecoder(
            names: StackNames(kallsyms: Array(Self.kallsyms.utf8)), kernelAddresses: kernelAddresses)
        var events: [Event] = []
        // The array lives over the closure.
        unsafe bytes.withUnsafeBytes { unsafe decoder.decode($0, into: &events) }
        return (events, decoder.malformed)
    }

    func bytes<Record>(of record: Record) -> [UInt8] {
        // The copy lives over the closure.
        unsafe withUnsafeBytes(of: record) { unsafe Array($0) }
    }

    func lookup(kind: UInt32 = FS_LOOKUP.rawValue) -> fs_lookup {
        var record = fs_lookup()
        record.h.kind = UInt16(kind)
        record.h.size = UInt16(MemoryLayout<fs_lookup>.size)
        record.h.time = 2000
        record.start = 500
        record.uaddr = 0x7f00_1234
        record.passes = 3
        record.observations = 2
        record.retries = (1, 0, 0, 1)
        record.pid = 10
        record.tid = 11
        record.result = -14
        record.flags = returnedBit | timedBit
        record.page.page = 0xffff_ea00_0000_0040
        record.page.inode = 12
        record.page.dev = 8 << 20 | 1
        record.page.slot = 1
        record.page.detach_time = 1500
        return record
    }
    let returnedBit: UInt32 = 1 << 3
    let timedBit: UInt32 = 1 << 4

    @Test("sizes are those that the C side asserts")
    func sizes() {
        #expect(MemoryLayout<fs_header>.size == 16)
        #expect(MemoryLayout<fs_page>.size == 56)
        #expect(MemoryLayout<fs_lookup>.size == 192)
        #expect(MemoryLayout<fs_detach>.size == 312)
        #expect(MemoryLayout<fs_activity>.size == 72)
        // Counters are added up as words.
        // A set of counters for each CPU, on cache lines of its own.
        #expect(MemoryLayout<fs_counters>.size % 64 == 0)
        #expect(MemoryLayout<fs_activity_totals>.size == 24)
    }

    @Test("a failure without a page has what was read at its address, and what asked")
    func failureFields() throws {
        var record = lookup()
        record.page = fs_page()
        record.page.facts = UInt32(FS_PAGE_FAILURE | FS_PAGE_NO_VMA)
        record.operation = UInt8(FS_OP_TRYLOCK_PI.rawValue)
        guard case .lookup(let event)? = decode(bytes(of: record), kernelAddresses: false).events.first else {
            Issue.record("no lookup")
            return
        }
        #expect(event.operation == .tryLockPI)
        #expect(event.page?.facts == [.failureDescribed, .noArea])
        // No page: the number is not made opaque.
        #expect(event.page?.page.rawValue == 0)
    }

    @Test("a lookup arrives field by field")
    func lookupFields() throws {
        guard case .lookup(let event)? = decode(bytes(of: lookup())).events.first else {
            Issue.record("no lookup")
            return
        }
        #expect(event.time == 2000)
        #expect(event.durationNs == 1500)
        #expect(event.result == -14)
        #expect(event.passes == 3)
        #expect(event.retries == RetryCounts(swizzled: 1, noMapping: 1))
        #expect(event.victim.pid == 10)
        #expect(event.page?.file == FileID(device: 8 << 20 | 1, inode: 12))
        #expect(event.page?.slot == .found)
        #expect(event.page?.detachTime == 1500)
    }

    @Test("progress has no result")
    func progress() {
        var record = lookup(kind: FS_PROGRESS.rawValue)
        record.flags = timedBit
        guard case .progress(let event)? = decode(bytes(of: record)).events.first else {
            Issue.record("no progress")
            return
        }
        #expect(event.result == nil)
    }

    @Test("a detach carries landmarks instead of addresses")
    func detachLandmarks() {
        var record = fs_detach()
        record.h.kind = UInt16(FS_DETACH.rawValue)
        record.h.size = UInt16(MemoryLayout<fs_detach>.size)
        record.via = 1
        record.stack_depth = 3
        // The last return address is the first byte after shmem_undo_range, and belongs to it.
        record.stack.0 = 0xffff_ffff_8100_3500
        record.stack.1 = 0xffff_ffff_8100_3000
        record.stack.2 = 0xffff_ffff_8100_1080
        record.stack.3 = 0xffff_ffff_8100_1080
        // The second one of the same path is named by the first.
        let events = decode(bytes(of: record) + bytes(of: record)).events
        guard events.count == 3, case .name(let path) = events[0], case .detach(let event) = events[1] else {
            Issue.record("no detach")
            return
        }
        #expect(events[1] == events[2] && path.subject == .callPath(event.callPath))
        #expect(path.text == "vfs_fallocate;shmem_undo_range;something_else")
        #expect(event.landmarks == [.truncateRange, .fallocate])
        #expect(event.stackIsNamed)
        #expect(event.hole == nil)
    }

    @Test("a stack that is full is cut, and one that cannot be named has no path")
    func callPaths() throws {
        var record = fs_detach()
        record.h.kind = UInt16(FS_DETACH.rawValue)
        record.h.size = UInt16(MemoryLayout<fs_detach>.size)
        (record.via, record.stack_depth, record.stack.0) = (1, 1, 0x1000)
        guard case .detach(let unnamed)? = decode(bytes(of: record)).events.first else {
            Issue.record("no detach")
            return
        }
        #expect(unnamed.callPath == .none)
        unsafe withUnsafeMutableBytes(of: &record.stack) { stack in
            for frame in 0..<Int(FS_STACK_DEPTH) {
                unsafe stack.storeBytes(of: 0xffff_ffff_8100_1010, toByteOffset: frame * 8, as: UInt64.self)
            }
        }
        record.stack_depth = UInt8(FS_STACK_DEPTH)
        guard case .name(let path)? = decode(bytes(of: record)).events.first else {
            Issue.record("no name")
            return
        }
        #expect(path.text.hasPrefix("[cut];vfs_fallocate;"))
        #expect(CallPath(text: path.text).functions.count == CallPath.depthLimit + 1)
        #expect(Int(FS_STACK_DEPTH) == CallPath.depthLimit)
    }

    @Test("page ids are opaque and stable, addresses only on request")
    func pageIDs() {
        func page(_ kernelAddresses: Bool) -> UInt64? {
            guard case .lookup(let event)? = decode(bytes(of: lookup()), kernelAddresses: kernelAddresses).events.first
            else { return nil }
            return event.page?.page.rawValue
        }
        #expect(page(true) == 0xffff_ea00_0000_0040)
        #expect(page(false) != 0xffff_ea00_0000_0040)
        #expect(page(false) == page(false))
    }

    @Test("unknown kinds and wrong sizes are counted and passed over")
    func malformedRecords() {
        var unknown = lookup()
        unknown.h.kind = 99
        var short = lookup()
        short.h.kind = UInt16(FS_DETACH.rawValue)
        let (events, malformed) = decode(bytes(of: unknown) + bytes(of: lookup()) + bytes(of: short))
        #expect(events.count == 1)
        #expect(malformed == 2)
        // A size that leads out of the batch ends it.
        var long = lookup()
        long.h.size = 60000
        #expect(decode(bytes(of: long)).malformed == 1)
        var none = lookup()
        none.h.size = 0
        #expect(decode(bytes(of: none)).malformed == 1)
    }

    @Test("a detach precedes its lookup and keeps its place among other events")
    func order() {
        func detach(_ time: UInt64) -> fs_detach {
            var record = fs_detach()
            record.h.kind = UInt16(FS_DETACH.rawValue)
            record.h.size = UInt16(MemoryLayout<fs_detach>.size)
            (record.h.time, record.via) = (time, 1)
            return record
        }
        var activity = fs_activity()
        activity.h.kind = UInt16(FS_ACTIVITY.rawValue)
        activity.h.size = UInt16(MemoryLayout<fs_activity>.size)
        (activity.h.time, activity.kind) = (3, 1)
        var nothing = detach(5)
        nothing.via = 99
        let (events, malformed) = decode(
            bytes(of: detach(1)) + bytes(of: lookup()) + bytes(of: detach(2)) + bytes(of: activity)
                + bytes(of: detach(4)) + bytes(of: nothing) + bytes(of: detach(6)) + bytes(of: detach(7)))
        #expect(events.map(\.time) == [1, 2000, 2, 3, 4, 6, 7])
        #expect(malformed == 1)
    }

    @Test("no bytes make it crash")
    func randomBytes() {
        var generator = SystemRandomNumberGenerator()
        for length in 0..<400 {
            let noise = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            _ = decode(noise)
        }
        for cut in 0..<184 { _ = decode(Array(bytes(of: lookup())[..<cut])) }
    }
}

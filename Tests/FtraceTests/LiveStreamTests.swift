// SPDX-License-Identifier: Apache-2.0

// Pages of a running kernel's buffers: they are merged in time, an observation by itself meets its detach, and what was
// lost takes away what it could contradict.

import Correlation
import Events
import Testing

@testable import Ftrace

/// Events laid out as a kernel does it, into pages of one processor.
private struct PageWriter {
    static let formats = [
        format(
            "fs_unlock", 1,
            [
                ("page", 8), ("mapping", 8), ("reserved", 8), ("swapcache", 8), ("swapbacked", 8), ("uptodate", 8),
                ("large", 8), ("index", 8), ("comm", 4),
            ]),
        format(
            "fs_detach", 2,
            [
                ("page", 8), ("index", 8), ("references", 4), ("dev", 4), ("inode", 8), ("size", 8), ("magic", 4),
                ("comm", 4),
            ]),
        format("kernel_stack", 3, [("size", 4), ("caller[]", 8)]),
    ]

    private static func format(_ name: String, _ id: Int, _ fields: [(String, Int)]) -> [UInt8] {
        var text = "name: \(name)\nID: \(id)\nformat:\n"
        text += "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
        text += "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
        text += "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"
        var offset = 8
        for (field, size) in fields {
            let type = field == "comm" ? "__data_loc char[]" : "u\(size * 8)"
            text += "\tfield:\(type) \(field);\toffset:\(offset);\tsize:\(size);\tsigned:0;\n"
            offset += size
        }
        return Array(text.utf8)
    }

    private var events: [UInt8] = []
    private let start: UInt64
    private var time: UInt64

    init(at time: UInt64) { (start, self.time) = (time, time) }

    private static func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
    }

    private mutating func add(_ data: [UInt8], at next: UInt64) {
        let padded = data + Array(repeating: 0, count: (4 - data.count % 4) % 4)
        // A length of 0 stands for a longer one in the word behind.
        let header = (next - time) << 5 | (padded.count <= 112 ? UInt64(padded.count / 4) : 0)
        events += Self.bytes(header, 4)
        if padded.count > 112 { events += Self.bytes(UInt64(padded.count + 4), 4) }
        events += padded
        time = next
    }

    private static func head(_ id: UInt64, task: UInt64) -> [UInt8] { bytes(id, 4) + bytes(task, 4) }

    private static func name(_ text: String, at offset: Int) -> (place: [UInt8], text: [UInt8]) {
        (bytes(UInt64(text.utf8.count + 1) << 16 | UInt64(offset), 4), Array(text.utf8) + [0])
    }

    mutating func unlock(
        at time: UInt64, page: UInt64, index: UInt64, upToDate: Bool = true, swapCache: Bool = false
    ) {
        let comm = Self.name("victim", at: 8 + 64 + 4)
        var data = Self.head(1, task: 11)
        let swap: UInt64 = swapCache ? 1 : 0
        for value in [page, 0, 0, swap, swap, upToDate ? 1 : 0, 0, index] { data += Self.bytes(value, 8) }
        add(data + comm.place + comm.text, at: time)
    }

    mutating func detach(at time: UInt64, page: UInt64, index: UInt64, stack: [UInt64]) {
        let comm = Self.name("culprit", at: 8 + 44 + 4)
        var data = Self.head(2, task: 22)
        data += Self.bytes(page, 8) + Self.bytes(index, 8) + Self.bytes(3, 4) + Self.bytes(254 << 20 | 16, 4)
        data += Self.bytes(99, 8) + Self.bytes(1 << 20, 8) + Self.bytes(UInt64(FileSystemMagic.ext), 4)
        add(data + comm.place + comm.text, at: time)
        var frames = Self.head(3, task: 22) + Self.bytes(UInt64(stack.count), 4)
        for address in stack { frames += Self.bytes(address, 8) }
        add(frames, at: time + 10)
    }

    /// The page; `lost` events are missing before it.
    func page(lost: UInt64 = 0) -> ArraySlice<UInt8> {
        var commit = UInt64(events.count)
        var end: [UInt8] = []
        if lost > 0 {
            commit |= 1 << 31 | 1 << 30
            end = Self.bytes(lost, 8)
        }
        let bytes = Self.bytes(start, 8) + Self.bytes(commit, 8) + events + end
        return (bytes + Array(repeating: 0, count: 4096 - bytes.count))[...]
    }
}

@Suite("Pages of a running kernel") struct LiveStreamTests {
    private static let kallsyms = """
        ffffffff81000000 T invalidate_inode_pages2_range
        ffffffff81001000 T entry_SYSCALL_64_after_hwframe
        ffffffff81002000 T something_else
        """
    private static let directIO: [UInt64] = [0xffff_ffff_8100_0010, 0xffff_ffff_8100_1010]

    private static func stream(
        wanted: LookupFilter = LookupFilter(),
        process: @escaping (UInt32, Comm) -> UInt32? = { thread, _ in thread + 1 }
    ) throws -> RingBufferStream {
        try RingBufferStream(
            RingBufferDescription(
                formats: PageWriter.formats, kallsyms: Array((kallsyms + "\n").utf8), pageBytes: 4096,
                unlocksAreOwn: true,
                followsLookups: false),
            processors: 2, showsKernelAddresses: true, emitsAll: false, wanted: wanted,
            process: process, mapsFile: { _, _ in false })
    }

    private static func findings(_ events: [Event]) -> [Finding] {
        var correlator = Correlator()
        return events.compactMap { correlator.take($0) }
    }

    @Test("an observation meets the detach of its page on another processor")
    func merged() throws {
        var stream = try Self.stream()
        var (victim, culprit) = (PageWriter(at: 1000), PageWriter(at: 1000))
        culprit.detach(at: 2000, page: 0x1000, index: 7, stack: Self.directIO)
        victim.unlock(at: 3000, page: 0x1000, index: 7)
        stream.add(victim.page(), of: 0)
        stream.add(culprit.page(), of: 1)
        var events: [Event] = []
        stream.read(before: 3000, into: &events)
        #expect(events.isEmpty)
        #expect(stream.holdsEvents)
        stream.read(before: 3001, into: &events)
        let finding = try #require(Self.findings(events).first)
        #expect(finding.cause == .directIOInvalidation && finding.confidence == .exact)
        #expect(finding.lookup.victim.comm.text == "victim" && finding.lookup.victim.pid == 12)
        #expect(finding.lookup.result == -14)
        #expect(finding.detach?.culprit.comm.text == "culprit" && finding.detach?.culprit.tid == 22)
        #expect(finding.detach?.file == FileID(device: 254 << 20 | 16, inode: 99))
        #expect(stream.totals.observations == 1 && stream.totals.lookups == nil)
        #expect(!stream.holdsEvents)
    }

    @Test("another place in a file, and a page that never was in a file, have no detach")
    func formerLife() throws {
        for (index, isUpToDate) in [(8, true), (7, false)] {
            var stream = try Self.stream()
            var pages = PageWriter(at: 1000)
            pages.detach(at: 2000, page: 0x1000, index: 7, stack: Self.directIO)
            pages.unlock(at: 3000, page: 0x1000, index: UInt64(index), upToDate: isUpToDate)
            stream.add(pages.page(), of: 0)
            var events: [Event] = []
            stream.finish(into: &events)
            let finding = try #require(Self.findings(events).first)
            #expect(finding.cause == .unknown && finding.detach == nil)
        }
    }

    @Test("what is stored for a page in the swap cache belongs to a former life, whatever its place in the file")
    func swapCache() throws {
        var stream = try Self.stream()
        var pages = PageWriter(at: 1000)
        pages.detach(at: 2000, page: 0x1000, index: 0, stack: Self.directIO)
        pages.unlock(at: 3000, page: 0x1000, index: 0, swapCache: true)
        stream.add(pages.page(), of: 0)
        var events: [Event] = []
        stream.finish(into: &events)
        let finding = try #require(Self.findings(events).first)
        #expect(finding.cause == .unknown && finding.detach == nil && finding.lookup.retries.swizzled == 1)
    }

    @Test("a detach that another page's has overwritten is a loss, and the finding says so")
    func overwritten() throws {
        let page: UInt64 = 0xffff_ea00_0000_1000
        for (isUpToDate, swapCache) in [(true, false), (false, false), (true, true)] {
            var stream = try Self.stream()
            var pages = PageWriter(at: 1000)
            pages.detach(at: 2000, page: page, index: 7, stack: Self.directIO)
            pages.detach(at: 3000, page: try #require(DetachTable.neighbour(of: page)), index: 8, stack: Self.directIO)
            pages.unlock(at: 4000, page: page, index: 7, upToDate: isUpToDate, swapCache: swapCache)
            stream.add(pages.page(), of: 0)
            var events: [Event] = []
            stream.finish(into: &events)
            let finding = try #require(Self.findings(events).first)
            #expect(finding.cause == .unknown)
            // Of a page that has no detach none is missing.
            let isMissing = isUpToDate && !swapCache
            #expect((finding.unknownReason == .slotOverwritten) == isMissing)
            #expect(finding.isIncomplete == isMissing)
            #expect(Self.losses(events) == (isMissing ? [.slotOverwritten] : []))
        }
    }

    @Test("of a victim whose process nobody knows any more, a filter by process cannot say that it was another one")
    func unknownProcess() throws {
        var wanted = LookupFilter()
        wanted.pid = 100
        for (name, losses) in [
            (nil, [Loss.Stage.observationMissed]), (Comm("victim"), [.observationMissed]), (Comm("x"), []),
        ] {
            wanted.comm = name
            var stream = try Self.stream(wanted: wanted) { _, _ in nil }
            var pages = PageWriter(at: 1000)
            pages.unlock(at: 3000, page: 0x1000, index: 7)
            stream.add(pages.page(), of: 0)
            var events: [Event] = []
            stream.finish(into: &events)
            #expect(Self.findings(events).isEmpty)
            #expect(Self.losses(events) == losses)
        }
        // The first thread has the number of its process.
        (wanted.pid, wanted.comm) = (11, nil)
        var stream = try Self.stream(wanted: wanted) { _, _ in nil }
        var pages = PageWriter(at: 1000)
        pages.unlock(at: 3000, page: 0x1000, index: 7)
        stream.add(pages.page(), of: 0)
        var events: [Event] = []
        stream.finish(into: &events)
        #expect(Self.findings(events).count == 1 && Self.losses(events).isEmpty)
    }

    private static func losses(_ events: [Event]) -> [Loss.Stage] {
        events.compactMap { if case .lost(let loss) = $0 { loss.stage } else { nil } }
    }

    @Test("after a loss on any processor an earlier detach explains nothing, and the finding is incomplete")
    func lost() throws {
        var stream = try Self.stream()
        var (victim, culprit, later) = (PageWriter(at: 1000), PageWriter(at: 1000), PageWriter(at: 9000))
        culprit.detach(at: 2000, page: 0x1000, index: 7, stack: Self.directIO)
        // Seen only once the loss is over: it has happened before this observation all the same.
        victim.unlock(at: 3000, page: 0x1000, index: 7)
        later.unlock(at: 9500, page: 0x5000, index: 1)
        stream.add(victim.page(), of: 0)
        stream.add(culprit.page(), of: 1)
        stream.add(later.page(lost: 5), of: 1)
        var events: [Event] = []
        stream.finish(into: &events)
        #expect(stream.lostInPages == 5)
        let findings = Self.findings(events)
        #expect(findings.count == 2)
        #expect(findings.allSatisfy { $0.cause == .unknown && $0.isIncomplete })
    }

    @Test("an event that comes too late to be merged is a loss")
    func late() throws {
        var stream = try Self.stream()
        var (first, late) = (PageWriter(at: 1000), PageWriter(at: 1000))
        first.unlock(at: 3000, page: 0x1000, index: 7)
        late.unlock(at: 2000, page: 0x2000, index: 7)
        stream.add(first.page(), of: 0)
        var events: [Event] = []
        stream.read(before: 4000, into: &events)
        func losses() -> [Loss.Stage] {
            events.compactMap { if case .lost(let loss) = $0 { loss.stage } else { nil } }
        }
        #expect(losses().isEmpty)
        stream.add(late.page(), of: 1)
        stream.read(before: 4000, into: &events)
        #expect(losses() == [.ftraceBuffer])
        // The kernel has not counted it.
        #expect(stream.lostInPages == 0)
    }

    @Test("a filter selects victims and never culprits")
    func filtered() throws {
        var wanted = LookupFilter()
        for (tid, count) in [(UInt32(11), 1), (22, 0)] {
            wanted.tid = tid
            var stream = try Self.stream(wanted: wanted)
            var pages = PageWriter(at: 1000)
            pages.detach(at: 2000, page: 0x1000, index: 7, stack: Self.directIO)
            pages.unlock(at: 3000, page: 0x1000, index: 7)
            stream.add(pages.page(), of: 0)
            var events: [Event] = []
            stream.finish(into: &events)
            let findings = Self.findings(events)
            #expect(findings.count == count && stream.totals.observations == UInt64(count))
            #expect(findings.allSatisfy { $0.cause == .directIOInvalidation })
        }
    }
}

extension DetachTable {
    /// Another page with the same slot.
    static func neighbour(of page: UInt64) -> UInt64? {
        var table = DetachTable()
        func slot(_ key: UInt64) -> Slot {
            Slot(
                key: key,
                detach: Detach(
                    time: 0, page: PageID(rawValue: key), culprit: TaskIdentity(pid: 1, tid: 1, comm: Comm("a")),
                    file: FileID(device: 0, inode: 0), magic: 0, index: 0, fileSize: 0, pages: 1, references: 0,
                    via: .pageCache, scope: nil, hole: nil, landmarks: [], stackIsNamed: false))
        }
        let place = table.store(slot(page))
        return (1..<1 << 17).lazy.map { page + $0 * UInt64(pageStructureSize) }.first { table.store(slot($0)) == place }
    }
}

// Names go ahead of the events that need them, and a detach stays next to the lookup that met it. And batches
// take what fits.

import CRecords
import Events
import Glibc
import Testing

@testable import Capture

@Suite struct NamedEventsTests {
    /// A page of this program's own file, as a lookup of this process would have met it.
    func ownPage() throws -> (address: UInt64, page: PageFacts, path: String) {
        let maps = try #require(readText("/proc/self/maps"))
        let line = try #require(maps.split(separator: "\n").first { $0.contains("/") })
        let address = try #require(line.split(separator: "-").first.flatMap { UInt64($0, radix: 16) })
        let area = try #require(MemoryArea(at: address, maps: maps))
        let page = PageFacts(
            page: PageID(rawValue: 7), file: area.file, index: area.pageIndex(of: address), fileSize: 4096, magic: 0,
            facts: [], mode: 0, slot: .found, detachTime: 500)
        return (address, page, area.text)
    }

    func detach(at time: UInt64) -> Detach {
        Detach(
            time: time, page: PageID(rawValue: 7), culprit: TaskIdentity(pid: 1, tid: 1, comm: Comm("culprit")),
            file: FileID(device: 1, inode: 2), magic: 0, index: 0, fileSize: 0, pages: 1, references: 2,
            via: .pageCache,
            scope: nil, hole: nil, landmarks: [], stackIsNamed: false)
    }

    func lookup(at time: UInt64, _ address: UInt64, _ page: PageFacts?) -> Lookup {
        let pid = UInt32(getpid())
        return Lookup(
            time: time, start: 0, victim: TaskIdentity(pid: pid, tid: pid, comm: Comm("victim")), uid: 0,
            address: address, passes: 1, observations: 1, retries: RetryCounts(), result: -14, flags: [.returned],
            lockWaits: 0, page: page)
    }

    @Test("the name of the file goes ahead of the detach that a lookup met, once")
    func order() throws {
        let (address, page, path) = try ownPage()
        var events = NamedEvents(into: [Event]())
        let (met, ended) = (detach(at: 500), lookup(at: 600, address, page))
        events.take(met)
        #expect(events.sink.isEmpty, "it waits for the lookup")
        events.take(ended, isProgress: false)
        guard case .name(let name) = events.sink.first else {
            Issue.record("no name: \(events.sink)")
            return
        }
        #expect(name.text == path)
        #expect(Array(events.sink.dropFirst()) == [.detach(met), .lookup(ended)])
        events.take(ended, isProgress: true)
        #expect(events.sink.last == .progress(ended))
        #expect(events.sink.count == 4)
    }

    @Test("a detach that the next lookup did not meet goes before its names, and none is kept back")
    func strangers() throws {
        let (address, page, _) = try ownPage()
        var events = NamedEvents(into: [Event]())
        events.take(detach(at: 400))
        events.take(lookup(at: 600, address, page), isProgress: false)
        #expect(events.sink.first == .detach(detach(at: 400)))
        #expect(events.sink.count == 3)
        events.take(detach(at: 700))
        events.take(detach(at: 800))
        #expect(events.sink.last == .detach(detach(at: 700)))
        events.letGo()
        #expect(events.sink.last == .detach(detach(at: 800)))
        events.letGo()
        #expect(events.sink.count == 5)
    }

    @Test("a batch is full at its size, always has room for one record more, and takes nothing too large")
    func batch() {
        let batch = RecordBatch()
        var record = fs_lookup()
        record.h.kind = UInt16(FS_LOOKUP.rawValue)
        record.h.size = UInt16(MemoryLayout<fs_lookup>.size)
        func append() -> Bool { unsafe withUnsafeBytes(of: record) { unsafe batch.append($0) } }
        while append() {}
        #expect(batch.count >= RecordBatch.fullBytes)
        let lookups = batch.records[Int(FS_LOOKUP.rawValue)]
        #expect(Int(lookups) * MemoryLayout<fs_lookup>.size == batch.count)
        #expect(!append(), "it is full")
        #expect(batch.records[Int(FS_LOOKUP.rawValue)] == lookups)
        let large = [UInt8](repeating: 0, count: 1 << 16)
        let empty = RecordBatch()
        let isTaken = unsafe large.withUnsafeBytes { unsafe empty.append($0) }
        #expect(!isTaken)
        #expect(empty.count == 0)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Correlation
import OrderedWork
import EventSamples
import Events
import Testing

@testable import Pipeline
@testable import Presentation

@Suite("Rows that others write", .timeLimit(.minutes(2))) struct RowBatchTests {
    static let formats: [any FindingFormat] =
        [JSONLines(), JSONLines(rows: Set(RowType.allCases))]
        + RowType.allCases.map { CSV(rows: $0) }

    /// A busy run in which names are learnt late, changed, and repeated.
    static let events: [Event] = {
        var run = SyntheticRun(files: 8)
        var events: [Event] = [.lost(Loss(time: 0, stage: .delivery, count: 3))]
        for number in 0..<UInt64(1200) {
            events += run.next(11)
            let file = FileID(device: 253 << 20, inode: 12 + number % 8)
            let cgroup = TaskIdentity.victim.cgroup + number % 3
            switch number % 7 {
            case 1: events.append(.name(Name(subject: .file(file), text: "/f\(number)", detail: "xfs")))
            case 2: events.append(.name(Name(subject: .file(file), text: "", fileState: .deleted)))
            case 3: events.append(.name(Name(subject: .cgroup(cgroup), text: "/system.slice/s\(number).service")))
            case 4: events.append(.lost(Loss(time: run.time, stage: .ringDetach, count: number)))
            case 5: events.append(.progress(.looping(passes: 64 + number, durationNs: number, tid: 7)))
            default: break
            }
        }
        return events + Story.events
    }()

    /// The bytes of a run that is taken in parts of `count` events.
    static func text(
        _ format: any FindingFormat, of events: [Event], in count: Int, names: Names = Names(),
        threads: Int?
    ) -> (bytes: [UInt8], batches: Int) {
        var stream = FindingStream(
            format: format, correlator: Correlator(emitsAll: true), run: Story.run, leavesRows: threads != nil)
        var workers = OrderedWorkers(threads: threads ?? 0) { (batch: consuming RowBatch) in
            batch.writeRows()
            return batch
        }
        var (bytes, batches): ([UInt8], Int) = ([], 0)
        for begin in stride(from: 0, to: events.count, by: count) {
            _ = stream.take(Array(events[begin..<min(begin + count, events.count)]))
            guard stream.hasBatch else { continue }
            batches += 1
            if let batch = workers.add(stream.takeBatch()) {
                bytes += batch.bytes
                stream.giveBack(batch)
            }
        }
        _ = stream.end()
        if let batch = workers.add(stream.takeBatch()) { bytes += batch.bytes }
        while let batch = workers.next() { bytes += batch.bytes }
        return (bytes, batches)
    }

    /// The line of `bytes` and that of `expected` where they part; nil where they do not. Of megabytes, a test that
    /// fails shows no more.
    static func difference(_ bytes: [UInt8], from expected: [UInt8]) -> String? {
        if bytes == expected { return nil }
        let place = zip(bytes, expected).prefix { $0 == $1 }.count
        func line(_ bytes: [UInt8]) -> String {
            let begin = bytes[..<min(place, bytes.count)].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            return String(decoding: bytes[begin...].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        }
        return "\(line(bytes)) instead of \(line(expected))"
    }

    @Test("bytes are the same whoever writes them", arguments: formats.indices, 0...3)
    func same(place: Int, threads: Int) {
        let format = Self.formats[place]
        let here = Self.text(format, of: Self.events, in: 100, threads: nil)
        for count in [1, 700, 5000] {
            let there = Self.text(format, of: Self.events, in: count, threads: threads)
            #expect(Self.difference(there.bytes, from: here.bytes) == nil)
        }
    }

    @Test("the run is one where names matter, and makes several batches")
    func sample() {
        let text = Self.text(CSV(), of: Self.events, in: 100, threads: 2)
        let rows = String(decoding: text.bytes, as: UTF8.self)
        #expect(text.batches > 4)
        for name in ["/f1,", "/f15,", "s3.service", "s24.service"] { #expect(rows.contains(name), "\(name)") }
    }

    @Test("a name that is forgotten is not used by a batch that had it")
    func forgotten() {
        let file = FileID(device: 1, inode: 1)
        let row = Event.lookup(.sample(page: .sample { $0.file = file }))
        var events: [Event] = [.name(Name(subject: .file(file), text: "/early", detail: "xfs")), row]
        for inode in 0..<UInt64(Names.limit) {
            events.append(.name(Name(subject: .file(FileID(device: 2, inode: inode)), text: "/f")))
        }
        events += [row, .name(Name(subject: .file(file), text: "/late")), row]
        let here = Self.text(JSONLines(), of: events, in: .max, threads: nil).bytes
        let there = Self.text(JSONLines(), of: events, in: .max, threads: 1).bytes
        let lookups = String(decoding: here, as: UTF8.self).split(separator: "\n").filter {
            $0.hasPrefix("{\"type\":\"lookup\"")
        }
        #expect(lookups.map { $0.contains("/early") } == [true, false, false])
        #expect(lookups.map { $0.contains("/late") } == [false, false, true])
        #expect(Self.difference(there, from: here) == nil)
    }

    @Test("a format whose rows need each other is written where the findings are")
    func perfetto() {
        let format = Perfetto(of: Story.run)
        let here = Self.text(format, of: Self.events, in: 100, threads: nil)
        let there = Self.text(format, of: Self.events, in: 100, threads: 2)
        #expect(Self.difference(there.bytes, from: here.bytes) == nil)
        #expect(there.batches == here.batches)
        #expect(Self.text(CSV(), of: Self.events, in: 100, threads: 2).batches < here.batches)
    }

    @Test("no thread is woken before a batch is full")
    func full() {
        var stream = FindingStream(
            format: CSV(), correlator: Correlator(emitsAll: true), run: Story.run, leavesRows: true)
        var rows = 0
        while !stream.hasBatch, rows < 1_000_000 {
            stream.take(.sample(page: nil), isProgress: false)
            rows += 1
        }
        #expect(rows > RowBatch.fullCount / 2)
    }
}

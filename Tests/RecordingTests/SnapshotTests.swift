// SPDX-License-Identifier: Apache-2.0

// The events kept in memory, and the snapshots that are made from them.

import EventSamples
import Events
import Foundation
import Testing

@testable import Recording

extension Hindsight {
    fileprivate mutating func append(_ events: [Event]) {
        for event in events { append(event) }
    }
}

extension SnapshotRecorder {
    fileprivate func append(_ events: [Event]) throws { try append(events[...]) }
}

@Suite("Hindsight") struct HindsightTests {
    private static let second: UInt64 = 1_000_000_000

    private static func lookup(at time: UInt64, file: UInt64 = 12) -> Event {
        .lookup(.sample(page: .sample { $0.file.inode = file }) { ($0.time, $0.start) = (time, time) })
    }

    private static func kept(_ hindsight: Hindsight) -> [Event] {
        var events: [Event] = []
        hindsight.forEachBatch { events += $0 }
        return events
    }

    @Test("events within the span are kept in order, and few older ones")
    func span() {
        var hindsight = Hindsight(spanNs: 10 * Self.second, maxBytes: 64 << 20)
        let events = (0..<UInt64(1000)).map { Self.lookup(at: $0 * Self.second / 10) }
        hindsight.append(events)
        let kept = Self.kept(hindsight)
        #expect(kept.count >= 100)
        #expect(kept.count <= 120)
        #expect(kept == Array(events.suffix(kept.count)))
        #expect(hindsight.eventsGone == 0)
    }

    @Test("events without room are dropped, oldest first, and counted as long as they would be within the span")
    func room() {
        var hindsight = Hindsight(spanNs: 1000 * Self.second, maxBytes: Hindsight.smallest)
        let events = (0..<UInt64(20_000)).map { Self.lookup(at: Self.second + $0) }
        hindsight.append(events)
        let kept = Self.kept(hindsight)
        guard case .lost(let loss)? = kept.first else { return #expect(Bool(false), "no loss") }
        #expect(loss.stage == .recording)
        #expect(kept.dropFirst() == events.suffix(kept.count - 1)[...])
        #expect(Int(loss.count) + kept.count - 1 == events.count)
        #expect(kept.count * MemoryLayout<Event>.stride <= Int(Hindsight.smallest))
        // At least a part of the limit is used.
        #expect(kept.count * MemoryLayout<Event>.stride > Int(Hindsight.smallest) / 2)
        hindsight.append([Self.lookup(at: 1002 * Self.second)])
        #expect(hindsight.eventsGone == 0)
    }

    @Test("an event takes the memory that the documentation gives")
    func size() { #expect(MemoryLayout<Event>.stride == 200) }

    @Test("text of names counts too")
    func text() {
        var hindsight = Hindsight(spanNs: 1000 * Self.second, maxBytes: Hindsight.smallest)
        for inode in 0..<UInt64(4000) {
            hindsight.append([
                .name(Name(subject: .file(FileID(device: 1, inode: inode)), text: String(repeating: "x", count: 3000))),
                Self.lookup(at: inode + 1, file: inode),
            ])
        }
        let bytes = Self.kept(hindsight).reduce(0) { sum, event in
            if case .name(let name) = event { sum + name.text.utf8.count } else { sum }
        }
        #expect(hindsight.eventsGone > 0)
        #expect(bytes < Int(Hindsight.smallest) + 4096 * 3000)
    }

    @Test("older names are kept for the events that need them, as they were then")
    func names() {
        var hindsight = Hindsight(spanNs: 10 * Self.second, maxBytes: 64 << 20)
        let (old, new) = (Name(subject: .file(.data), text: "/old"), Name(subject: .file(.data), text: "/new"))
        let other = Name(subject: .file(FileID(device: 1, inode: 1)), text: "/not-needed")
        hindsight.append([.name(other), .name(old), Self.lookup(at: 1)])
        hindsight.append([Self.lookup(at: 100 * Self.second)])
        hindsight.append([.name(new), Self.lookup(at: 101 * Self.second)])
        #expect(
            Self.kept(hindsight) == [
                .name(old), Self.lookup(at: 100 * Self.second), .name(new), Self.lookup(at: 101 * Self.second),
            ])
    }

    @Test("after an hour without events nothing old is kept")
    func quiet() {
        var hindsight = Hindsight(spanNs: 10 * Self.second, maxBytes: 64 << 20)
        hindsight.append([Self.lookup(at: 1), Self.lookup(at: 2)])
        hindsight.append([Self.lookup(at: 3600 * Self.second)])
        #expect(Self.kept(hindsight) == [Self.lookup(at: 3600 * Self.second)])
    }
}

@Suite("Snapshots") struct SnapshotTests {
    private static let second: UInt64 = 1_000_000_000
    private static let name = Event.name(Name(subject: .file(.data), text: "/data", detail: "ext4", fileState: .linked))

    private static func lookup(at seconds: UInt64) -> Event {
        .lookup(.sample { ($0.time, $0.start) = (seconds * second, seconds * second) })
    }

    private static func recorder(_ scratch: borrowing Scratch, keep: Int = 16) throws -> SnapshotRecorder {
        let limits = SnapshotLimits(
            beforeNs: 10 * second, afterNs: 5 * second, everyNs: 60 * second, keep: keep, maxBytes: 1 << 20)
        let recorder = try SnapshotRecorder(directory: scratch.path("moments"), limits: limits)
        recorder.begin(.sample)
        return recorder
    }

    private static func read(_ directory: String) throws -> (run: RunInfo, events: [Event]) {
        let reader = try RecordingReader(directory: directory)
        var events: [Event] = []
        while try reader.read(into: &events) {}
        #expect(reader.omissions.isEmpty)
        return (reader.run, events)
    }

    @Test("a snapshot has the events before and after its trigger, and names the trigger")
    func beforeAndAfter() throws {
        let scratch = try Scratch()
        let recorder = try Self.recorder(scratch)
        try recorder.append([Self.name, .totals(Totals())] + (1...30).map(Self.lookup))
        let answer = try recorder.trigger("spurious: \u{1b}[2J", at: 30 * Self.second, stamp: "20261123T020000Z")
        let directory = scratch.path("moments") + "/20261123T020000Z-1"
        #expect(answer == .began(directory, removed: nil))
        try recorder.append([Self.lookup(at: 31)])
        #expect(try recorder.finish(at: 34 * Self.second) == nil)
        try recorder.append([.totals(Totals()), Self.lookup(at: 34)])
        let finished = try #require(try recorder.finish(at: 35 * Self.second))
        try recorder.append([Self.lookup(at: 36)])
        #expect(finished.directory == directory)
        #expect(finished.eventsGone == 0)

        let (run, events) = try Self.read(directory)
        var expected = RunInfo.sample
        expected.trigger = "spurious: \u{1b}[2J"
        // Each snapshot is a recording of its own.
        #expect(run.id != nil && run.id != expected.id)
        expected.id = run.id
        #expect(run == expected)
        #expect(events.first == Self.name)
        #expect(events.suffix(2) == [Self.lookup(at: 31), Self.lookup(at: 34)])
        #expect(events.dropFirst().dropLast(2).last == Self.lookup(at: 30))
        #expect(events.dropFirst().first?.time ?? 0 >= 19 * Self.second)
        #expect(Int(finished.records) == events.count)
    }

    @Test("one snapshot at a time, with a minimum interval; suppressed triggers are counted")
    func rate() throws {
        let scratch = try Scratch()
        let recorder = try Self.recorder(scratch)
        #expect(recorder.isOpen(at: 1))
        guard case .began = try recorder.trigger("a", at: 10 * Self.second, stamp: "s") else {
            return #expect(Bool(false), "the first trigger begins a snapshot")
        }
        #expect(!recorder.isOpen(at: 200 * Self.second))
        #expect(try recorder.trigger("b", at: 11 * Self.second, stamp: "s") == .included)
        _ = try recorder.finish(at: 15 * Self.second)
        #expect(try recorder.trigger("c", at: 20 * Self.second, stamp: "s") == .suppressed(1))
        #expect(try recorder.trigger("d", at: 69 * Self.second, stamp: "s") == .suppressed(2))
        guard case .began(let directory, _) = try recorder.trigger("e", at: 70 * Self.second, stamp: "s") else {
            return #expect(Bool(false), "its time has come")
        }
        #expect(directory.hasSuffix("/s-2"))
        #expect(recorder.suppressed == 2)
        #expect(try recorder.finish(at: 75 * Self.second) != nil)
        // A person does not have to wait.
        #expect(!recorder.isOpen(at: 76 * Self.second))
        guard case .began = try recorder.trigger("f", at: 76 * Self.second, stamp: "s", isAsked: true) else {
            return #expect(Bool(false), "it was asked for")
        }
        // The end of the run ends it too.
        #expect(try recorder.finish(at: 77 * Self.second, isEnd: true) != nil)
        #expect(try recorder.finish(at: 77 * Self.second, isEnd: true) == nil)
    }

    @Test("the oldest snapshot is removed, but no file that somebody else put into it")
    func keep() throws {
        let scratch = try Scratch()
        let recorder = try Self.recorder(scratch, keep: 2)
        func snapshot(_ number: UInt64) throws -> SnapshotRecorder.Answer {
            let time = number * 100 * Self.second
            try recorder.append([Self.lookup(at: number * 100)])
            let answer = try recorder.trigger("x", at: time, stamp: "s")
            _ = try recorder.finish(at: time + 50 * Self.second)
            return answer
        }
        let path = scratch.path("moments")
        #expect(try snapshot(1) == .began(path + "/s-1", removed: nil))
        #expect(try snapshot(2) == .began(path + "/s-2", removed: nil))
        _ = FileManager.default.createFile(atPath: path + "/s-2/note", contents: nil)
        #expect(try snapshot(3) == .began(path + "/s-3", removed: path + "/s-1"))
        #expect(try snapshot(4) == .began(path + "/s-4", removed: path + "/s-2"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: path).sorted() == ["s-2", "s-3", "s-4"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: path + "/s-2") == ["note"])
    }

    @Test("a directory that exists is used, and no snapshot in it is overwritten")
    func existing() throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(atPath: scratch.path("moments/s-1"), withIntermediateDirectories: true)
        let recorder = try Self.recorder(scratch)
        #expect(throws: RecordingError.self) { try recorder.trigger("x", at: 1, stamp: "s") }
        // The run goes on, and so do later snapshots.
        try recorder.append([Self.lookup(at: 100)])
        guard case .began = try recorder.trigger("y", at: 100 * Self.second, stamp: "s") else {
            return #expect(Bool(false), "the next one begins")
        }
        _ = FileManager.default.createFile(atPath: scratch.path("file"), contents: nil)
        #expect(throws: RecordingError.self) {
            try SnapshotRecorder(directory: scratch.path("file"), limits: SnapshotLimits(beforeNs: 1))
        }
    }
}

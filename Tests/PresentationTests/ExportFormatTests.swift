// SPDX-License-Identifier: Apache-2.0

import Correlation
import EventSamples
import Events
import Foundation
import Golden
import Testing

@testable import Pipeline
@testable import Presentation

extension Story {
    /// The run with operations that detach: known by both ends, by one, begun and never ended.
    static let exported =
        events + [
            .detach(.sample { ($0.file, $0.landmarks) = (FileID(device: 0, inode: 0), [.reclaim, .evict]) }),
            .detach(
                .sample {
                    ($0.time, $0.landmarks, $0.scope, $0.hole) = (8_500_000, [], nil, nil)
                    ($0.stackIsNamed, $0.fileSize, $0.references) = (false, 1 << 60, -1)
                }),
            .activity(Activity(time: 900_000, kind: .holePunch, task: .culprit, durationNs: nil)),
            .activity(Activity(time: 1_100_000, kind: .holePunch, task: .culprit, durationNs: 200_000, pages: 1)),
            .activity(Activity(time: 3_000_100, kind: .reclaim, task: .victim, durationNs: 70_100, pages: 32)),
            .activity(Activity(time: 9_000_000, kind: .dropCaches, task: .culprit, durationNs: nil)),
            .lost(Loss(time: 9_100_000, stage: .ringDetach, count: 1)),
        ]
}

/// The exports that are not what a live trace writes.
@Suite("Export formats") struct ExportFormatTests {
    @Test("CSV of each kind", arguments: RowType.allCases)
    func csv(rows: RowType) throws {
        let bytes = Story.bytes(CSV(rows: rows), events: Story.exported)
        #expect(try difference(of: bytes, from: rows == .findings ? "run.csv" : "\(rows).csv") == nil)
    }

    @Test("JSON Lines of every kind")
    func json() throws {
        let bytes = Story.bytes(JSONLines(rows: Set(RowType.allCases)), events: Story.exported)
        #expect(try difference(of: bytes, from: "rows.jsonl") == nil)
    }

    @Test("a Perfetto trace, as text")
    func perfetto() throws {
        let text = try #require(PerfettoText(Story.bytes(Perfetto(of: Story.run), events: Story.exported)))
        #expect(try difference(of: (text.lines.joined(separator: "\n") + "\n").utf8, from: "perfetto.txt") == nil)
    }

    @Test("JSON of one kind has that kind alone, and what a live trace writes has all of findings and losses")
    func selection() {
        let types: [(RowType, Set<String>)] = [
            (.findings, ["lookup", "progress"]), (.detaches, ["detach"]), (.activities, ["activity"]),
            (.losses, ["lost"]),
        ]
        for (rows, expected) in types {
            let lines = Story.bytes(JSONLines(rows: [rows]), events: Story.exported)
            let found = String(decoding: lines, as: UTF8.self).split(separator: "\n").map { line in
                String(line.dropFirst(9).prefix { $0 != "\"" })
            }
            #expect(Set(found) == expected)
        }
        let live = Story.bytes(JSONLines(), events: Story.exported)
        #expect(!String(decoding: live, as: UTF8.self).contains(#""type":"detach""#))
    }

    @Test("a detach that several lookups met is one row, however often it is reported")
    func repeated() {
        let events: [Event] = [.detach(.sample()), .lookup(.sample()), .detach(.sample()), .lookup(.sample())]
        let rows = String(decoding: Story.bytes(CSV(rows: .detaches), events: events), as: UTF8.self)
        #expect(rows.components(separatedBy: "\r\n").count == 3)
        var reported = SeenDetaches()
        for time in 0...UInt64(SeenDetaches.limit) {
            let isNew = reported.isNew(.sample { $0.time = time })
            #expect(isNew)
        }
        let (isOldestNew, isYoungestNew) = (
            reported.isNew(.sample { $0.time = 0 }), reported.isNew(.sample { $0.time = UInt64(SeenDetaches.limit) })
        )
        #expect(isOldestNew && !isYoungestNew)
    }

    // MARK: CSV

    @Test(
        "a field by RFC 4180",
        arguments: [
            ("plain", "plain"), ("", ""), ("a b", "a b"), (" a ", " a "), (",", #"",""#), ("\"", #""""""#),
            ("\"\"", #""""""""#),
            ("a,\"b\"", #""a,""b""""#), ("'", "'"), ("=a,b", #""'=a,b""#), ("a\r\nb", #"a\x0d\x0ab"#),
            ("\n,", #""'\x0a,""#),
            ("=", "'="), ("-", "'-"), ("a=b", "a=b"), ("é,", #""é,""#), ("＝1", "'＝1"), ("\u{0}", #"\x00"#),
        ] as [(String, String)])
    func field(text: String, written: String) {
        func row(_ body: (inout CSVRow) -> Void) -> String {
            var bytes: [UInt8] = []
            bytes.appendRow(body)
            return String(decoding: bytes, as: UTF8.self)
        }
        #expect(row { $0.foreign(text) } == written + "\r\n")
        guard text.utf8.count <= 15, !text.utf8.contains(0) else { return }
        #expect(row { $0.foreign(Comm(text)) } == written + "\r\n")
        let full = Comm(low: 0x6161_6161_6161_6161, high: 0x6161_6161_6161_6161)
        #expect(row { $0.foreign(full) } == String(repeating: "a", count: 16) + "\r\n")
    }

    private func written(_ write: (inout TextOutput) -> Void) -> String {
        var bytes: [UInt8] = []
        bytes.appendText(write)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test(
        "numbers",
        arguments: [0, 1, 9, 10, 99, 100, 101, 999, 1000, 9999, 10_000, 4_294_967_296, 1 << 53, .max] as [UInt64])
    func numbers(number: UInt64) {
        #expect(written { $0.append(decimal: number) } == "\(number)")
        #expect(written { $0.append(hex: number) } == String(number, radix: 16))
        for width in 1...20 {
            let digits = "\(number)"
            let zeros = String(repeating: "0", count: max(0, width - digits.utf8.count))
            #expect(written { $0.append(decimal: number, width: width) } == zeros + digits)
        }
        #expect(written { $0.append(hex: number, width: 16) }.utf8.count == 16)
        for signed in [Int64(truncatingIfNeeded: number), .min, -1] {
            #expect(written { $0.append(signed: signed) } == "\(signed)")
        }
    }

    @Test("text that has no room at first is written whole", arguments: [0, 1, 1022, 1023, 1024, 1025, 2048, 100_000])
    func room(size: Int) {
        let text = String(repeating: "x", count: size)
        let name = Comm("abcdefghijklmno")
        let line = written {
            $0.append(word: text)
            _ = $0.append(plain: name, without: ",", "\"")
            $0.append("end")
            _ = $0.append(plain: text, without: ",", "\"")
        }
        #expect(line == text + "abcdefghijklmnoend" + text)
    }

    @Test("every byte that is not plain is found wherever it stands")
    func plain() {
        for byte in UInt8.min...UInt8.max {
            let isPlain = (0x20..<0x7f).contains(byte) && byte != UInt8(ascii: ",") && byte != UInt8(ascii: "\"")
            for (position, size) in [(0, 1), (3, 7), (0, 8), (7, 8), (8, 9), (4, 16), (15, 16), (16, 17)] {
                var bytes = [UInt8](repeating: UInt8(ascii: " "), count: size)
                bytes[position] = byte
                // A byte that is no UTF-8 becomes three that are none of the plain ones either.
                let text = String(decoding: bytes, as: UTF8.self)
                var wasPlain: Bool?
                let line = written { wasPlain = $0.append(plain: text, without: ",", "\"") }
                #expect(wasPlain == isPlain && line == (isPlain ? text : ""), "\(byte) at \(position) of \(size)")
                guard byte != 0, position < 16, size <= 16 else { continue }
                var comm = Comm(low: 0, high: 0)
                for (place, byte) in bytes.enumerated() {
                    if place < 8 {
                        comm.low |= UInt64(byte) << UInt64(8 * place)
                    } else {
                        comm.high |= UInt64(byte) << UInt64(8 * place - 64)
                    }
                }
                let name = written { wasPlain = $0.append(plain: comm, without: ",", "\"") }
                #expect(wasPlain == isPlain && name == (isPlain ? text : ""), "\(byte) at \(position) of \(size)")
            }
        }
    }

    @Test("a writer of times says what the clock says, forwards, backwards and before 1970")
    func times() {
        var writer = TimestampWriter()
        let offsets: [Int64] = [0, 999_999_999, -1, -1_000_000_000, 1_795_399_200_000_000_000]
        for offset in offsets + offsets.reversed() {
            for time in [0, 1, 999_999_999, 1_000_000_000, 86_400_000_000_000] as [UInt64] {
                let clock = WallClock(offsetNs: offset)
                #expect(written { writer.append(time, clock: clock, to: &$0) } == clock.timestamp(time))
            }
        }
    }

    // MARK: Perfetto

    @Test("a length of any size is read again", arguments: [0, 1, 127, 128, 16_383, 16_384, 2_097_152])
    func lengths(size: Int) throws {
        var bytes: [UInt8] = []
        let text = String(repeating: "x", count: size)
        Protobuf.append(to: &bytes) { $0.message(1) { $0.message(2) { $0.text(3, text) } } }
        let read = ProtobufFields(bytes[...])?.messages(1).first?.messages(2).first?.text(3)
        #expect(read == text)
    }

    private func lines(_ events: [Event]) throws -> [String] {
        try #require(PerfettoText(Story.bytes(Perfetto(of: Story.run), events: events))).lines
    }

    @Test("a loop is one slice, whether it ends or not")
    func loop() throws {
        let progress: [Event] = [
            .progress(.looping(passes: 64, durationNs: 1_000_000)),
            .progress(.looping(passes: 128, durationNs: 2_000_000)),
        ]
        let unended = try lines(progress)
        #expect(unended.filter { $0.contains("begin") }.count == 1)
        #expect(!unended.contains { $0.contains(" end ") })
        #expect(unended.contains { $0.contains("passes=128") })
        var lookup = Lookup.looping(passes: 200, durationNs: 3_000_000)
        (lookup.result, lookup.flags) = (-4, [.timed, .returned])
        let ended = try lines(progress + [.lookup(lookup)])
        // The samples of a loop end at another time each, so the begin is the same.
        #expect(ended.filter { $0.contains("begin") }.count == 1)
        #expect(ended.last { $0.contains("[futexscope / victims") }?.hasPrefix("20003000000 end") == true)
        #expect(ended.contains { $0.contains("passes=200") })
    }

    @Test("slices of one thread never overlap, whatever the times say")
    func overlap() throws {
        let events: [Event] = [(100, 200), (150, 180), (190, 300), (50, 400)].map { start, time in
            .lookup(.sample { ($0.start, $0.time) = (start, time) })
        }
        let times = try lines(events).filter { $0.contains("begin") || $0.contains("end [") }
            .compactMap { $0.split(separator: " ").first.flatMap { UInt64($0) } }
        #expect(times == [100, 200, 200, 200, 200, 300, 300, 400])
    }

    @Test("what has no room for a track of its own shares one and is counted")
    func bound() throws {
        let count = UInt32(PerfettoTracks.limit) + 3
        let lines = try lines(
            (0..<count).map { number in
                .lookup(.sample { $0.victim = TaskIdentity(pid: 1, tid: number, comm: Comm("x")) })
            })
        #expect(lines.filter { $0.hasPrefix("track: futexscope / victims / ") }.count == PerfettoTracks.limit)
        #expect(lines.filter { $0.contains("instant [futexscope / others] lookup:") }.count == 3)
        #expect(lines.last?.contains("events_without_track=3") == true)
    }

    @Test("losses without a time are reported once, at the end")
    func losses() throws {
        let lines = try lines([
            .lost(Loss(time: 0, stage: .delivery, count: 2)), .lookup(.sample()),
            .lost(Loss(time: 0, stage: .delivery, count: 3)),
        ]).filter { !$0.contains(" per second") }
        #expect(lines.filter { $0.contains("[futexscope / losses]") }.count == 1)
        #expect(lines.last?.hasPrefix("1001840 instant [futexscope / losses] loss: delivery\n    count=5") == true)
    }

    @Test("victims are shown above culprits, and each task is a thread of the trace, once")
    func order() throws {
        let lines = try lines(Story.events)
        func place(_ track: String) throws -> Int {
            let line = try #require(lines.first { $0.hasPrefix("track: futexscope / \(track), place ") })
            return try #require(Int(line.split(separator: " ").last { Int($0) != nil } ?? ""))
        }
        #expect(try place("victims") < place("culprits"))
        #expect(lines.contains("track: futexscope, place 0"))
        let threads = lines.filter { $0.hasPrefix("thread: ") }
        #expect(threads.contains("thread: 211/212 app") && Set(threads).count == threads.count)
        // The name of a process is that of its first thread, which is the culprit here and not the victim.
        #expect(lines.contains("process: 300 backup") && !lines.contains { $0.hasPrefix("process: 211") })
    }

    @Test("a counter has the rate of each part of the run, whatever its length", arguments: [1, 1000, 1_000_000])
    func rates(spacingNs: UInt64) {
        var rate = PerfettoRate()
        let times = (UInt64(0)..<3000).map { 5_000_000_000 + $0 * spacingNs }
        for time in times { rate.add(at: time) }
        // One that is late counts too.
        rate.add(at: 1)
        let changes = rate.changes
        #expect(changes.count <= PerfettoRate.limit + 1 && changes.last?.perSecond == 0)
        let spans = zip(changes, changes.dropFirst()).map { Double($1.time - $0.time) / 1e9 * $0.perSecond }
        #expect(abs(spans.reduce(0, +) - 3001) < 1e-3)
        #expect(changes.first?.time == 5_000_000_000)
    }
}

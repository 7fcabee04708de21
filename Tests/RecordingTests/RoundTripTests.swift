// SPDX-License-Identifier: Apache-2.0

// A recording gives back what was written to it: every kind of event with every field, in order.

import EventSamples
import Events
import Foundation
import Testing

@testable import Recording

/// A directory that is gone after the test.
struct Scratch: ~Copyable {
    let url: URL

    init(in directory: URL = FileManager.default.temporaryDirectory) throws {
        url = directory.appending(path: "futexscope-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
    }
    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appending(path: name).path }
}

extension RunInfo {
    static let sample = RunInfo(
        kernelRelease: "6.12.0-test", host: "host \"of\" tests\u{202e}\n",
        id: RunID(high: 0x1234_5678_9abc_4def, low: 0x8123_4567_89ab_cdef),
        probes: [
            ProbeReport(role: "lookup", function: "get_futex_key", hook: .fentry, isRequired: true, note: nil),
            ProbeReport(role: "collapse", function: nil, hook: nil, isRequired: false, note: "there is | none"),
        ],
        wallClockOffsetNs: 1_795_399_200_000_000_000, showsKernelAddresses: true,
        loops: LoopThresholds(passes: .max, durationNs: 5), emitsAll: true, pageBytes: 65_536, filters: "-n 'a = b'",
        trigger: "spurious: \"x\"")
}

/// Everything that a recording can hold, with every optional field both present and absent.
let everyEvent: [Event] =
    [
        .name(Name(subject: .file(.data), text: "/mnt/ü/\u{1}", detail: "ext4"))
    ]
    + FileState.allCases.map {
        .name(Name(subject: .file(.data), text: "/x", detail: "xfs", fileState: $0))
    } + [
        .name(Name(subject: .cgroup(77), text: "/system.slice/app.service")),
        .name(Name(subject: .callPath(CallPathID(rawValue: .max)), text: "do_syscall_64;vfs_fallocate;x")),
        .detach(.sample { $0.callPath = CallPathID(rawValue: .max) }),
        .detach(.sample()),
        .detach(.sample { ($0.hole, $0.scope, $0.stackIsNamed, $0.via) = (nil, nil, false, .swapOut) }),
        .detach(.sample { ($0.hole, $0.references, $0.landmarks) = (7..<7, -1, Landmarks(rawValue: .max)) }),
        .lookup(.sample()),
        .lookup(.sample(page: nil) { ($0.result, $0.uid) = (0, .max) }),
        .lookup(
            .sample(page: .zero()) {
                $0.retries = RetryCounts(swizzled: 1, mappingChanged: 2, noHost: 3, noMapping: .max)
            }),
        .lookup(
            .sample(page: .failure { $0.facts.insert(.noArea) }) {
                ($0.flags, $0.observations, $0.operation) = ([.returned, .pinFailed], 0, .ioUring)
            }),
        .progress(.looping(passes: 1 << 40, durationNs: 9)),
        .activity(Activity(time: 9_000_000, kind: .reclaim, task: .culprit, durationNs: nil)),
        .activity(Activity(time: 9_500_000, kind: .memoryFailure, task: .victim, durationNs: 0, pages: 512)),
        .lost(Loss(time: 9_600_000, stage: .ringDetach, count: 17)),
        .lost(Loss(time: 9_600_000, stage: .slotOverwritten, count: 3)),
        .totals(
            {
                var totals = Totals()
                (totals.time, totals.durationNs, totals.isFinal, totals.observations) = (10_000_000, 5, true, 3)
                totals.activities = [.split: .init(operations: 1, pages: 2, durationNs: 3)]
                totals.cost = .init(runTimeNs: 1, runCount: 2, mapBytes: 3)
                return totals
            }()),
        .totals(Totals()),
    ]

/// Records `batches` and gives back the directory.
@discardableResult
func record(
    _ batches: [[Event]], in directory: String, run: RunInfo = .sample, limits: RecordingLimits = RecordingLimits()
) throws -> RecordingWriter {
    let writer = try RecordingWriter(directory: directory, limits: limits)
    try writer.begin(run)
    for batch in batches { try writer.append(batch) }
    try writer.finish()
    return writer
}

/// Where the packets of a stream lie, by the size in their heads.
func packets(of bytes: [UInt8]) -> [Range<Int>] {
    var packets: [Range<Int>] = []
    while let begin = Optional(packets.last?.upperBound ?? 0), begin < bytes.count {
        let bits = (0..<8).reduce(0) { $0 | Int(bytes[begin + 56 + $1]) << ($1 * 8) }
        packets.append(begin..<begin + bits / 8)
    }
    return packets
}

func readAll(_ directory: String) throws -> (events: [Event], omissions: [Omission], run: RunInfo) {
    let reader = try RecordingReader(directory: directory)
    var events: [Event] = []
    while try reader.read(into: &events) {}
    return (events, reader.omissions, reader.run)
}

@Suite struct RoundTripTests {
    @Test("every event comes back with every field")
    func everything() throws {
        let scratch = try Scratch()
        let writer = try record([everyEvent], in: scratch.path("r"))
        let back = try readAll(scratch.path("r"))
        #expect(back.events == everyEvent)
        #expect(back.omissions.isEmpty)
        #expect(back.run == .sample)
        // Each operation's counts are a record of their own.
        #expect(writer.recordsWritten == UInt64(everyEvent.count + 1))
    }

    @Test("the events of these tests have each kind")
    func isEverything() {
        let kinds = Set(everyEvent.map { String(describing: $0).prefix { $0 != "(" } })
        #expect(kinds == ["name", "detach", "lookup", "progress", "activity", "lost", "totals"])
    }

    @Test("events come back in the order of arrival, whatever the batches and packets")
    func order() throws {
        let scratch = try Scratch()
        // Some megabytes, so that there are many packets; times go back now and then.
        let events = (0..<20_000).map { number in
            Event.lookup(.sample { $0.time = UInt64(number ^ 5) &* 1000 })
        }
        try record(
            stride(from: 0, to: events.count, by: 777).map { Array(events[$0..<min($0 + 777, events.count)]) },
            in: scratch.path("r"))
        #expect(try readAll(scratch.path("r")).events == events)
    }

    @Test("a lookup is stored alike on the fast path and in a new packet")
    func lookupsAmongOthers() throws {
        let scratch = try Scratch()
        let name = Event.name(Name(subject: .cgroup(7), text: "/a"))
        let pages: [PageFacts?] = [nil, .sample()]
        let lookups = pages.flatMap { page in
            [
                Event.lookup(.sample(page: page)),
                .progress(
                    .sample(page: page) {
                        $0.flags = []; $0.result = nil
                    }),
            ]
        }
        // Each first in its batch, after a name, and after another one.
        let events = lookups.flatMap { [$0, name, $0, $0] }
        try record(events.map { [$0] }, in: scratch.path("each"))
        try record([events], in: scratch.path("all"))
        #expect(try readAll(scratch.path("each")).events == events)
        #expect(try readAll(scratch.path("all")).events == events)
    }

    @Test("a run without events is a recording")
    func empty() throws {
        let scratch = try Scratch()
        try record([], in: scratch.path("r"))
        let back = try readAll(scratch.path("r"))
        #expect(back.events.isEmpty)
        #expect(back.omissions.isEmpty)
    }

    @Test("files are readable only by their owner, and a directory that exists is not touched")
    func files() throws {
        let scratch = try Scratch()
        try record([everyEvent], in: scratch.path("r"))
        for name in ["metadata", "stream_000001"] {
            let mode = try FileManager.default.attributesOfItem(atPath: scratch.path("r/\(name)"))[.posixPermissions]
            #expect(mode as? Int == 0o600)
        }
        let failure = #expect(throws: RecordingError.self) { try RecordingWriter(directory: scratch.path("r")) }
        #expect(failure?.isUsage == true)
        #expect(failure?.message.contains("exists, and is not overwritten") == true)
        let nowhere = #expect(throws: RecordingError.self) { try RecordingWriter(directory: scratch.path("x/y")) }
        #expect(nowhere?.isUsage == true)
    }

    @Test("a text that is too long is cut, not lost")
    func longText() throws {
        let scratch = try Scratch()
        let long = String(repeating: "/directory", count: 100_000)
        try record([[.name(Name(subject: .cgroup(1), text: long))]], in: scratch.path("r"))
        guard case .name(let name)? = try readAll(scratch.path("r")).events.first else {
            Issue.record("no name")
            return
        }
        #expect(name.text.utf8.count == 3600)
        #expect(name.text.hasSuffix("…"))
        #expect(long.hasPrefix(name.text.dropLast()))
    }

    @Test("untrusted text comes back as it was, and adds no line to the metadata", arguments: HostileText.all)
    func hostileText(text: HostileText) throws {
        let scratch = try Scratch()
        var run = RunInfo.sample
        (run.kernelRelease, run.host, run.filters, run.trigger) = (text.text, text.text, text.text, text.text)
        let events: [Event] = [
            .name(Name(subject: .file(.data), text: text.text, detail: text.comm.text)),
            .name(Name(subject: .cgroup(77), text: text.text)),
            .detach(.sample { $0.culprit.comm = text.comm }), .lookup(.sample { $0.victim.comm = text.comm }),
        ]
        try record([events], in: scratch.path("hostile"), run: run)
        try record([events], in: scratch.path("plain"))
        let back = try readAll(scratch.path("hostile"))
        #expect(back.run == run)
        #expect(back.omissions.isEmpty)
        // The name of a file is cut where no packet has room for it; see "a text that is too long is cut, not lost".
        #expect(text.bytes.count > 1000 || back.events == events)
        func lines(_ name: String) throws -> Int {
            try Data(contentsOf: URL(filePath: scratch.path(name + "/metadata"))).count { $0 == 0x0a }
        }
        #expect(try lines("hostile") == lines("plain"))
        #expect(try Data(contentsOf: URL(filePath: scratch.path("hostile/metadata"))).allSatisfy { $0 < 0x7f })
    }

    @Test("a packet that is not full is written when it is half a second old")
    func patience() throws {
        let scratch = try Scratch()
        let writer = try RecordingWriter(directory: scratch.path("r"))
        try writer.begin(.sample)
        try writer.append([.lookup(.sample())])
        #expect(try readAll(scratch.path("r")).events.isEmpty)
        Thread.sleep(forTimeInterval: 0.5)
        try writer.append([])
        #expect(try readAll(scratch.path("r")).events == [.lookup(.sample())])
    }

    @Test("a recording ends at its limit, and the records that end it are still written")
    func limit() throws {
        let scratch = try Scratch()
        let batch = [Event](repeating: .lookup(.sample()), count: 1000)
        let writer = try RecordingWriter(
            directory: scratch.path("r"), limits: RecordingLimits(maxBytes: RecordingLimits.smallest))
        try writer.begin(.sample)
        while !writer.hasReachedLimit { try writer.append(batch) }
        let before = writer.recordsWritten
        try writer.append(batch + [.totals(Totals())])
        try writer.finish()
        let back = try readAll(scratch.path("r"))
        #expect(back.events.last == .totals(Totals()))
        #expect(UInt64(back.events.count) == writer.recordsWritten)
        #expect(writer.recordsWritten < before + 2000)
        #expect(writer.bytesWritten <= RecordingLimits.smallest)
    }

    @Test("with rotation the oldest file is removed, names are repeated, and removed records are counted")
    func rotation() throws {
        let scratch = try Scratch()
        let name = Event.name(Name(subject: .file(.data), text: "/data", detail: "ext4"))
        let batches =
            [[name]]
            + (0..<80).map { number in
                [Event](repeating: .lookup(.sample { $0.time = UInt64(number) }), count: 1000)
            }
        let writer = try record(
            batches, in: scratch.path("r"), limits: RecordingLimits(maxBytes: RecordingLimits.smallest, rotates: true))
        let sizes = try FileManager.default.contentsOfDirectory(atPath: scratch.path("r")).map {
            try FileManager.default.attributesOfItem(atPath: scratch.path("r/\($0)"))[.size] as? Int ?? 0
        }
        #expect(sizes.reduce(0, +) <= Int(RecordingLimits.smallest))
        let back = try readAll(scratch.path("r"))
        #expect(back.events.contains(name))
        guard case .lost(let loss)? = back.events.first else {
            Issue.record("no loss first")
            return
        }
        #expect(loss.stage == .recording)
        #expect(loss.count + UInt64(back.events.count) - 1 == writer.recordsWritten)
        #expect(back.omissions.first?.what.contains("were removed for newer ones") == true)
        #expect(back.events.last == batches.last?.last)
    }

    @Test("repeated names do not fill the new file")
    func manyNames() throws {
        let scratch = try Scratch()
        let names = (0..<900).map { number in
            Event.name(Name(subject: .cgroup(UInt64(number)), text: "/\(number)" + String(repeating: "x", count: 3500)))
        }
        let lookups = [Event](repeating: .lookup(.sample()), count: 1000)
        try record(
            [names] + [[Event]](repeating: lookups, count: 20), in: scratch.path("r"),
            limits: RecordingLimits(maxBytes: RecordingLimits.smallest, rotates: true))
        let back = try readAll(scratch.path("r"))
        #expect(DamageTests.lookups(back.events).suffix(1000) == lookups[...])
        // The youngest are repeated.
        #expect(back.events.contains(names[899]))
        #expect(!back.events.contains(names[0]))
    }

    @Test("no packet crosses a page, whatever its content")
    func pages() throws {
        let scratch = try Scratch()
        let names = (0..<200).map { number in
            Event.name(Name(subject: .cgroup(UInt64(number)), text: String(repeating: "x", count: number * 18)))
        }
        let batches = names.map { [$0, .lookup(.sample()), .detach(.sample())] }
        let directory = scratch.path("r")
        let writer = try RecordingWriter(directory: directory)
        try writer.begin(.sample)
        for batch in batches {
            try writer.append(batch)
            // A packet at any fill.
            try writer.finish()
        }
        #expect(try readAll(directory).events == batches.flatMap { $0 })
        let bytes = try [UInt8](Data(contentsOf: URL(filePath: directory + "/stream_000001")))
        let uuid = Array(bytes[..<20])
        let packets = packets(of: bytes)
        #expect(packets.count >= batches.count)
        for packet in packets {
            #expect(bytes[packet].prefix(20).elementsEqual(uuid))
            #expect(packet.lowerBound / 4096 == (packet.upperBound - 1) / 4096)
        }
    }

    @Test("the checksum is CRC-32C, by table and by instruction")
    func checksum() {
        // RFC 3720, B.4.
        #expect(crc(Array("123456789".utf8)) == [0xe306_9283, 0xe306_9283])
        #expect(crc([UInt8](repeating: 0, count: 32)) == [0x8a91_36aa, 0x8a91_36aa])
        #expect(crc([UInt8](0..<32)) == [0x46dd_794e, 0x46dd_794e])
        // The processor's instruction goes through long blocks in several streams.
        var random = SystemRandomNumberGenerator()
        for count in [255, 256, 767, 768, 769, 1535, 1536, 2303, 2311, 4004, 65_443] {
            let sums = crc((0..<count).map { _ in UInt8.random(in: 0...255, using: &random) })
            #expect(sums[0] == sums[1], "\(count) bytes")
        }
    }
}

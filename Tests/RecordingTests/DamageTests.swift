// SPDX-License-Identifier: Apache-2.0

// Directories that are not recordings, and recordings that are damaged: the reader gives one clear line, or a report of
// what was left out, and never an event that was not written.

import CCRC32C
import EventSamples
import Events
import Foundation
import Testing

@testable import Recording

func crc(_ bytes: [UInt8]) -> [UInt32] {
    [unsafe fs_crc32c(0, bytes, bytes.count), unsafe fs_crc32c_by_table(0, bytes, bytes.count)]
}

@Suite struct DamageTests {
    /// Ten packets of ten lookups with their number as time; two fill a page.
    static let batches: [[Event]] = (0..<10).map { (packet: Int) -> [Event] in
        (0..<10).map { (number: Int) -> Event in
            .lookup(.sample { $0.time = UInt64(1_000_000 + packet * 10 + number) })
        }
    }

    /// A recording of `batches`, a packet each, and the bytes of its stream.
    static func make(in directory: String, run: RunInfo = .sample) throws -> (stream: String, bytes: [UInt8]) {
        let writer = try RecordingWriter(directory: directory)
        try writer.begin(run)
        for batch in batches {
            try writer.append(batch)
            // What is left is written at the end; here after each batch.
            try writer.finish()
        }
        let stream = directory + "/stream_000001"
        return (stream, try [UInt8](Data(contentsOf: URL(filePath: stream))))
    }

    static func write(_ bytes: some Sequence<UInt8>, to path: String) throws {
        try Data(bytes).write(to: URL(filePath: path))
    }

    static func lookups(_ events: [Event]) -> [Event] {
        events.filter { if case .lookup = $0 { true } else { false } }
    }

    @Test("a stream that is cut off at any byte is read up to the last whole packet, and the cut is reported")
    func cut() throws {
        let scratch = try Scratch()
        let (stream, bytes) = try Self.make(in: scratch.path("r"))
        let ends = packets(of: bytes).map(\.upperBound)
        #expect(ends.count == 10)
        for size in Array(stride(from: 0, through: bytes.count, by: 61)) + ends {
            try Self.write(bytes[..<size], to: stream)
            let back = try readAll(scratch.path("r"))
            let whole = ends.filter { $0 <= size }
            #expect(back.events == Self.batches.prefix(whole.count).flatMap { $0 }, "\(size)")
            let rest = size - (whole.last ?? 0)
            #expect(
                back.omissions.map(\.what)
                    == (rest == 0
                        ? []
                        : ["the last packet is cut off or damaged: \(counted(rest, "byte is", "bytes are")) left out"]))
            // Nothing that follows knows of it, so that nobody says that all is there.
            #expect(!back.omissions.contains { !$0.hidesObservations })
        }
    }

    @Test("with any bit flipped, its packet is left out and all others are read")
    func flips() throws {
        let scratch = try Scratch()
        let (stream, bytes) = try Self.make(in: scratch.path("r"))
        let packet = packets(of: bytes)[3]
        for bit in stride(from: 0, to: packet.count * 8, by: 113) {
            var damaged = bytes
            damaged[packet.lowerBound + bit / 8] ^= 1 << UInt8(bit % 8)
            try Self.write(damaged, to: stream)
            let back = try readAll(scratch.path("r"))
            var expected = Self.batches
            expected.remove(at: 3)
            #expect(Self.lookups(back.events) == expected.flatMap { $0 }, "bit \(bit)")
            let losses = back.events.filter { if case .lost = $0 { true } else { false } }
            #expect(losses == [.lost(Loss(time: 1_000_040, stage: .recording, count: 10))], "bit \(bit)")
            #expect(back.omissions.map(\.what) == ["a damaged packet: \(packet.count) bytes are left out"])
            #expect(back.omissions.map(\.hidesObservations) == [false])
        }
    }

    @Test("rubbish before, between and after packets is skipped")
    func rubbish() throws {
        let scratch = try Scratch()
        let (stream, bytes) = try Self.make(in: scratch.path("r"))
        let packet = packets(of: bytes)[0].count
        let magic = Array(bytes[..<20])
        // Half of it looks like the start of a packet.
        let rubbish = magic + [UInt8](repeating: 0xc1, count: 2 << 20) + magic
        try Self.write(rubbish + bytes[..<packet] + rubbish + bytes[packet...] + rubbish, to: stream)
        let back = try readAll(scratch.path("r"))
        #expect(back.events == Self.batches.flatMap { $0 })
        #expect(back.omissions.count == 3)
    }

    @Test("of many damaged packets the first are listed, and the others are counted")
    func manyDamaged() throws {
        let scratch = try Scratch()
        let (stream, bytes) = try Self.make(in: scratch.path("r"))
        let head = Array(bytes[..<PacketHead.size])
        try Self.write(Array(repeatElement(head, count: 1500).joined()) + bytes, to: stream)
        let back = try readAll(scratch.path("r"))
        #expect(back.events == Self.batches.flatMap { $0 })
        #expect(back.omissions.count == 1001)
        #expect(back.omissions.last?.what == "500 more places that cannot be read")
    }

    @Test("a reader that is asked to stop need not wait for the end of a huge hole")
    func hugeHole() throws {
        let scratch = try Scratch()
        let (stream, bytes) = try Self.make(in: scratch.path("r"))
        #expect(unsafe truncate(stream, 1 << 42) == 0)
        let reader = try RecordingReader(directory: scratch.path("r"))
        var events: [Event] = []
        for _ in 0..<20 where reader.progress.bytesRead < bytes.count + 1 { #expect(try reader.read(into: &events)) }
        #expect(events == Self.batches.flatMap { $0 })
        #expect(try reader.read(into: &events))
        #expect(reader.progress.bytesRead < 1 << 30)
    }

    @Test("packets of another recording are ignored")
    func foreignPacket() throws {
        let scratch = try Scratch()
        let (stream, bytes) = try Self.make(in: scratch.path("r"))
        var run = RunInfo.sample
        run.id = .random()
        let (_, other) = try Self.make(in: scratch.path("other"), run: run)
        try Self.write(bytes + other, to: stream)
        #expect(try readAll(scratch.path("r")).events == Self.batches.flatMap { $0 })
    }

    @Test("malformed records behind a right checksum are counted and not used")
    func forged() throws {
        let scratch = try Scratch()
        let (stream, bytes) = try Self.make(in: scratch.path("r"))
        let packet = packets(of: bytes)[0].count
        for (offset, value) in [(PacketHead.size + 8, 77), (PacketHead.size + 8, 0), (PacketHead.size + 8, 6)]
            as [(Int, UInt8)]
        {
            var forged = Array(bytes[..<packet])
            forged[offset] = value
            let body = Array(forged[PacketHead.size...])
            let sum = unsafe fs_crc32c(fs_crc32c(0, forged, PacketHead.size - 4), body, body.count)
            for byte in 0..<4 {
                forged[PacketHead.size - 4 + byte] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(byte)))
            }
            try Self.write(forged + bytes[packet...], to: stream)
            let back = try readAll(scratch.path("r"))
            #expect(Self.lookups(back.events).suffix(90) == Self.batches.dropFirst().flatMap { $0 }[...])
            #expect(back.omissions.first?.what.contains("makes no sense") == true)
        }
    }

    @Test(
        "a directory that is not a recording is refused with one line that says what it is",
        arguments: [
            (" ", "no plain-text CTF metadata"),
            ("/* CTF 1.8 */\nenv {\n\ttracer_name = \"lttng-modules\";\n};\n", "made by lttng-modules"),
            (
                "/* CTF 1.8 */\n\ttracer_name = \"futexscope\";\n\tfutexscope_format = \(Metadata.formats.upperBound + 1);\n",
                "format \(Metadata.formats.upperBound + 1); this futexscope reads formats 1 to \(Metadata.formats.upperBound); use the one that made the recording, or a newer one"
            ),
            ("/* CTF 1.8 */\n\ttracer_name = \"futexscope\";\n\tfutexscope_format = 1;\n", "no uuid or no clock"),
            ("\u{c1}\u{1f}\u{fc}\u{75}", "no plain-text CTF metadata"),
        ] as [(String, String)])
    func foreign(text: String, what: String) throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(atPath: scratch.path("r"), withIntermediateDirectories: false)
        try Self.write(text.utf8, to: scratch.path("r/metadata"))
        let error = #expect(throws: SourceError.self) { try readAll(scratch.path("r")) }
        #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("\n") == false)
    }

    @Test(
        "a directory without metadata is what a recorder left that was killed at once, or damaged, or something else",
        arguments: [
            (
                [],
                "nothing was recorded; a recorder that is killed while it attaches its probes leaves such a directory"
            ),
            (
                ["metadata"],
                "nothing was recorded; a recorder that is killed while it attaches its probes leaves such a directory"
            ),
            (["stream_000001"], "its file metadata is missing or empty, and the events cannot be read without it"),
            (["metadata", "stream_000001"], "its file metadata is missing or empty"),
            (["notes.txt"], "it has no file metadata; expected a directory made by futexscope record"),
        ] as [([String], String)])
    func withoutMetadata(files: [String], what: String) throws {
        let scratch = try Scratch()
        // As a recorder makes it before it attaches.
        _ = try RecordingWriter(directory: scratch.path("r"))
        for name in files { try Self.write([], to: scratch.path("r/" + name)) }
        let error = #expect(throws: SourceError.self) { try readAll(scratch.path("r")) }
        #expect(error?.message.hasPrefix("cannot read the recording \(scratch.path("r")): \(what)") == true)
        #expect(error?.message.contains("\n") == false)
    }

    @Test("a directory of the traces of another program, and one of recordings")
    func directories() throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(atPath: scratch.path("r/kernel"), withIntermediateDirectories: true)
        try Self.write([0x57, 0x1d, 0xd1, 0x75], to: scratch.path("r/kernel/metadata"))
        let error = #expect(throws: SourceError.self) { try readAll(scratch.path("r")) }
        #expect(error?.message.contains("directories of recordings, or of another program such as LTTng") == true)
        let inner = #expect(throws: SourceError.self) { try readAll(scratch.path("r/kernel")) }
        #expect(inner?.message.contains("or of another program such as LTTng") == true)
    }

    @Test("a directory without metadata, a file, nothing at all, a pipe and a huge file in its place")
    func otherThings() throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(atPath: scratch.path("d"), withIntermediateDirectories: false)
        try Self.write([1], to: scratch.path("f"))
        for name in ["d", "f", "none"] {
            let error = #expect(throws: SourceError.self) { try readAll(scratch.path(name)) }
            #expect(error?.message.hasPrefix("cannot read") == true)
        }
        // Paths are copied by the calls.
        #expect(unsafe mkfifo(scratch.path("d/metadata"), 0o600) == 0)
        #expect(throws: SourceError.self) { try readAll(scratch.path("d")) }
        #expect(unsafe unlink(scratch.path("d/metadata")) == 0)
        // Sparse: read, it would take more memory than there is.
        #expect(FileManager.default.createFile(atPath: scratch.path("d/metadata"), contents: nil))
        #expect(unsafe truncate(scratch.path("d/metadata"), 1 << 42) == 0)
        #expect(throws: SourceError.self) { try readAll(scratch.path("d")) }
    }

    @Test("metadata with one changed byte is refused with the line, or means the same")
    func metadata() throws {
        let scratch = try Scratch()
        try record([], in: scratch.path("r"))
        let text = try [UInt8](Data(contentsOf: URL(filePath: scratch.path("r/metadata"))))
        for position in stride(from: 0, to: text.count, by: 7) {
            var changed = text
            changed[position] ^= 0x11
            try Self.write(changed, to: scratch.path("r/metadata"))
            guard let run = try? readAll(scratch.path("r")).run else { continue }
            // Another value of free text cannot be noticed.
            #expect(run != .sample, "byte \(position)")
        }
    }

    @Test("a huge hole in a stream takes no memory and little time")
    func hole() throws {
        let scratch = try Scratch()
        let (stream, _) = try Self.make(in: scratch.path("r"))
        #expect(unsafe truncate(stream, 200 << 20) == 0)
        let back = try readAll(scratch.path("r"))
        #expect(back.events == Self.batches.flatMap { $0 })
        #expect(back.omissions.count == 1)
    }
}

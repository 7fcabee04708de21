// SPDX-License-Identifier: Apache-2.0

// Texts that were compressed as a whole: with gzip, xz and zstd, in chunks of any size, damaged, and cut off.

import Events
import Foundation
import Testing

@testable import Ftrace

@Suite("Compressed texts") struct CompressionTests {
    /// The chunks of a source, as `FtraceReader` gets them.
    private static func input(_ bytes: [UInt8], chunk: Int) -> FtraceReader.Input {
        var position = 0
        return { buffer in
            guard position < bytes.count else { return false }
            buffer += bytes[position..<min(position + chunk, bytes.count)]
            position += chunk
            return true
        }
    }

    private static func all(of input: FtraceReader.Input) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while try input(&bytes) {}
        return bytes
    }

    @Test(
        "gzip, xz and zstd, in chunks of any size, with several members", arguments: ["gz", "xz", "zst"],
        [1, 100, 1 << 20])
    func compressed(suffix: String, chunk: Int) throws {
        let packed = [UInt8](try Data(contentsOf: Text.samples.appending(path: "field/trace.txt.\(suffix)")))
        let compression = try #require(Compression(of: packed))
        let plain = try Self.all(of: compression.decompressing("t", Self.input(packed, chunk: chunk)))
        #expect(try Reading(bytes: plain).causes == PieceTests.all)
        let twice = try Self.all(of: compression.decompressing("t", Self.input(packed + packed, chunk: chunk)))
        #expect(twice == plain + plain)
    }

    @Test("damaged and cut off: one line that says so", arguments: ["gz", "xz", "zst"])
    func damagedCompression(suffix: String) throws {
        let packed = [UInt8](try Data(contentsOf: Text.samples.appending(path: "field/trace.txt.\(suffix)")))
        let compression = try #require(Compression(of: packed))
        for (bytes, words) in [(Array(packed.dropLast(20)), "too early"), (Array(packed[..<40]) + packed, "damaged")] {
            do {
                _ = try Self.all(of: compression.decompressing("t.gz", Self.input(bytes, chunk: 1000)))
                Issue.record("\(words): no error")
            } catch let error as SourceError {
                #expect(error.message.hasPrefix("t.gz") && error.message.contains(words), "\(error.message)")
                #expect(error.message.contains("expected a whole file"))
            }
        }
        #expect(Compression(of: Array("# tracer: nop".utf8)) == nil)
    }

    @Test("zstd behind a frame without data, as pzstd writes it, and with a window that takes too much memory")
    func zstd() throws {
        let packed = [UInt8](try Data(contentsOf: Text.samples.appending(path: "field/trace.txt.zst")))
        let skippable: [UInt8] = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]
        let compression = try #require(Compression(of: skippable + packed))
        let plain = try Self.all(of: compression.decompressing("t", Self.input(skippable + packed, chunk: 7)))
        #expect(try Reading(bytes: plain).causes == PieceTests.all)
        // A frame whose window has 2 GiB (RFC 8878, 3.1.1.1.2).
        let wide: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00]
        let error = #expect(throws: SourceError.self) {
            try Self.all(of: Compression.zstd.decompressing("t.zst", Self.input(wide, chunk: 100)))
        }
        #expect(error?.message.contains("zstd -dc --long=31 FILE | futexscope report -") == true)
    }

    @Test("xz with padding between two streams, as the format permits it")
    func padding() throws {
        let packed = [UInt8](try Data(contentsOf: Text.samples.appending(path: "field/trace.txt.xz")))
        let padded = packed + [0, 0, 0, 0] + packed + [UInt8](repeating: 0, count: 8)
        for chunk in [1, 7, 1 << 20] {
            let plain = try Self.all(of: Compression.xz.decompressing("t", Self.input(packed, chunk: chunk)))
            #expect(
                try Self.all(of: Compression.xz.decompressing("t", Self.input(padded, chunk: chunk))) == plain + plain)
        }
    }

    @Test("xz that takes more memory than a report may have says so")
    func memory() throws {
        // What `echo hello | xz --lzma2=dict=1GiB` writes.
        let packed: [UInt8] = [
            0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01, 0x24, 0x00,
            0x00, 0x00, 0x5e, 0x1f, 0xc7, 0xf9, 0x01, 0x00, 0x05, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x0a, 0x00, 0x00, 0x00,
            0xa5, 0x60, 0x97, 0xf1, 0x94, 0xf6, 0xfd, 0xe0, 0x00, 0x01, 0x1e, 0x06, 0xc1, 0x2f, 0xa4, 0x1d, 0x1f, 0xb6,
            0xf3, 0x7d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5a,
        ]
        do {
            _ = try Self.all(of: Compression.xz.decompressing("t.xz", Self.input(packed, chunk: 1000)))
            Issue.record("no error")
        } catch let error as SourceError {
            #expect(error.message.contains("more than 256 MiB"), "\(error.message)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

// A trace.dat is taken from strangers: whatever its bytes are, it gives fewer events or one clear line. Numbers in it
// are what somebody wrote there, so each of them is made as wrong as it can be.

import Events
import Foundation
import Testing

@testable import Ftrace

@Suite("Hostile trace.dat") struct DataHostileTests {
    /// What may come of damaged bytes. Returns whether there was a reading.
    @discardableResult
    private func read(_ bytes: [UInt8], _ place: Comment) -> Bool {
        do {
            let reading = try Reading(data: bytes)
            for finding in reading.findings {
                #expect(finding.lookup.observations <= finding.lookup.passes, place)
                #expect(finding.lookup.observations == 0 || finding.lookup.page != nil, place)
            }
            #expect(reading.omissions.count < 12, place)
            return true
        } catch let error as SourceError {
            #expect(error.message.hasPrefix("t.dat"), "\(place): \(error.message)")
            #expect(!error.message.contains("\n"), "\(place): \(error.message)")
            #expect(error.message.contains("expected") || error.message.contains("record with"), "\(error.message)")
        } catch {
            #expect(error is TraceData.Unfamiliar, "\(place): \(error)")
        }
        return false
    }

    @Test("more formats than there are numbers for them are refused, and nothing traps")
    func formats() {
        let description = Array(
            """
            name: fs_pin
            ID: 7
            field:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
            field:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
            field:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

            """.utf8)
        let names = KnownNames()
        var formats = EventFormats()
        let taken = (0..<65_600).count { _ in formats.add(description, names: names) }
        #expect(taken == 65_535)
    }

    @Test("cut off anywhere", arguments: ["trace-6.12", "v6-6.1"])
    func cut(name: String) throws {
        let bytes = try DataSample(name).bytes
        var readings = 0
        for count in stride(from: 0, to: bytes.count, by: 997) {
            if read(Array(bytes[..<count]), "\(count) bytes of \(name)") { readings += 1 }
        }
        // The places of version 7 stand at its end, those of version 6 before the pages.
        #expect(readings == 0 || name == "v6-6.1")
        #expect(readings > 0 || name == "trace-6.12")
    }

    @Test("cut off within the pages: those before are read, and it is said")
    func cutPages() throws {
        let bytes = try DataSample("v6-6.1").bytes
        let whole = try Reading(data: bytes)
        let reading = try Reading(data: Array(bytes.dropLast(100)))
        #expect(reading.omits("the file ends before its pages do"))
        #expect(!whole.omits("the file ends before its pages do"))
        #expect(reading.totals.lookups ?? 0 < whole.totals.lookups ?? 0)
    }

    @Test("what a file lacks is a loss: its last page, a page without a time, and chunks of pages")
    func missingPages() throws {
        let whole = try DataSample("v6-6.1").bytes
        let expected = try Reading(data: whole)
        #expect(expected.losses.isEmpty)
        let cut = try Reading(data: Array(whole.dropLast(100)))
        #expect(cut.losses[.ftraceBuffer] ?? 0 > 0)
        // Pages of 4096 bytes stand at the end.
        var zeroed = whole
        zeroed.replaceSubrange(whole.count - 4096..<whole.count, with: [UInt8](repeating: 0, count: 4096))
        #expect(try Reading(data: zeroed).losses[.ftraceBuffer] ?? 0 > 0)
    }

    @Test(
        "two recordings in one file: the second one is not read, and it is said", arguments: ["v6-6.1", "trace-6.12"])
    func joined(name: String) throws {
        let bytes = try DataSample(name).bytes
        let reading = try Reading(data: bytes + bytes)
        #expect(reading.omissions.contains { $0.hidesObservations && $0.what.contains("another recording") })
        #expect(!(try Reading(data: bytes)).omissions.contains { $0.what.contains("another recording") })
    }

    @Test("every number as large as it can be", arguments: DataSample.all)
    func largest(sample: DataSample) throws {
        let bytes = try sample.bytes
        for (width, filler) in [(8, UInt8(0xff)), (4, 0xff), (4, 0x7f), (2, 0xff), (8, 0)] {
            for place in stride(from: 10, to: bytes.count - 8, by: width == 8 ? 601 : 997) {
                var other = bytes
                for index in place..<place + width { other[index] = filler }
                read(other, "\(width) bytes \(filler) at \(place) of \(sample.name)")
            }
        }
    }

    @Test("the head and the options, byte by byte")
    func heads() throws {
        let bytes = try DataSample("trace-6.12").bytes
        let places = Array(0..<64) + Array(bytes.count - 700..<bytes.count)
        for place in places {
            var other = bytes
            other[place] = [0, 1, 0x7f, 0xff, bytes[place] ^ 1, bytes[place] ^ 0x80][place % 6]
            read(other, "\(other[place]) at \(place)")
        }
    }

    @Test("at random", arguments: DataSample.all)
    func random(sample: DataSample) throws {
        var random = Generator(state: 7)
        let bytes = try sample.bytes
        for round in 0..<50 {
            var other = bytes
            for _ in 0..<Int.random(in: 1...20, using: &random) {
                let place = Int.random(in: 0..<other.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: other[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: other[place] = UInt8.random(in: 0...255, using: &random)
                case 2: other.removeSubrange(place..<min(place + Int.random(in: 1...300, using: &random), other.count))
                default: other.insert(contentsOf: other[place..<min(place + 64, other.count)], at: place)
                }
                if other.isEmpty { other = bytes }
            }
            read(other, "round \(round) of \(sample.name)")
        }
    }

    @Test("damage costs a page and not the recording, and is said")
    func damagedPage() throws {
        let bytes = try DataSample("v6-6.1").bytes
        let table = try #require(bytes.indices.last { bytes[$0...].starts(with: "flyrecord\0".utf8) }) + 10
        let page = bytes[table..<table + 8].reversed().reduce(0) { $0 << 8 | Int($1) }
        var other = bytes
        // The length of the first page's events.
        other.replaceSubrange(page + 8..<page + 12, with: [0xff, 0xff, 0xff, 0x07])
        let reading = try Reading(data: other)
        #expect(reading.omits("a page holds what is no event"))
        #expect(reading.losses[.ftraceBuffer] == 1)
    }

    @Test("options that lead back to themselves come to an end")
    func circle() throws {
        var bytes = try DataSample("trace-6.12").bytes
        let place = 0x1d
        let first = bytes[place..<place + 8].reversed().reduce(0) { $0 << 8 | Int($1) }
        // The last option of a section says where the next one is.
        let size = bytes[first + 8..<first + 16].reversed().reduce(0) { $0 << 8 | Int($1) }
        try #require(bytes[first] == 0 && bytes[first + 2] == 0)
        bytes.replaceSubrange(first + 16 + size - 8..<first + 16 + size, with: bytes[place..<place + 8])
        #expect(refusal(ofData: bytes) != nil)
    }

    @Test(
        "what only trace-cmd may know is left to it",
        arguments: [
            (0x0a, [0x38], "version 8 of the format"), (0x0c, [1], "numbers of a big-endian machine"),
            (0x12, Array("zlop".utf8), "pages compressed with zlop"),
        ])
    func unfamiliar(place: Int, new: [UInt8], what: String) throws {
        var bytes = try DataSample("trace-6.12").bytes
        bytes.replaceSubrange(place..<place + new.count, with: new)
        #expect(throws: TraceData.Unfamiliar(what)) { try Reading(data: bytes) }
    }

    @Test("what is no recording for futexes, and says so")
    func useless() throws {
        let bytes = try DataSample("v6-6.1").bytes
        var data = Data(bytes)
        while let place = data.firstRange(of: Data("name: fs_".utf8)) {
            data.replaceSubrange(place, with: Data("name: sf_".utf8))
        }
        while let place = data.firstRange(of: Data("name: mm_vmscan".utf8)) {
            data.replaceSubrange(place, with: Data("name: nn_vmscan".utf8))
        }
        let message = try #require(refusal(ofData: [UInt8](data)))
        #expect(message.contains("none of the events that are needed"))
        #expect(message.contains("futexscope doctor --ftrace-recipe"))
        #expect(refusal(ofData: Array(bytes[..<12]))?.contains("the head end too early") == true)
    }
}

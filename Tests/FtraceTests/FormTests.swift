// SPDX-License-Identifier: Apache-2.0

// What is learnt from lines saves time and changes nothing: a line that is like one before is read as it would be
// read alone, also when it only looks like it. And more cores give the same events.

import Events
import Testing

@testable import Ftrace

@Suite("Forms of lines") struct FormTests {
    /// Numbers that are always the same.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64 = 7
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    /// What one line says, to be compared.
    private struct Told: Equatable {
        var reading: String
        var values: [UInt64]

        init(_ line: [UInt8], _ forms: inout LineForms) {
            var values: [UInt64] = []
            var read = TraceLine(range: 0..<line.count, number: 0, firstValue: 0)
            let begin = TraceText.reading(padded: line + [UInt8](repeating: 0, count: TraceText.padding)) {
                forms.read($0, into: &read, &values)
            }
            (self.reading, self.values) = ("\(begin, default: "nil") \(read)", values)
        }
    }

    /// The same line, a little different.
    private func variant(_ line: [UInt8], _ dice: inout Dice) -> [UInt8] {
        var line = line
        let place = Int.random(in: 0..<line.count, using: &dice)
        switch Int.random(in: 0..<6, using: &dice) {
        case 0: line[place] = UInt8.random(in: 0...255, using: &dice)
        case 1: line.remove(at: place)
        case 2: line.insert(UInt8(ascii: "7"), at: place)
        case 3: line[place] ^= 1 << UInt8.random(in: 0..<8, using: &dice)
        default:
            // Other numbers of the same length, which is what the forms are for.
            for place in line.indices where line[place] &- 0x30 < 10 && Bool.random(using: &dice) {
                line[place] = UInt8.random(in: 0x30...0x39, using: &dice)
            }
        }
        return line
    }

    @Test(
        "a line after others is read as it is read alone",
        arguments: ["trace-6.1", "trace-6.12", "trace-newest", "large-6.12", "trace-cmd-6.12", "trace-cmd-newest"])
    func alone(sample: String) throws {
        let names = KnownNames()
        var dice = Dice()
        var learned = LineForms(names: names)
        let lines = try Text.sample(sample).lines.filter { !$0.isEmpty && $0.count < 1000 }
        for line in lines {
            for line in [line, line, variant(line, &dice), variant(line, &dice)] where !line.isEmpty {
                var fresh = LineForms(names: names)
                let expected = Told(line, &fresh)
                #expect(Told(line, &learned) == expected, "\(String(decoding: line, as: UTF8.self))")
            }
        }
        // Each line of an event that is needed is like itself, at least.
        #expect(learned.alike > UInt64(lines.count / 3), "\(learned.alike) of \(lines.count)")
    }

    @Test("digits are distinguished from anything else, and give their number")
    func digits() {
        var dice = Dice()
        let interesting: [UInt8] = Array("09afAFgG/:@`-x ~".utf8) + [0x00, 0x7f, 0x80, 0xb0, 0xb9, 0xe1, 0xff]
        for _ in 0..<20_000 {
            let isHexadecimal = Bool.random(using: &dice)
            let sixteen = (0..<16).map { _ in
                Int.random(in: 0..<6, using: &dice) == 0
                    ? interesting.randomElement(using: &dice)! : UInt8.random(in: 0x30...0x39, using: &dice)
            }
            let bytes = Array(sixteen.prefix(8))
            let word = bytes.reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
            func isDigit(_ byte: UInt8) -> Bool {
                byte < 0x80 && Character(UnicodeScalar(byte)).isASCII
                    && (isHexadecimal ? Character(UnicodeScalar(byte)).isHexDigit : (0x30...0x39).contains(byte))
            }
            func value(_ digits: some Sequence<UInt8>) -> UInt64 {
                UInt64(String(decoding: Array(digits), as: UTF8.self), radix: isHexadecimal ? 16 : 10) ?? 0
            }
            let limit = Int.random(in: 0...8, using: &dice)
            let expected = bytes.prefix(limit).prefix(while: isDigit)
            let eight = EightBytes(word)
            #expect(isHexadecimal || eight.decimal(atMost: limit) == (expected.count, value(expected)), "\(bytes)")
            let count = Int.random(in: 1...16, using: &dice)
            let digits = sixteen.prefix(count)
            let (number, first) = TraceText.reading(padded: sixteen + [UInt8](repeating: 0, count: TraceText.padding)) {
                (
                    $0.number(at: 0, digits: count, isHexadecimal: isHexadecimal),
                    SixteenBytes($0.words(at: 0)).hexadecimal(atMost: count)
                )
            }
            let leading = digits.prefix(while: isDigit)
            #expect(!isHexadecimal || first == (leading.count, value(leading)), "\(sixteen), \(count)")
            #expect(number == (digits.allSatisfy(isDigit) ? value(digits) : nil), "\(sixteen), \(count)")
            #expect(eight.blanks == bytes.prefix { $0 <= 0x20 }.count, "\(bytes)")
        }
    }

    @Test(
        "threads and chunks change no event", arguments: [0, 1, 3], [7, 1000, 20_000])
    func threads(threads: Int, chunk: Int) throws {
        let bytes = try Text.sample("trace-6.12").bytes
        let expected = try Reading(bytes: bytes, threads: 0, emitsAll: true)
        let reading = try Reading(bytes: bytes, chunk: chunk, threads: threads, emitsAll: true)
        #expect(!expected.events.isEmpty)
        #expect(reading.events == expected.events)
        #expect(reading.omissions == expected.omissions)
    }

    @Test("an error of the input ends the reading, with blocks still under way", arguments: [0, 3])
    func failingInput(threads: Int) throws {
        struct Failure: Error {}
        let bytes = try Text.sample("trace-6.12").bytes
        var chunks = 0
        #expect(throws: Failure.self) {
            var reader = try FtraceReader(name: "t.txt", threads: threads) { buffer in
                chunks += 1
                if chunks > 20 { throw Failure() }
                buffer += bytes
                return true
            }
            var events: [Event] = []
            while try reader.read(into: &events) {}
        }
        #expect(chunks == 21)
    }
}

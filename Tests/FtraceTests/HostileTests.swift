// SPDX-License-Identifier: Apache-2.0

// Names of tasks that look like something else, and input that is no trace at all.

import Events
import Ftrace
import Testing

@Suite("Hostile input") struct HostileTests {
    static let names: [[UInt8]] = [
        Array("a-1 [000] 1.0: ".utf8), Array("x: y-7 [0] 9.1:".utf8), Array("fs_unlock: (a)".utf8),
        Array(" => evict".utf8),
        Array("CPU:0 [LOST 9 E".utf8), Array("# tracer: nop".utf8), Array("[12.345678] b".utf8),
        Array("-----------1234".utf8),
        Array("(143) [000] 1.1".utf8), [0xff, 0xfe, 0x01, 0x1b, 0x5b, 0x33, 0x31, 0x6d], Array("<4>[1.0] z-1 0d".utf8),
        Array("é漢字é".utf8), Array("<idle>".utf8), Array("rpc-handler-12/".utf8), Array("a1/".utf8),
    ]

    @Test("a task can have any name", arguments: names)
    func anyName(name: [UInt8]) throws {
        var text = try Text.sample("large-6.12")
        let padded = [UInt8](repeating: 0x20, count: 16 - name.count) + name
        for (place, line) in text.lines.enumerated() where line.starts(with: "  provoke-victim-".utf8) {
            text.lines[place] = padded + line.dropFirst(16)
        }
        let reading = try Reading(text)
        #expect(reading.causes == ["hole-punch"])
        #expect(reading.findings.first?.lookup.victim.tid == 200)
        #expect(reading.findings.first?.lookup.victim.comm == Comm(bytes: Array(name.drop { $0 == 0x20 })))
        #expect(reading.losses == [.ftraceBuffer: 349_715])
    }

    @Test("a name with a line end in it moves the columns and nothing else")
    func lineEnd() throws {
        let text = try Text.sample("large-6.12").replacing("  provoke-victim-", with: "      a-9 [0] \nxy-")
        let reading = try Reading(text)
        #expect(reading.causes == ["hole-punch"])
        #expect(reading.findings.first?.lookup.victim.tid == 200)
    }

    @Test("a name with a line end in it is no header of perf")
    func lineEndAndHeader() throws {
        let text = try Text.sample("large-6.12").replacing("  provoke-victim-", with: "\n# hostname : X-")
        #expect(try Reading(text).run.host == nil)
    }

    @Test("the largest possible task number is handled like any other")
    func largestNumber() throws {
        let line = "              sh-4294967295 [000] .....     0.000001: fs_in_evict: (evict+0x0/0x1a0)"
        var text = try Text.sample("large-6.12")
        let first = try #require(text.lines.firstIndex { !$0.starts(with: "#".utf8) })
        text.lines.insert(Array(line.utf8), at: first)
        #expect(try Reading(text).causes == ["hole-punch"])
    }

    @Test("what is no trace is refused in one line that says where, what was expected and what to do")
    func refusals() throws {
        let zeros = [UInt8](repeating: 0, count: 5 << 20)
        let prose = Array(
            String(repeating: "It was a dark and stormy night - 12 [000] of them.\n", count: 100_000).utf8)
        let function = Array(
            "# tracer: function\n#\n  sh-105 [000] .....  6.018118: vfs_read <-ksys_read\n".utf8)
        let calls = Array(
            "              sh-105     [000] .....     6.018118: sys_enter_futex: (uaddr: 7f00, op: 81)\n".utf8)
        let other = Array("              sh-105     [000] .....     6.018118: sched_waking: comm=a pid=1\n".utf8)
        let data = TraceData.magic + [0x36, 0, 0]
        for (bytes, words) in [
            ([], "is empty"), (zeros, "line 1: nothing in it"), (prose, "line 1"),
            (function, "function tracer"), (calls, "sys_enter_futex"), (other, "none of an event"),
            (data, "trace-cmd"), ([0x0a, 0x0a], "line 2"),
        ] {
            let message = try #require(refusal(of: bytes), "\(words)")
            #expect(message.contains(words == "line 1" ? "nothing in" : words), "\(message)")
            #expect(message.hasPrefix("t.txt"), "\(message)")
            #expect(message.contains("expected") || message.contains("record with"), "\(message)")
            #expect(!message.contains("\n"))
        }
    }

    @Test("a line without an end costs no memory and no finding")
    func overlong() throws {
        let sample = try Text.sample("large-6.12").bytes
        let flood = [UInt8](repeating: UInt8(ascii: "x"), count: 3 << 20) + [UInt8(ascii: "\n")]
        let reading = try Reading(bytes: flood + sample + flood)
        #expect(reading.causes == ["hole-punch"])
        #expect(reading.omits("2 lines of more than 64 KiB"))
    }

    @Test("other lines of the console may stand anywhere")
    func interleaved() throws {
        var text = try Text.sample("console-6.12")
        let noise = Array("[   14.700000] usb 1-1: new high-speed USB device number 2 using xhci_hcd".utf8)
        let begin = try #require(text.first("Dumping ftrace buffer"))
        for place in stride(from: text.lines.count, to: begin, by: -1)
        where !String(decoding: text.lines[place - 1], as: UTF8.self).contains(" => ") {
            text.lines.insert(noise, at: place)
        }
        let reading = try Reading(text)
        #expect(reading.causes == ["direct-io-invalidation", "zero-page"])
        #expect(reading.omits("no lines of a trace"))
    }

    @Test("damaged texts: flipped bits, cut and doubled lines", arguments: SampleTests.kernels)
    func mutations(kernel: String) throws {
        var random = Generator(state: 0x5eed)
        for dialect in ["trace", "trace-cmd", "console", "large"] {
            let sample = try Text.sample("\(dialect)-\(kernel)").bytes
            for _ in 0..<60 {
                var bytes = sample
                for _ in 0..<Int.random(in: 1...40, using: &random) {
                    let place = Int.random(in: 0..<bytes.count, using: &random)
                    switch Int.random(in: 0..<5, using: &random) {
                    case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                    case 1: bytes[place] = UInt8.random(in: 0...255, using: &random)
                    case 2:
                        bytes.removeSubrange(place..<min(place + Int.random(in: 1...300, using: &random), bytes.count))
                    case 3: bytes.insert(contentsOf: bytes[place..<min(place + 200, bytes.count)], at: place)
                    default: bytes.insert(contentsOf: "18446744073709551615".utf8, at: place)
                    }
                    if bytes.isEmpty { bytes = sample }
                }
                // It ends, and whatever it finds is well formed.
                guard let reading = try? Reading(bytes: bytes, chunk: 1000) else { continue }
                for finding in reading.findings {
                    #expect(finding.lookup.observations <= finding.lookup.passes)
                    #expect(finding.lookup.observations == 0 || finding.lookup.page != nil)
                }
                #expect(reading.omissions.count < 20)
            }
        }
    }
}

extension Comm {
    init(bytes: [UInt8]) {
        self.init(low: 0, high: 0)
        for (position, byte) in bytes.prefix(15).enumerated() {
            if position < 8 {
                low |= UInt64(byte) << UInt64(position * 8)
            } else {
                high |= UInt64(byte) << UInt64(position * 8 - 64)
            }
        }
    }
}

/// The same numbers in every run.
struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

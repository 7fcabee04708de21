// SPDX-License-Identifier: Apache-2.0

// Texts with lines of several hosts, pods or files: what happened on one explains nothing on another. And what differs
// between lines of one place makes no other place of it.

import Correlation
import Events
import Foundation
import Testing

@testable import Ftrace

@Suite("Lines of several places") struct OriginTests {
    /// A sample whose victims are in one place and everybody else in another: what is put before their lines.
    private func apart(_ sample: String, _ line: (_ place: Int, _ number: Int, _ line: String) -> String) throws -> Text
    {
        var text = try Text.sample(sample).without("#")
        var place = 0
        for (number, bytes) in text.lines.enumerated() where !bytes.isEmpty {
            let words = String(decoding: bytes, as: UTF8.self)
            if words.contains(": fs_") || words.contains(":fs_") {
                place = words.contains("fs_lookup") || words.contains("fs_pin") || words.contains("fs_unlock") ? 0 : 1
            }
            text.lines[number] = Array(line(place, number, words).utf8)
        }
        return text
    }

    /// Two places, as logs and tools put them before a line.
    static let pairs: [[String]] = [
        ["Nov 25 19:51:59 alpha kernel: ", "Nov 25 19:51:59 beta kernel: "],
        ["Nov 25 19:51:59 node-1 kernel: [   15.866674] ", "Nov 25 19:51:59 node-2 kernel: [   15.866674] "],
        ["2025-11-25T19:51:59.123456+01:00 a1 kernel: ", "2025-11-25T19:51:59.123456+01:00 b1 kernel: "],
        ["<4>1 2025-11-25T19:51:59.123Z alpha kernel - - - ", "<4>1 2025-11-25T19:51:59.123Z beta kernel - - - "],
        ["[pod/node-a/tracer] ", "[pod/node-b/tracer] "], ["alpha/trace.txt:", "beta/trace.txt:"],
        ["a:17:", "b:17:"], ["alpha: ", "beta: "], ["web-1  | ", "web-2  | "], ["         a: ", "         b: "],
        ["2001:db8::7: ", "2001:db8::8: "], ["2001:db8::7.514: ", "2001:db8::8.514: "],
        ["[fe80::1]:514 ", "[fe80::2]:514 "],
        ["Nov 25 19:51:59 fe80::1%eth0 kernel: ", "Nov 25 19:51:59 fe80::2%eth0 kernel: "],
        ["2001:db8:0:0:0:0:0:7 ", "2001:db8:0:0:0:0:0:8 "], ["52:54:00:ab:34:56 ", "52:54:00:ab:34:57 "],
        ["peer=52:54:00:12:34:aa ", "peer=52:54:00:12:34:bb "],
        ["thread-1  | ", "thread-2  | "],
        ["10.0.0.7: ", "10.0.0.8: "], ["/10.0.0.7:514 ", "/10.0.0.8:514 "], ["db: ", "eu-db: "],
        ["{app=\"x\", pod=\"t-1\"} ", "{app=\"x\", pod=\"t-2\"} "],
        ["host=alpha msg=\"", "host=beta msg=\""], ["", "beta: "],
    ]

    @Test("the victim in one place and the culprit in another", arguments: pairs, ["trace-6.12", "trace-cmd-6.12"])
    func severalPlaces(pair: [String], sample: String) throws {
        let reading = try Reading(apart(sample) { place, _, line in pair[place] + line })
        #expect(reading.findings.allSatisfy { $0.detach == nil }, "\(pair)")
        #expect(Set(reading.causes).isSubset(of: ["unknown", "zero-page"]), "\(pair)")
        #expect(reading.losses[.ftraceBuffer] ?? 0 > 0, "\(pair)")
        #expect(reading.omits("several places"), "\(pair)")
    }

    static let pairsOfPerf: [[String]] = [
        ["alpha/trace.txt:", "beta/trace.txt:"], ["a:", "b:"],
        ["web-1 app 2025-11-25T19:51:59.123Z ", "web-2 app 2025-11-25T19:51:59.123Z "],
        ["10.0.0.7:514 ", "10.0.0.8:514 "],
        ["<6>1 2025-11-25T19:51:59.000Z web-1 kernel - - - ", "<6>1 2025-11-25T19:51:59.000Z web-2 kernel - - - "],
    ]

    @Test("perf has no columns for names", arguments: pairsOfPerf)
    func perf(pair: [String]) throws {
        let reading = try Reading(apart("field/perf-script") { place, _, line in pair[place] + line })
        #expect(reading.findings.allSatisfy { $0.detach == nil })
    }

    private static func json(_ fields: String, _ line: String, isFirst: Bool) -> String {
        let text = line.replacingOccurrences(of: "\"", with: "\\\"").replacingOccurrences(of: "\t", with: "\\t")
        return isFirst ? "{\(fields), \"MESSAGE\": \"\(text)\"}" : "{\"MESSAGE\":\"\(text)\",\(fields)}"
    }

    static let fields: [[String]] = [
        ["\"_HOSTNAME\":\"alpha\"", "\"_HOSTNAME\":\"beta\""],
        ["\"_BOOT_ID\":\"aa\",\"_HOSTNAME\":\"x\"", "\"_HOSTNAME\":\"x\",\"_BOOT_ID\":\"bb\""],
        ["\"host\":{\"name\":\"alpha\"}", "\"host\":{\"name\":\"beta\"}"],
        ["\"kubernetes\":{\"pod_name\":\"t-1\",\"labels\":{\"a\":\"b\"}}", "\"kubernetes\":{\"pod_name\":\"t-2\"}"],
        ["\"sysloghost\":\"alpha\"", "\"sysloghost\":\"beta\""],
        ["\"host\":\"alpha\",\"stream\":\"stderr\"", "\"host\":\"beta\",\"stream\":\"stdout\""],
    ]

    @Test("the place in a field of JSON, before or behind the line", arguments: fields, [true, false])
    func jsonFields(pair: [String], isFirst: Bool) throws {
        for sample in ["trace-6.12", "field/perf-script"] {
            let reading = try Reading(
                apart(sample) { place, _, line in Self.json(pair[place], line, isFirst: isFirst) })
            #expect(reading.findings.allSatisfy { $0.detach == nil }, "\(sample)")
            #expect(reading.omits("several places"))
            // The same in one place.
            let one = try Reading(apart(sample) { _, _, line in Self.json(pair[0], line, isFirst: isFirst) })
            #expect(one.causes == (try Reading(apart(sample) { $2 })).causes, "\(sample)")
            #expect(one.losses == (try Reading(apart(sample) { $2 })).losses)
            #expect(!one.omits("several places"))
        }
    }

    @Test("the streams of Loki, each with its labels")
    func loki() throws {
        let text = try apart("trace-6.12") { place, number, line in
            """
            {"stream":{"host":"h-\(place)"},"values":[["\(number)","\(line.replacingOccurrences(of: "\"", with: "\\\""))"]]},
            """
        }
        let whole = "{\"data\":{\"result\":[\n" + String(decoding: text.bytes, as: UTF8.self) + "\n]}}\n"
        let reading = try Reading(Text(whole))
        #expect(!reading.findings.isEmpty && reading.findings.allSatisfy { $0.detach == nil })
        #expect(reading.omits("several places"))
    }

    @Test("the fields of a journal", arguments: [true, false])
    func journal(isExport: Bool) throws {
        let text = try apart("trace-6.12") { place, _, line in
            isExport
                ? "__CURSOR=s=1;i=2\nMESSAGE=\(line)\n_HOSTNAME=h-\(place)\n"
                : "Tue 2025-11-25 19:51:59 UTC [s=1;i=2]\n    _HOSTNAME=h-\(place)\n    MESSAGE=\(line)"
        }
        let reading = try Reading(text)
        #expect(!reading.findings.isEmpty && reading.findings.allSatisfy { $0.detach == nil })
        #expect(reading.omits("several places"))
    }

    @Test("objects among ordinary lines")
    func mixedObjects() throws {
        let text = try apart("trace-6.12") { place, _, line in
            Self.json("\"_HOSTNAME\":\"h-\(place)\"", line, isFirst: true)
        }
        let lines = Array(repeating: Array("it was a dark and stormy night".utf8), count: 3000)
        let reading = try Reading(Text(Array((lines + text.lines).joined(separator: [0x0a]))))
        #expect(!reading.findings.isEmpty && reading.findings.allSatisfy { $0.detach == nil })
        #expect(reading.omits("several places"))
    }

    /// Of one place: what differs from line to line.
    static let fronts: [@Sendable (Int) -> String] = [
        { "Nov \(24 + $0 % 2) 19:51:\(10 + $0 % 40) host kernel: [   15.8\(10000 + $0)] " },
        { "\(["Nov 30", "Dec  1"][$0 % 2]) 00:00:01 host kernel: " },
        { "[   15.8\(10000 + $0)][\(["   T12", "    C1", " T1234"][$0 % 3])] " },
        { "<\($0 % 8)>1 2025-11-25T19:51:59.\($0)Z host kernel \($0) - [meta sequenceId=\"\($0)\"] " },
        { "4,\($0),\(15_867_796 + $0),\($0 % 2 == 0 ? "-" : "c"),caller=T\($0);" },
        { "\(["kern  :warn  ", "kern  :info  "][$0 % 2]): [   15.866674] " },
        { "console.txt\($0 % 5 == 0 ? ":\($0):" : "-\($0)-")" },
        { "2025-11-25T19:51:59.\($0)Z 0\($0 % 2)\(["O", "E"][$0 % 2]) " },
        { "2025-11-25T19:51:59.12345\($0 % 10)Z \(["stdout", "stderr"][$0 % 2]) F " },
        { "I\(1125 + $0 % 2) 19:51:59.123456   \($0) trace.go:\($0)] " },
        { "11-25 19:51:59.123  \($0)  \($0) \(["I", "W"][$0 % 2]) tracer: " },
        { "level=\(["info", "warn"][$0 % 2]) seq=\($0) id=x\($0) host=db1 msg=\"" },
        { "[thread-\($0)] " }, { "19:51:59.123 pool-1-thread-\($0): " }, { "Thread-\($0) INFO " }, { "\($0):: " },
        { "19:51:02::\(100 + $0 % 800) " }, { "[25:11:25:19:51:\(10 + $0 % 40)] " },
        { "[thread-\($0) ] " }, { "(Thread-\($0)) " }, { "host=db-1 peer=fe80::\($0) msg=\"" },
        { "2025:11:25:19:51:\(10 + $0 % 40) " }, { "19:51:59:123:456:\(100 + $0 % 800) " },
        { "\u{1b}[3\($0 % 8)m[   15.866674] \u{1b}[0m" },
        { "[Tue Nov 25 \($0 % 24):51:59 2025] " },
        { "\(25 + $0 % 2)-\(["Nov", "Dec"][$0 % 2])-2025 07:51 \(["AM", "PM"][$0 % 2]) " },
        { "[\($0)] (cpu\($0 % 4)) " },
    ]

    @Test("what differs between lines of one place", arguments: fronts.indices, ["trace-6.12", "console-6.12"])
    func onePlace(index: Int, sample: String) throws {
        let plain = try Text.sample(sample).replacing(#"(?m)^\[ *[0-9.]+\] "#, with: "").without("#")
        var text = plain
        for (number, line) in plain.lines.enumerated() where !line.isEmpty {
            text.lines[number] = Array(Self.fronts[index](number).utf8) + line
        }
        let (wanted, reading) = (try Reading(plain), try Reading(text))
        #expect(!reading.omits("several places"))
        #expect(reading.causes == wanted.causes && wanted.causes.count > 1)
        #expect(reading.findings.map(\.detach?.culprit) == wanted.findings.map(\.detach?.culprit))
        #expect(reading.losses == wanted.losses)
    }

    @Test("what stands before a line after others is what it is alone")
    func alone() {
        var random = Generator(state: 7)
        var forms = OriginForms()
        for (index, pair) in Self.pairs.enumerated() {
            for number in 0..<200 {
                let front =
                    number % 3 == 0 ? Self.fronts[(index + number) % Self.fronts.count](number) : pair[number % 2]
                var bytes = Array(front.utf8)
                for place in bytes.indices where Int.random(in: 0..<6, using: &random) == 0 {
                    let other = UInt8.random(in: 0x20...0x7e, using: &random)
                    bytes[place] = bytes[place] &- 0x30 < 10 && number % 2 == 0 ? other % 10 + 0x30 : other
                }
                for bytes in [Array(front.utf8), bytes] {
                    TraceText.reading(padded: bytes + [UInt8](repeating: 0, count: TraceText.padding)) { text in
                        let hash = forms.hash(text, 0..<text.count)
                        #expect(hash == Origin.hash(text, 0..<text.count), "\(bytes)")
                    }
                }
            }
        }
    }

    @Test("other programs of the same host may say anything, also within a line")
    func otherPrograms() throws {
        var text = try Text.sample("field/console-whole")
        let place = try #require(text.first("fs_unlock"))
        text.lines[place] = Array("[   16.002900] usb 1-1: new high-speed USB dev".utf8) + text.lines[place]
        text.lines.insert(Array("[   16.002900] systemd[1]: Started app.service on alpha: x, y".utf8), at: place)
        var reading = try Reading(text)
        #expect(!reading.omits("several places"))
        #expect(reading.causes == ["truncate"])
        // What looks like a frame after the end of a stack is a loss, and no other place.
        text.lines[place] = Array("[   16.002900] systemd[1]: Started app.service on alpha: x => y".utf8)
        reading = try Reading(text)
        #expect(!reading.omits("several places"))
        #expect(reading.causes.isEmpty && !reading.losses.isEmpty)
    }
}

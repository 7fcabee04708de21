// SPDX-License-Identifier: Apache-2.0

// Whatever happens to a text before it is read, what is said of it is what the whole text says, or that it is unknown.
// FUTEXSCOPE_PROPERTY_SECONDS sets how long this is tried, with other accidents in each run; without it some hundred
// texts are tried, the same in each run.

import Correlation
import Events
import Foundation
import Testing

@testable import Ftrace

@Suite("Property") struct PropertyTests {
    static let samples = [
        "trace-6.1", "trace-6.12", "trace-newest", "trace-cmd-6.1", "trace-cmd-6.12", "trace-cmd-newest",
        "console-6.1", "console-6.12", "console-newest", "large-6.12", "field/console-whole", "field/kmsg",
        "field/perf-script", "field/user-stack-first", "field/trace-cmd-ts-diff",
    ]

    @Test(
        "texts in which something else was found once",
        arguments: [
            (7_382_831_703_875_577_747, "field/perf-script"), (7_382_831_703_875_633_652, "field/perf-script"),
            (7_382_831_703_875_638_767, "field/perf-script"), (5_234_948_142_456_393_851, "field/perf-script"),
        ] as [(UInt64, String)])
    func foundOnce(seed: UInt64, name: String) throws {
        let text = try Text.sample(name)
        let expectation = Expectation(try Reading(text, emitsAll: true).findings)
        var distortion = Distortion(seed: seed)
        let bytes = Array(distortion.distorted(text.lines).joined(separator: [UInt8(ascii: "\n")]))
        for finding in try Reading(bytes: bytes, threads: 0).findings {
            let fault = expectation.fault(of: finding)
            #expect(fault == nil, "\(distortion.steps)")
        }
    }

    /// Victims of several operations, one after the other and several at once, on pages that are used again.
    static var script: Script {
        var script = Script()
        let (victims, culprits) = ([("victim", 164), ("patient", 165)], [("culprit", 200), ("other", 300)])
        for round in 0..<12 {
            let (victim, culprit) = (victims[round % 2], culprits[round / 2 % 2])
            let (page, other) = (Script.page + UInt64(round % 3) * 64, Script.otherPage + UInt64(round % 4) * 64)
            script.begin(victim, page: page)
            switch round % 3 {
            case 0: script.truncate(culprit, page: page, inode: 12)
            case 1: script.writeDirectly(culprit, page: page, inode: 13)
            default: script.punchHole(culprit, page: page, inode: 14)
            }
            if round % 4 == 1 { script.writeDirectly(culprits[1 - round / 2 % 2], page: other, inode: 15) }
            if round % 4 == 2 { script.truncate(culprits[1 - round / 2 % 2], page: other, inode: 16) }
            if round % 4 == 3 { script.punchHole(culprits[1 - round / 2 % 2], page: other, inode: 17) }
            script.fail(victim, page: page)
            script.begin(victim, page: other)
            script.end(victim, result: 0)
        }
        return script
    }

    @Test("a text with gaps that nothing marks has no cause, culprit, file or retry that the whole text does not have")
    func gaps() throws {
        let seconds = ProcessInfo.processInfo.environment["FUTEXSCOPE_PROPERTY_SECONDS"].flatMap(Double.init)
        var texts = try Self.samples.map { ($0, try Text.sample($0)) }
        texts += (0..<10).map { ("script \($0)", Self.script.text()) }
        let known = try texts.map { ($0.0, $0.1.lines, Meetings(try Reading($0.1))) }
        var seed = seconds == nil ? 1 : UInt64.random(in: 0...UInt64.max)
        let (first, end) = (seed, Date(timeIntervalSinceNow: seconds ?? 0))
        repeat {
            for (name, lines, meetings) in known {
                seed &+= 1
                var distortion = Distortion(seed: seed)
                let bytes = Array(distortion.gapped(lines).joined(separator: [UInt8(ascii: "\n")]))
                guard let reading = try? Reading(bytes: bytes, threads: 0) else { continue }
                #expect(reading.totals.retries == RetryCounts(), "seed \(seed), \(name): \(distortion.steps)")
                for finding in reading.findings {
                    let isTrue = meetings.has(finding)
                    #expect(isTrue, "seed \(seed), \(name): \(finding.cause), \(distortion.steps)")
                }
            }
        } while seconds == nil ? seed - first < 1500 : Date() < end
        if seconds != nil { print("\(seed &- first) texts with gaps, first seed \(first)") }
    }

    @Test("a distorted text has no cause, culprit, name, result or retry that the whole text does not have")
    func distorted() throws {
        let seconds = ProcessInfo.processInfo.environment["FUTEXSCOPE_PROPERTY_SECONDS"].flatMap(Double.init)
        let texts = try Self.samples.map { name in
            let text = try Text.sample(name)
            return (name: name, lines: text.lines, expectation: Expectation(try Reading(text, emitsAll: true).findings))
        }
        var seed = seconds == nil ? 1 : UInt64.random(in: 0...UInt64.max)
        let (first, end) = (seed, Date(timeIntervalSinceNow: seconds ?? 0))
        var known = 0
        repeat {
            for (name, lines, expectation) in texts {
                seed &+= 1
                var distortion = Distortion(seed: seed)
                let bytes = Array(distortion.distorted(lines).joined(separator: [UInt8(ascii: "\n")]))
                guard let reading = try? Reading(bytes: bytes, threads: 0) else { continue }
                for finding in reading.findings {
                    let fault = expectation.fault(of: finding)
                    #expect(fault == nil, "seed \(seed), \(name): \(distortion.steps)")
                    known += finding.cause == .unknown ? 0 : 1
                }
            }
        } while seconds == nil ? seed - first < 300 : Date() < end
        // Reading nothing at all would be no answer.
        #expect(known > 100)
        if seconds != nil { print("\(seed &- first) texts, \(known) causes known, first seed \(first)") }
    }
}

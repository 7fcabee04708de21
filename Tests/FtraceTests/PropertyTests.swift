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
            (7_382_831_703_875_638_767, "field/perf-script"),
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

// SPDX-License-Identifier: Apache-2.0

// Clocks whose times are no nanoseconds: x86-tsc, counter and uptime. They order events and measure nothing.

import Events
import Foundation
import Testing

@testable import Ftrace

@Suite("Clocks") struct ClockTests {
    private func check(_ reading: Reading, _ whole: Reading) {
        #expect(reading.run.hasCountsForTimes)
        #expect(reading.causes == whole.causes)
        #expect(reading.findings.allSatisfy { $0.lookup.durationNs == nil })
        #expect(reading.totals.durationNs == 0)
        #expect(reading.totals.activities.values.allSatisfy { $0.durationNs == 0 })
        #expect(reading.omits("counts something else than nanoseconds"))
    }

    @Test("a text whose times are bare numbers")
    func text() throws {
        let text = try Text.sample("trace-6.12")
        let whole = try Reading(text)
        #expect(!whole.run.hasCountsForTimes)
        check(try Reading(text.replacing(#" (\d+)\.(\d{6}): "#, with: " $1$2: ")), whole)
    }

    @Test("a trace.dat that names such a clock", arguments: ["v6-6.1", "trace-6.12"])
    func data(name: String) throws {
        var data = Data(try DataSample(name).bytes)
        let whole = try Reading(data: [UInt8](data))
        #expect(!whole.run.hasCountsForTimes)
        let clocks = try #require(data.firstRange(of: Data("[mono] mono_raw boot tai x86-tsc".utf8)))
        data.replaceSubrange(clocks, with: Data("mono mono_raw boot tai [x86-tsc]".utf8))
        check(try Reading(data: [UInt8](data)), whole)
    }
}

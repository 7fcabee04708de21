// SPDX-License-Identifier: Apache-2.0

import Correlation
import EventSamples
import Events
import Testing

@testable import Pipeline

@Suite("What the first finding of each kind means") struct FirstConclusionsTests {
    /// A finding of a direct write of `culprit` that hit `victim`.
    static func finding(victim: UInt32 = 10, culprit: UInt32 = 20, comm: String = "backup") throws -> Finding {
        let detach = Detach.sample {
            ($0.landmarks, $0.hole, $0.scope) = ([.invalidate2], nil, .directIOInvalidation)
            $0.culprit = TaskIdentity(pid: culprit, tid: culprit, comm: Comm(comm))
        }
        let lookup = Lookup.sample { $0.victim = TaskIdentity(pid: victim, tid: victim, comm: Comm("orders")) }
        var correlator = Correlator()
        correlator.take(detach)
        var found: Finding?
        correlator.take(lookup, isProgress: false) { found = $0 }
        return try #require(found)
    }

    @Test("is said once for a pair of workloads, whatever the processes are")
    func once() throws {
        var meanings = FirstConclusions(by: .workload)
        var said: [Conclusion?] = []
        for finding in try [
            Self.finding(), Self.finding(), Self.finding(victim: 11, culprit: 21),
            Self.finding(culprit: 22, comm: "dd"),
        ] {
            said.append(meanings.take(finding, names: Names()))
        }
        #expect(said.map(\.?.culprit) == ["backup", nil, nil, "dd"])
        #expect(said[0]?.verdict == .kernel && said[0]?.victim == "orders" && said[0]?.remedy != nil)
    }

    @Test("ends with as many as a run has conclusions")
    func limited() throws {
        var meanings = FirstConclusions(by: .workload)
        var said: [Int] = []
        for number in 1...40 {
            let finding = try Self.finding(culprit: UInt32(number), comm: "job\(number)")
            if meanings.take(finding, names: Names()) != nil { said.append(number) }
        }
        #expect(said == Array(1...Conclusions.limit))
    }
}

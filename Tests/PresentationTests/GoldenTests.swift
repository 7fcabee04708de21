// SPDX-License-Identifier: Apache-2.0

import Correlation
import Events
import Pipeline
import Golden
import Testing

@testable import Presentation

/// Every format of one and the same run, as it stands in the files of `Golden`.
@Suite("Golden files") struct GoldenTests {
    @Test("JSON Lines") func jsonLines() throws {
        #expect(try difference(of: Story.bytes(JSONLines()), from: "run.jsonl") == nil)
    }

    @Test("CSV") func csv() throws {
        #expect(try difference(of: Story.bytes(CSV()), from: "run.csv") == nil)
    }

    @Test("table", arguments: [80, 100, 120, 140, 200])
    func table(width: Int) throws {
        #expect(try difference(of: Story.bytes(Table(width: width, colour: false)), from: "run-\(width).txt") == nil)
    }

    @Test("table at the default depth", arguments: [80, 120])
    func sentinel(width: Int) throws {
        let table = Table(width: width, colour: false, isTimed: false)
        #expect(try difference(of: Story.bytes(table), from: "sentinel-\(width).txt") == nil)
    }

    @Test("table in colour") func colour() throws {
        #expect(try difference(of: Story.bytes(Table(width: 100, colour: true)), from: "run-colour.txt") == nil)
    }

    @Test("a run without a finding") func empty() throws {
        var totals = Totals()
        (totals.lookups, totals.durationNs) = (nil, 1_500_000)
        var stream = FindingStream(
            format: Table(width: 80, colour: false), correlator: Correlator(), run: RunInfo())
        _ = stream.take([.totals(totals)])
        _ = stream.end()
        let table = stream.takeBytes()
        #expect(try difference(of: table, from: "empty.txt") == nil)
        var json = FindingStream(format: JSONLines(), correlator: Correlator(), run: RunInfo())
        _ = json.take([.totals(totals)])
        _ = json.end()
        let lines = json.takeBytes()
        #expect(try difference(of: lines, from: "empty.jsonl") == nil)
    }

    @Test("the report of a host") func doctor() throws {
        let host = HostReport(
            kernelRelease: "6.12.0-test",
            checks: [
                .init(name: "bpf", value: "present", isFine: true, advice: nil),
                .init(
                    name: "probes", value: "kprobe no, fentry yes", isFine: false,
                    advice: "without CONFIG_KPROBES a function that fentry refuses cannot be probed"),
            ],
            refusal: nil)
        var report = DoctorReport(host: host, probes: Story.probes)
        #expect(try difference(of: report.text(colour: false).utf8, from: "doctor.txt") == nil)
        #expect(try difference(of: report.text(colour: true).utf8, from: "doctor-colour.txt") == nil)
        #expect(try difference(of: report.json, from: "doctor.json") == nil)
        let refusal = "kernel lockdown is in confidentiality mode; boot without lockdown=confidentiality"
        report.host.checks.append(.init(name: "lockdown", value: "confidentiality", isFine: false, advice: refusal))
        (report.host.refusal, report.probes) = (refusal, [])
        #expect(try difference(of: report.text(colour: false).utf8, from: "doctor-refused.txt") == nil)
        #expect(try difference(of: report.json, from: "doctor-refused.json") == nil)
        #expect(
            try difference(of: DoctorReport.text(probes: Story.probes, colour: false).utf8, from: "probes.txt") == nil)
        #expect(try difference(of: DoctorReport.json(probes: Story.probes), from: "probes.json") == nil)
    }
}

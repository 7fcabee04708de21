// SPDX-License-Identifier: Apache-2.0

import Correlation
import EventSamples
import Events
import Pipeline
import Golden
import Testing

@testable import Presentation

/// The metrics of a run, as a scrape gets them.
@Suite("Metrics") struct MetricsTests {
    static let facts = {
        var facts = ServiceFacts(version: "0.1.0")
        (facts.cpuTimeNs, facts.residentBytes, facts.openDescriptors) = (1_250_000_000, 31_457_280, 41)
        facts.processStartNs = 1_795_399_199_250_000_000
        (facts.answers, facts.connectionsRefused) = ([404: 1, 200: 17, 503: 0], 2)
        return facts
    }()

    /// The run of `Story` while it goes on, half a minute after it began, and one thread that loops.
    static func state(totals: Totals = Story.totals, events: [Event] = looping) -> RunState {
        var totals = totals
        (totals.time, totals.isFinal) = (34_000_000_000, false)
        var run = Story.recorded
        run.probes = Story.probes
        var stream = FindingStream(format: JSONLines(), correlator: Correlator(), run: run)
        _ = stream.take(events + [.totals(totals)])
        return stream.state { _ in true }
    }

    static let looping =
        Story.events + [.progress(.looping(passes: 1_048_576, durationNs: 12_345_678_901, tid: 213))]

    static let sentinelTotals = {
        var totals = Story.totals
        totals.lookups = nil
        totals.cost?.runCount = 0
        return totals
    }()

    /// What a scrape gets, without what explains it.
    static func samples(_ state: RunState, _ format: MetricsFormat = .prometheus) -> [String] {
        String(decoding: Metrics(state, facts: facts).bytes(format), as: UTF8.self)
            .split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
    }

    @Test("at full depth, in both formats") func full() throws {
        let metrics = Metrics(Self.state(), facts: Self.facts)
        #expect(try difference(of: metrics.bytes(.prometheus), from: "metrics.txt") == nil)
        #expect(try difference(of: metrics.bytes(.openMetrics), from: "metrics.openmetrics") == nil)
    }

    @Test("what the sentinel does not count is not there") func sentinel() throws {
        let metrics = Metrics(Self.state(totals: Self.sentinelTotals, events: []), facts: Self.facts)
        #expect(try difference(of: metrics.bytes(.prometheus), from: "metrics-sentinel.txt") == nil)
    }

    @Test("both formats have the same series, and each once") func sameSeries() {
        let (plain, open) = (Self.samples(Self.state()), Self.samples(Self.state(), .openMetrics))
        #expect(plain == open)
        let names = plain.map { $0.prefix { $0 != " " } }
        #expect(Set(names).count == names.count)
    }

    @Test("no series appears or goes when findings come") func seriesStay() {
        func names(_ events: [Event]) -> Set<Substring> {
            Set(Self.samples(Self.state(events: events)).map { $0.prefix { $0 != " " } })
        }
        #expect(names([]) == names(Self.looping))
        // The one exception: a lookup that met something, went through and did not go back.
        let wonder = Lookup.sample { $0.succeed(inPass: 1) }
        #expect(names([.lookup(wonder)]).subtracting(names([])).count == 1)
    }

    @Test(
        "OpenMetrics is for those who name it and do not like the other better",
        arguments: [
            ("", MetricsFormat.prometheus), ("*/*", .prometheus), ("text/plain", .prometheus),
            ("text/html,*/*;q=0.8", .prometheus), ("application/openmetrics-text", .openMetrics),
            ("application/openmetrics-text; version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openMetrics),
            ("Application/OpenMetrics-Text;version=1.0.0;q=0.5, text/plain;q=0.5", .openMetrics),
            ("application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5", .prometheus),
            ("application/openmetrics-text;q=0.4,text/plain;q=0.5", .prometheus),
            ("application/openmetrics-text;q=0", .prometheus), ("application/openmetrics-text;q=x", .prometheus),
            (",;q=,;;,q=1", .prometheus),
        ])
    func negotiation(accept: String, format: MetricsFormat) {
        #expect(MetricsFormat(accept: accept) == format)
    }
}

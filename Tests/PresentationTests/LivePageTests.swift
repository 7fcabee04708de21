// SPDX-License-Identifier: Apache-2.0

import Correlation
import EventSamples
import Events
import Pipeline
import Golden
import Testing

@testable import Presentation

/// The page of a run that goes on.
@Suite("Live page") struct LivePageTests {
    private static func page(_ state: RunState) -> String {
        String(decoding: LivePage(state, version: "0.1.0").bytes(nonce: "n0nce"), as: UTF8.self)
    }

    /// The run of `Story` with its findings.
    static func state() -> RunState {
        var (state, latest) = (MetricsTests.state(), LatestFindings())
        var stream = FindingStream(format: JSONLines(), correlator: Correlator(), run: Story.recorded)
        _ = stream.take(MetricsTests.looping) { latest.take($0) }
        state.latest = latest.inOrder
        return state
    }

    @Test("a run with a bit of everything") func everything() throws {
        let page = Self.page(Self.state())
        #expect(ReportTests.unclosed(page) == nil)
        #expect(try difference(of: page.utf8, from: "live.html") == nil)
    }

    @Test("a run in which nothing was met says so, and one that is blind says why") func nothing() {
        var state = MetricsTests.state(totals: MetricsTests.sentinelTotals, events: [])
        var page = Self.page(state)
        #expect(page.contains("No lookup has met a page without a mapping yet."))
        #expect(page.contains("sentinel"))
        #expect(!page.contains("<strong>Blind"))
        state.blindness = "a livepatch came"
        page = Self.page(state)
        #expect(page.contains("<strong>Blind: </strong><bdi>a livepatch came</bdi>"))
    }

    @Test("no text becomes markup of the page", arguments: HostileTextTests.paths + HostileTextTests.markup)
    func hostile(text: String) {
        func page(_ text: String) -> String {
            let probe = ProbeReport(role: "lookup", function: text, hook: nil, isRequired: false, note: text)
            let run = RunInfo(kernelRelease: text, host: text, probes: [probe], wallClockOffsetNs: 1, filters: text)
            var loop = Lookup.looping(passes: 128, durationNs: 1_000_000)
            loop.victim.comm = Comm(text)
            var totals = Totals()
            totals.time = loop.time
            let events = HostileTextTests.events(comm: text, path: text) + [.progress(loop), .totals(totals)]
            var stream = FindingStream(format: JSONLines(), correlator: Correlator(), run: run)
            var latest = LatestFindings()
            _ = stream.take(events) { latest.take($0) }
            var state = stream.state { _ in true }
            (state.latest, state.blindness) = (latest.inOrder, text)
            return Self.page(state)
        }
        let (plain, shown) = (page("plain"), page(text))
        #expect(!shown.unicodeScalars.contains(where: HostileTextTests.isObeyed))
        #expect(ReportTests.unclosed(shown) == nil)
        func tags(_ page: String) -> [String] { page.matches(of: /<[^>]*>/).map { String($0.0) } }
        if !text.isEmpty { #expect(tags(shown) == tags(plain)) }
        #expect(shown.contains("Looping now"))
    }

    @Test("the policy lets nothing in but what has the answer's nonce") func policy() {
        let policy = LivePage.policy(nonce: "n0nce")
        #expect(policy.hasPrefix("default-src 'none'; "))
        #expect(!policy.contains("unsafe"))
        let page = Self.page(Self.state())
        for element in page.matches(of: /<(script|style)[^>]*>/) { #expect(element.0.contains("nonce=\"n0nce\"")) }
        // Nothing that the policy would have to let in besides.
        for attribute in [" style=", " src=", "javascript:", " onclick", "http:", "https:"] {
            #expect(!page.contains(attribute), "\(attribute)")
        }
    }

    @Test("the latest findings are kept, newest first, and a loop has one place") func latest() {
        func finding(_ number: UInt64) -> Finding {
            var correlator = Correlator()
            return correlator.take(.lookup(.sample { $0.time = 1_001_840 + number }))!
        }
        var latest = LatestFindings()
        for number in 0..<UInt64(LatestFindings.limit) + 30 { latest.take(finding(number)) }
        #expect(latest.inOrder.count == LatestFindings.limit)
        #expect(latest.inOrder.first?.lookup.time == 1_001_840 + UInt64(LatestFindings.limit) + 29)
        #expect(latest.inOrder.last?.lookup.time == 1_001_840 + 30)
        var correlator = Correlator()
        latest = LatestFindings()
        for passes: UInt64 in [64, 128, 256] {
            var loop = Lookup.looping(passes: passes, durationNs: 1_000_000)
            loop.start = 20_000_000_000
            latest.take(correlator.take(.progress(loop))!)
        }
        #expect(latest.inOrder.map(\.lookup.passes) == [256])
    }
}

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
        var (state, latest, rates) = (MetricsTests.state(), LatestFindings(), RecentRates())
        var stream = FindingStream(format: JSONLines(), correlator: Correlator(), run: Story.recorded)
        _ = stream.take(MetricsTests.looping) {
            latest.take($0)
            rates.take($0)
        }
        (state.latest, state.rates) = (latest.inOrder, rates)
        return state
    }

    @Test("a run with every kind of event") func everything() throws {
        let page = Self.page(Self.state())
        #expect(ReportTests.unclosed(page) == nil)
        #expect(try difference(of: page.utf8, from: "live.html") == nil)
    }

    @Test("a run in which nothing was met says so, and one that is blind says why") func nothing() {
        var state = MetricsTests.state(totals: MetricsTests.sentinelTotals, events: [])
        var page = Self.page(state)
        #expect(page.contains("No lookup was seen to meet a page without a mapping so far."))
        #expect(page.contains("sentinel"))
        #expect(!page.contains("<strong>Blind"))
        state.blindness = "a livepatch came"
        page = Self.page(state)
        #expect(page.contains("<strong>Blind: </strong><bdi>a livepatch came</bdi>"))
    }

    @Test("findings of the last hour are counted in their half minute, and older ones are gone") func rates() {
        var (rates, correlator) = (RecentRates(), Correlator())
        func take(_ seconds: UInt64, _ count: Int = 1) {
            for _ in 0..<count {
                correlator.take(.lookup(.sample(page: .zero()) { $0.time = seconds * 1_000_000_000 })).map {
                    rates.take($0)
                }
            }
        }
        func totals(_ seconds: UInt64) -> [UInt64] { rates.hour(until: seconds * 1_000_000_000).map(\.total) }
        // Soon after boot an hour is longer than the time since then.
        take(25)
        #expect(totals(70) == [UInt64](repeating: 0, count: 117) + [1, 0, 0])
        take(10_000, 3)
        take(10_019)
        take(10_021, 2)
        #expect(totals(10_025).suffix(3) == [0, 4, 2])
        #expect(totals(10_025).count == 120)
        // One hour later: 10,000 s lie in a bin that is gone.
        #expect(totals(10_000 + 3600).first == 2)
        #expect(totals(10_000 + 3600).reduce(0, +) == 2)
        take(10_000 + 3600)
        #expect(totals(10_000 + 3600).reduce(0, +) == 3)
        // A straggler of the hour before changes nothing.
        take(10_000)
        #expect(totals(10_000 + 3600).reduce(0, +) == 3)
        #expect(totals(100_000).allSatisfy { $0 == 0 })
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

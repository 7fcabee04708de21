// SPDX-License-Identifier: Apache-2.0

// A fleet in small: futexscope serves in a guest, and the programs that fleets run read it from outside with the
// configurations of dashboards/. Everything that the dashboards and the rules ask for must give data, and what arrives
// in the store must be what was served.

import Fleet
import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted && Programs.folder != nil))
struct FleetTests {
    @Test("dashboards, rules and stores have data from a traced kernel")
    func fleet() async throws {
        await GuestRuns.shared.begin()
        do {
            let fleet = try await SmallFleet()
            do { try await Self.story(of: fleet) } catch { Issue.record("\(error)\n\(fleet.story)") }
            await fleet.end()
        } catch {
            Issue.record(error)
        }
        await GuestRuns.shared.end()
    }

    static func story(of fleet: SmallFleet) async throws {
        let catalogue = try await names(fleet)
        try await dashboards(fleet, catalogue)
        try await rules(fleet, catalogue)
        try await store(fleet)
        try await fleet.goOn()
        try await alerts(fleet)
        try await figures(fleet)
    }

    /// What the two services tell; a name that is not there is caught, or all that follows means nothing.
    static func names(_ fleet: SmallFleet) async throws -> Catalogue {
        let exposition = try await fleet.exposition(of: fleet.full)
        #expect(try await complaints(exposition.replacing("# HELP futexscope_blind", with: "# HELP other")) != "")
        #expect(try await complaints(exposition) == "")
        #expect(try await complaints(fleet.exposition(of: fleet.sentinel)) == "")
        var catalogue = Catalogue(exposition: exposition)
        #expect(catalogue.strangers(in: "futexscope_findings_total{cause=\"other\"} > 0") == [])
        #expect(catalogue.strangers(in: "futexscope_findings{kind=\"other\"}") == ["no metric futexscope_findings"])
        #expect(try await fleet.prometheus.query("futexscope_findings").isEmpty)
        catalogue.add(try SmallFleet.rules.flatMap(Rule.read))
        return catalogue
    }

    /// What Prometheus' own checker has to say of a scrape.
    static func complaints(_ exposition: String) async throws -> String {
        let (status, output) = try await Programs.run("promtool", ["check", "metrics"], input: exposition)
        return status == 0 ? output : "status \(status): \(output)"
    }

    /// Every query of every panel, as Grafana would send it.
    static func dashboards(_ fleet: SmallFleet, _ catalogue: Catalogue) async throws {
        for (name, instance) in [("host", fleet.instance(of: fleet.full)), ("fleet", ".+")] {
            let dashboard = try Dashboard.read(SmallFleet.dashboards.appending(path: "\(name).json"))
            var waiting: [(title: String, query: String, legend: String)] = dashboard.queries.map {
                let query = Dashboard.filled($0.target.expr, with: ["job": "futexscope", "instance": instance])
                return ($0.panel.title, query, $0.target.legendFormat)
            }
            #expect(waiting.count > 20)
            for (title, query, _) in waiting { #expect(catalogue.strangers(in: query) == [], "\(name): \(title)") }
            // Some need several scrapes, or a finding.
            try? await fleet.wait(for: "the panels of \(name)") {
                for (position, panel) in waiting.enumerated().reversed() {
                    let samples = try await fleet.prometheus.query(panel.query)
                    guard samples.contains(where: { !$0.value.isNaN }) else { continue }
                    for label in panel.legend.matches(of: #/{{(\w+)}}/#).map({ String($0.1) }) {
                        #expect(samples.allSatisfy { $0.labels[label] != nil }, "\(name): \(panel.title): \(label)")
                    }
                    waiting.remove(at: position)
                }
                return waiting.isEmpty
            }
            for panel in waiting { Issue.record("\(name): \(panel.title) has no data: \(panel.query)") }
        }
    }

    /// Every rule's expression, an alert's without its comparison: that one has data only while it fires.
    static func rules(_ fleet: SmallFleet, _ catalogue: Catalogue) async throws {
        let rules = try SmallFleet.rules.flatMap(Rule.read)
        #expect(rules.count > 10)
        for rule in rules {
            #expect(catalogue.strangers(in: rule.expression) == [], "\(rule)")
            let value = rule.expression.replacing(#/ (>|==) [0-9]+$/#, with: "")
            #expect(rule.isAlert == (value != rule.expression))
            try await fleet.wait(for: "data of \(rule)") { try await !fleet.prometheus.query(value).isEmpty }
            guard !rule.isAlert else { continue }
            try await fleet.wait(for: "\(rule)") { try await !fleet.prometheus.query(rule.name).isEmpty }
        }
    }

    /// The store gets the same series over each of the three ways that docs/fleet.md shows.
    static func store(_ fleet: SmallFleet) async throws {
        for (way, service, selector) in fleet.ways {
            let served = Catalogue(exposition: try await fleet.exposition(of: service)).labels.keys
                .filter { $0.hasPrefix("futexscope_") }
            #expect(served.count > 20, "\(way)")
            try await fleet.wait(for: "everything in the store, by \(way)") {
                let names = try await fleet.store.query(
                    "count by (__name__) ({__name__=~\"futexscope_.+\",\(selector)})")
                return Set(served).isSubset(of: names.map(\.name))
            }
            #expect(try await !fleet.store.query("futexscope_observations_total{\(selector)} > 0").isEmpty, "\(way)")
            // It does not change while a service runs.
            let bytes = "futexscope_map_bytes{"
            let stored = try await fleet.store.query("\(bytes)\(selector)}").map(\.value)
            let instance = fleet.instance(of: service)
            #expect(
                try await fleet.prometheus.query("\(bytes)instance=\"\(instance)\"}").map(\.value) == stored, "\(way)")
        }
    }

    /// What is wrong in the second half is reported under its name, and nothing else is.
    static func alerts(_ fleet: SmallFleet) async throws {
        let expected = [
            "FutexscopeLoopInProgress": fleet.instance(of: fleet.full),
            "FutexscopeBlind": fleet.instance(of: fleet.sentinel),
            "FutexscopeDown": "127.0.0.1:\(fleet.deadPort)",
        ]
        for (alert, instance) in expected {
            try await fleet.wait(for: alert) {
                try await fleet.prometheus.query("ALERTS{alertname=\"\(alert)\"}").map { $0.labels["instance"] }
                    == [instance]
            }
        }
        let spurious = try await fleet.prometheus.query("ALERTS{alertname=\"FutexscopeSpuriousFailures\"}")
        #expect(spurious.contains { $0.labels["alertstate"] == "firing" && $0.labels["cause"] == "hole-punch" })
        #expect(try await fleet.prometheus.query("ALERTS{alertname=\"FutexscopeRestartLoop\"}").isEmpty)
        #expect(try await fleet.prometheus.query("ALERTS{alertname=\"FutexscopeFindingsNotWritten\"}").isEmpty)
    }

    /// For docs/fleet.md; nothing is asserted of them but the limit that the configuration sets.
    static func figures(_ fleet: SmallFleet) async throws {
        for (name, service) in [("full", fleet.full), ("sentinel", fleet.sentinel)] {
            let bytes = try await fleet.exposition(of: service).utf8.count
            let series = try await fleet.prometheus.query(
                "scrape_samples_scraped{instance=\"\(fleet.instance(of: service))\"}")
            let count = try #require(series.first?.value)
            say("fleet: \(name): \(Int(count)) series, \(bytes) bytes a scrape")
            #expect(count < 500)
        }
    }
}

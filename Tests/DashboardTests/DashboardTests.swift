// SPDX-License-Identifier: Apache-2.0

// The dashboards as files: what Grafana would stumble over, and names that no scrape has. That their queries give data
// is seen in KernelTests, where a kernel is traced. There is no Grafana here; its published types stand in for it.

import Fleet
import Foundation
import Testing

/// What is checked here, and what it is checked against.
enum Files {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL
    static let dashboards = root.appending(path: "dashboards")
    static let rules = ["recording", "alerts"].map { dashboards.appending(path: "rules/\($0).yml") }

    static func dashboard(_ name: String) throws -> Dashboard {
        try Dashboard.read(dashboards.appending(path: "\(name).json"))
    }

    /// A scrape of a run at full depth as the program writes it, and what the rules make of it.
    static func catalogue() throws -> Catalogue {
        let scrape = root.appending(path: "Tests/PresentationTests/Golden/metrics.txt")
        var catalogue = Catalogue(exposition: try String(contentsOf: scrape, encoding: .utf8))
        catalogue.add(try rules.flatMap(Rule.read))
        return catalogue
    }
}

@Suite struct NameTests {
    @Test("a wrong metric, a wrong label and a wrong grouping are caught")
    func strangersAreCaught() throws {
        let catalogue = try Files.catalogue()
        let right =
            "sum by (cause) (rate(futexscope_findings_total{job=\"a\",outcome!=\"ok\"}[5m])) > futexscope_spurious_failures_total"
        #expect(catalogue.strangers(in: right) == [])
        let wrong = [
            ("_findings_total", "_finding_total", "no metric futexscope_finding_total"),
            ("outcome", "result", "futexscope_findings_total has no label result"),
            ("(cause)", "(reason)", "no metric of it has a label reason"),
        ]
        for (here, there, complaint) in wrong {
            #expect(catalogue.strangers(in: right.replacing(here, with: there)) == [complaint])
        }
        #expect(
            catalogue.strangers(in: "futexscope_blind or on (job) futexscope_deaf{x='}'}")
                == ["no metric futexscope_deaf"])
    }

    @Test("dashboards name no metric and no label that does not exist", arguments: ["host", "fleet"])
    func dashboards(name: String) throws {
        let (dashboard, catalogue) = (try Files.dashboard(name), try Files.catalogue())
        for (panel, target) in dashboard.queries {
            let query = Dashboard.filled(target.expr, with: ["job": "j", "instance": "i"])
            #expect(catalogue.strangers(in: query) == [], "panel \(panel.title)")
        }
        for variable in dashboard.templating.list where variable.type == "query" {
            let definition = try #require(variable.query)
            // label_values(SELECTOR, LABEL)
            #expect(definition.hasPrefix("label_values("))
            let parts = definition.dropFirst("label_values(".count).dropLast().split(separator: ", ")
            #expect(parts.count == 2 && Catalogue.target.contains(String(parts[1])), "\(definition)")
            #expect(catalogue.strangers(in: String(parts[0])) == [], "variable \(variable.name)")
        }
    }

    @Test("rules name no metric and no label that does not exist")
    func rules() throws {
        let catalogue = try Files.catalogue()
        for rule in try Files.rules.flatMap(Rule.read) {
            #expect(!rule.expression.isEmpty, "\(rule)")
            #expect(catalogue.strangers(in: rule.expression) == [], "\(rule)")
        }
    }
}

@Suite struct StructureTests {
    static let source = Dashboard.Source(type: "prometheus", uid: "${datasource}")

    @Test("the dashboards keep their addresses, and ask for the source, the job and the host")
    func addresses() throws {
        for (name, uid) in [("host", "futexscope-host"), ("fleet", "futexscope-fleet")] {
            let dashboard = try Files.dashboard(name)
            #expect(dashboard.uid == uid)
            #expect(dashboard.schemaVersion >= 39)
            let variables = dashboard.templating.list
            #expect(variables.map(\.name) == ["datasource", "job", "instance"])
            #expect(variables.map(\.type) == ["datasource", "query", "query"])
            #expect(variables.dropFirst().allSatisfy { $0.datasource == Self.source })
        }
    }

    @Test("links lead to a dashboard that is here", arguments: ["host", "fleet"])
    func links(name: String) throws {
        let text = try String(contentsOf: Files.dashboards.appending(path: "\(name).json"), encoding: .utf8)
        let links = text.matches(of: #/"/d/([a-z-]+)/#).map { String($0.1) }
        #expect(!links.isEmpty)
        #expect(Set(links).isSubset(of: ["futexscope-host", "futexscope-fleet"]))
    }

    @Test("panels have a number, a place, a source and words of their own", arguments: ["host", "fleet"])
    func panels(name: String) throws {
        let dashboard = try Files.dashboard(name)
        let panels = dashboard.panels
        #expect(Set(panels.map(\.id)).count == panels.count)
        #expect(panels.first?.type == "row")
        for (number, panel) in panels.enumerated() {
            let place = panel.gridPos
            #expect(place.x >= 0 && place.x + place.w <= 24 && place.w > 0 && place.h > 0, "\(panel.title)")
            for other in panels.dropFirst(number + 1) {
                #expect(!place.overlaps(other.gridPos), "\(panel.title) and \(other.title)")
            }
            if panel.type == "row" { continue }
            #expect(panel.description.count > 10, "\(panel.title)")
            #expect(panel.datasource == Self.source, "\(panel.title)")
            #expect(!panel.targets.isEmpty, "\(panel.title)")
            #expect(Set(panel.targets.map(\.refId)).count == panel.targets.count, "\(panel.title)")
            for target in panel.targets { #expect(target.datasource == Self.source, "\(panel.title)") }
        }
    }

    @Test("two panels in one place are seen")
    func overlapIsSeen() throws {
        let place = try #require(try Files.dashboard("host").panels.last).gridPos
        var other = place
        #expect(place.overlaps(other))
        other.x += place.w
        #expect(!place.overlaps(other))
        (other.x, other.y) = (place.x, place.y - other.h + 1)
        #expect(place.overlaps(other))
    }
}

enum Readers {
    /// Set by `make test` and `make unit-test`.
    static let python = ProcessInfo.processInfo.environment["FUTEXSCOPE_PYTHON"]
}

@Suite(.enabled(if: Readers.python != nil, "FUTEXSCOPE_PYTHON is not set: `make unit-test` sets it"))
struct SchemaTests {
    @Test("every part of the dashboards fits Grafana's own types", arguments: ["host", "fleet"])
    func types(name: String) throws {
        #expect(try Self.lost(in: Files.dashboards.appending(path: "\(name).json")) == "")
    }

    @Test("a word that Grafana does not know is seen, wherever it is")
    func strangersAreSeen() throws {
        let text = try String(contentsOf: Files.dashboards.appending(path: "host.json"), encoding: .utf8)
        let copy = FileManager.default.temporaryDirectory.appending(path: "futexscope-\(UUID().uuidString).json")
        defer { try? FileManager.default.removeItem(at: copy) }
        for key in ["schemaVersion", "gridPos", "legendFormat", "stacking", "reduceOptions"] {
            try text.replacing("\"\(key)\":", with: "\"\(key)X\":").write(to: copy, atomically: true, encoding: .utf8)
            #expect(try Self.lost(in: copy).contains("\(key)X"), "\(key)")
        }
    }

    private static func lost(in file: URL) throws -> String {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: try #require(Readers.python))
        process.arguments = [
            "-B", Files.root.appending(path: "Tests/DashboardTests/read_dashboard.py").path, file.path,
        ]
        (process.standardOutput, process.standardError) = (output, output)
        try process.run()
        let reported = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: reported, as: UTF8.self)
    }
}

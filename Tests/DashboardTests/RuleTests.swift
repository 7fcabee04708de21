// SPDX-License-Identifier: Apache-2.0

// The rules as promtool sees them: right in form, and tested so well that no change of one goes unnoticed.

import Events
import Fleet
import Foundation
import Testing

@Suite(.enabled(if: Programs.folder != nil, "FUTEXSCOPE_FLEET is not set: `make unit-test` sets it"))
struct RuleTests {
    static let tests = ["recording", "alerts"].map {
        Files.root.appending(path: "Tests/DashboardTests/rules/\($0).yml")
    }

    @Test("the rules, and the configurations that load them, are what Prometheus takes")
    func form() async throws {
        try await Self.inCopy { dashboards, _ in
            let configuration = dashboards.appending(path: "prometheus.yml")
            try FileManager.default.copyItem(
                at: Files.dashboards.appending(path: "prometheus.yml"), to: configuration)
            // Read when it is used; here it only has to be there.
            try "a secret".write(
                to: dashboards.appending(path: "futexscope.secret"), atomically: true, encoding: .utf8)
            let result = try await Programs.run("promtool", ["check", "config", configuration.path])
            #expect(result.status == 0, "\(result.output)")
            #expect(result.output.contains("2 rule files found"), "\(result.output)")
        }
    }

    @Test("each alert fires when it should and not otherwise, each recording rule adds up")
    func behaviour() async throws {
        let result = try await Programs.run("promtool", ["test", "rules"] + Self.tests.map(\.path))
        #expect(result.status == 0, "\(result.output)")
    }

    @Test("a rule that gives nothing, or a wrong value, fails these tests")
    func everyRuleIsTested() async throws {
        try await Self.inCopy { dashboards, tests in
            let copies = tests.map(\.path)
            #expect(try await Programs.run("promtool", ["test", "rules"] + copies).status == 0)
            for rule in try Files.rules.flatMap(Rule.read) {
                let copy = dashboards.appending(path: "rules/\(rule.file.lastPathComponent)")
                // An alert whose comparison always holds has the right labels; only the time shows that it should not fire.
                let always = rule.isAlert ? rule.expression.replacing(#/ (>|==) [0-9]+$/#, with: " >= 0") : "vector(7)"
                #expect(always != rule.expression)
                for wrong in ["vector(1) > 1", always] {
                    try rule.fileText(with: wrong).write(to: copy, atomically: true, encoding: .utf8)
                    #expect(
                        try await Programs.run("promtool", ["check", "rules", copy.path]).status == 0,
                        "\(rule): \(wrong)")
                    let result = try await Programs.run("promtool", ["test", "rules"] + copies)
                    #expect(result.status != 0, "\(rule) can be \(wrong), and no test says so")
                }
                try FileManager.default.removeItem(at: copy)
                try FileManager.default.copyItem(at: rule.file, to: copy)
            }
        }
    }

    @Test("the rule for lost evidence names the stages that touch evidence")
    func evidence() throws {
        let rule = try #require(
            try Files.rules.flatMap(Rule.read).first { $0.name == "instance:futexscope_evidence_lost:increase15m" })
        let named = try #require(rule.expression.firstMatch(of: #/stage=~"([^"]+)"/#)).1.split(separator: "|")
        #expect(named.map(String.init) == Loss.Stage.allCases.filter(\.touchesEvidence).map(\.rawValue))
    }

    @Test("each alert links to an existing place in the documentation")
    func runbooks() throws {
        for rule in try Files.rules.flatMap(Rule.read) where rule.isAlert {
            let parts = try #require(rule.runbook, "\(rule)").split(separator: "#")
            let page = try String(contentsOf: Files.root.appending(path: String(parts[0])), encoding: .utf8)
            let anchors = page.split(separator: "\n").filter { $0.hasPrefix("#") }.map { heading in
                heading.drop { $0 == "#" }.dropFirst().lowercased().replacing(" ", with: "-")
            }
            #expect(anchors.contains(String(parts[1])), "\(rule): \(anchors)")
        }
    }

    /// A copy of the rules and of their tests that may be changed: the folder of dashboards, and the tests.
    private static func inCopy(_ body: (_ dashboards: URL, _ tests: [URL]) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "futexscope-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let dashboards = folder.appending(path: "dashboards")
        var copies: [URL] = []
        for (place, files) in [("dashboards/rules", Files.rules), ("Tests/DashboardTests/rules", tests)] {
            let place = folder.appending(path: place)
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            copies = files.map { place.appending(path: $0.lastPathComponent) }
            for (file, copy) in zip(files, copies) { try FileManager.default.copyItem(at: file, to: copy) }
        }
        try await body(dashboards, copies)
    }
}

// SPDX-License-Identifier: Apache-2.0

// The programs of a small fleet: a guest with two services, a Prometheus that scrapes both and writes on, and a
// VictoriaMetrics that takes that in and scrapes by itself, beside an agent that does it for it. All with the
// configurations of dashboards/, in which only addresses and intervals are changed. One service asks for a secret; the
// other is open to those who are on this host.

import Fleet
import Foundation

final class SmallFleet: Sendable {
    static let root = GuestRuns.root.appending(path: "../..").standardizedFileURL
    static let dashboards = root.appending(path: "dashboards")
    static let rules = ["recording", "alerts"].map { dashboards.appending(path: "rules/\($0).yml") }
    /// How series come into the store, and what distinguishes them from the others. The last two read the sentinel.
    let ways: [(name: String, service: Prometheus, selector: String)]

    let full: Prometheus
    let sentinel: Prometheus
    let prometheus: Prometheus
    let store: Prometheus
    /// Nobody listens there.
    let deadPort: Int
    private let nextPort: Int
    private let secret = UUID().uuidString
    private let folder: URL
    private nonisolated(unsafe) var daemons: [Daemon] = []

    init() async throws {
        let ports = try (0..<8).map { _ in try freePort() }
        full = Prometheus(port: ports[0], secret: secret)
        sentinel = Prometheus(port: ports[1])
        prometheus = Prometheus(port: ports[2])
        store = Prometheus(port: ports[3])
        (deadPort, nextPort) = (ports[4], ports[5])
        ways = [
            ("remote write", full, "cluster=\"example\",instance=\"127.0.0.1:\(full.port)\""),
            ("its own scrape", sentinel, "instance=\"by-store\""), ("an agent", sentinel, "instance=\"by-agent\""),
        ]
        folder = GuestRuns.results.appending(path: "fleet")
        try? FileManager.default.removeItem(at: folder)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        do {
            try await startGuest()
            try await wait(for: "the services in the guest") {
                for service in [full, sentinel] where try await service.text("/healthz").isEmpty { return false }
                return true
            }
            try startPrometheus()
            try startStore(agentPort: ports[6])
            try await wait(for: "the first scrapes") {
                try await prometheus.query("sum(up) >= 2").count == 1
            }
        } catch {
            await end()
            throw FleetFailure("\(error)\n\(story)")
        }
    }

    func instance(of service: Prometheus) -> String { "127.0.0.1:\(service.port)" }

    /// The last words of all programs.
    var story: String { daemons.map(\.story).joined(separator: "\n") }

    func end() async {
        for daemon in daemons.reversed() { await daemon.stop() }
    }

    /// Waits as long as all programs run.
    func wait(for what: String, _ condition: () async throws -> Bool) async throws {
        try await Prometheus.wait(for: what, with: daemons, condition)
    }

    /// What one of the services reports. A busy guest may be late with an answer.
    func exposition(of service: Prometheus) async throws -> String {
        var text = ""
        try await wait(for: "a scrape of \(instance(of: service))") {
            text = try await service.text("/metrics")
            return true
        }
        return text
    }

    /// The guest goes on to its second half.
    func goOn() async throws {
        _ = try await Programs.run(URL(filePath: "/bin/bash"), ["-c", "echo >/dev/tcp/127.0.0.1/\(nextPort)"])
    }

    // MARK: Programs

    private func startGuest() async throws {
        let script = folder.appending(path: "script")
        let scenario = try String(contentsOf: GuestRuns.root.appending(path: "scenarios/fleet.sh"), encoding: .utf8)
        try "PORT_FULL=9435 PORT_SENTINEL=9436 PORT_NEXT=9437 SECRET=\(secret)\n\(scenario)"
            .write(to: script, atomically: true, encoding: .utf8)
        let module = try await GuestRuns.module("retro", for: "6.12")
        try start(
            "guest", GuestRuns.root.appending(path: "vm/boot"),
            [
                "-k", "6.12", "-b", GuestRuns.binary.path, "-s", script.path, "-t", "1800", "--module", module,
                "-o", folder.appending(path: "out").path, "-p", "\(full.port):9435", "-p", "\(sentinel.port):9436",
                "-p", "\(nextPort):9437",
            ])
    }

    private func startPrometheus() throws {
        try FileManager.default.copyItem(
            at: Self.dashboards.appending(path: "rules"), to: folder.appending(path: "rules"))
        try FileManager.default.createDirectory(
            at: folder.appending(path: "targets"), withIntermediateDirectories: true)
        try "\(secret)\n".write(to: folder.appending(path: "futexscope.secret"), atomically: true, encoding: .utf8)
        let targets = [full.port, sentinel.port, deadPort].map { "- targets: [\"127.0.0.1:\($0)\"]\n" }.joined()
        try targets.write(to: folder.appending(path: "targets/guest.yml"), atomically: true, encoding: .utf8)
        let configuration = try configuration(
            "prometheus.yml",
            [
                ("scrape_interval: 15s", "scrape_interval: 2s"),
                ("evaluation_interval: 30s", "evaluation_interval: 2s"),
                ("127.0.0.1:8428", "127.0.0.1:\(store.port)"),
            ])
        try start(
            "prometheus", Programs.url(of: "prometheus"),
            [
                "--config.file=\(configuration.path)", "--web.listen-address=127.0.0.1:\(prometheus.port)",
                "--storage.tsdb.path=\(folder.appending(path: "prometheus").path)",
            ])
    }

    private func startStore(agentPort: Int) throws {
        let configuration = try configuration(
            "vmagent.yml",
            [("scrape_interval: 15s", "scrape_interval: 2s"), ("127.0.0.1:9435", "127.0.0.1:\(sentinel.port)")])
        try start(
            "store", Programs.url(of: "victoria-metrics"),
            [
                "-httpListenAddr=127.0.0.1:\(store.port)", "-promscrape.config=\(configuration.path)",
                "-storageDataPath=\(folder.appending(path: "store").path)", "-search.latencyOffset=1s",
            ], environment: ["HOSTNAME": "by-store"])
        try start(
            "agent", Programs.url(of: "vmagent"),
            [
                "-httpListenAddr=127.0.0.1:\(agentPort)", "-promscrape.config=\(configuration.path)",
                "-remoteWrite.url=http://127.0.0.1:\(store.port)/api/v1/write",
                "-remoteWrite.tmpDataPath=\(folder.appending(path: "agent").path)",
            ], environment: ["HOSTNAME": "by-agent"])
    }

    /// A configuration of dashboards/ with something else in some places, each of which must be there.
    private func configuration(_ name: String, _ changes: [(String, String)]) throws -> URL {
        var text = try String(contentsOf: Self.dashboards.appending(path: name), encoding: .utf8)
        for (old, new) in changes {
            guard text.contains(old) else { throw FleetFailure("there is no \(old) in \(name)") }
            text.replace(old, with: new)
        }
        let file = folder.appending(path: name)
        try text.write(to: file, atomically: true, encoding: .utf8)
        return file
    }

    private func start(
        _ name: String, _ executable: URL, _ arguments: [String], environment: [String: String] = [:]
    ) throws {
        daemons.append(try Daemon(name, executable, arguments, log: log(name), environment: environment))
    }

    private func log(_ name: String) -> URL { folder.appending(path: "\(name).log") }
}

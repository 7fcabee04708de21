// SPDX-License-Identifier: Apache-2.0

// What a Prometheus, or a VictoriaMetrics that speaks its language, answers over HTTP.

import Foundation

/// One sample of an answer.
public struct Sample: Sendable {
    public var labels: [String: String]
    public var value: Double

    public var name: String { labels["__name__"] ?? "" }
}

/// A server on loopback, Prometheus itself or one that it reads.
public struct Prometheus: Sendable {
    public let port: Int
    /// What it expects as a bearer token.
    private let secret: String?

    public init(port: Int, secret: String? = nil) { (self.port, self.secret) = (port, secret) }

    /// The samples of this moment.
    public func query(_ expression: String) async throws -> [Sample] {
        let answer = try await object("/api/v1/query", ["query": expression])
        let data = answer["data"] as? [String: Any]
        if data?["resultType"] as? String == "scalar" {
            return [Sample(labels: [:], value: Self.value(data?["result"]))]
        }
        guard let rows = data?["result"] as? [[String: Any]] else { throw FleetFailure("\(expression): \(answer)") }
        return rows.map {
            Sample(labels: $0["metric"] as? [String: String] ?? [:], value: Self.value($0["value"]))
        }
    }

    /// What an endpoint answers, as an object.
    public func object(_ path: String, _ parameters: [String: String] = [:]) async throws -> [String: Any] {
        let text = try await text(path, parameters)
        guard let object = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] else {
            throw FleetFailure("\(path) \(parameters): \(text.prefix(500))")
        }
        return object
    }

    public func text(_ path: String, _ parameters: [String: String] = [:]) async throws -> String {
        // curl, since URLSession on Linux now and then waits for ever for a server that has closed.
        var arguments = ["-sS", "--max-time", "20", "-w", "\n%{http_code}", "-G", "http://127.0.0.1:\(port)\(path)"]
        for (key, value) in parameters { arguments += ["--data-urlencode", "\(key)=\(value)"] }
        if let secret { arguments += ["-H", "Authorization: Bearer \(secret)"] }
        let (status, output) = try await Programs.run(URL(filePath: "/usr/bin/curl"), arguments)
        guard status == 0, let end = output.lastIndex(of: "\n") else {
            throw FleetFailure("\(path): curl: status \(status): \(output.prefix(200))")
        }
        let (text, code) = (String(output[..<end]), output[output.index(after: end)...])
        // Prometheus says what is wrong with a query with 400, and says it in its own words.
        guard code == "200" || code == "400" else { throw FleetFailure("\(path): \(code): \(text.prefix(200))") }
        return text
    }

    /// Waits until `condition` holds, however long the machine takes; a server that answers nothing yet is waited
    /// for as well, as long as all `daemons` run.
    public static func wait(
        for what: String, with daemons: [Daemon], seconds: Int = 300, _ condition: () async throws -> Bool
    ) async throws {
        var trouble = ""
        // By the clock: one question to a server that does not answer takes 20 s.
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            if let dead = daemons.first(where: { !$0.isRunning }) {
                throw FleetFailure("waited for \(what), and \(dead.name) ended")
            }
            do { if try await condition() { return } } catch { trouble = "\(error)" }
            try await Task.sleep(for: .seconds(1))
        }
        throw FleetFailure("waited \(seconds) s in vain for \(what) \(trouble)")
    }

    private static func value(_ pair: Any?) -> Double {
        ((pair as? [Any])?.last as? String).flatMap(Double.init) ?? .nan
    }
}

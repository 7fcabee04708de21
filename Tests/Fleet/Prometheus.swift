// What a Prometheus, or a VictoriaMetrics that speaks its language, answers over HTTP.

import Foundation
import FoundationNetworking

/// One sample of an answer.
public struct Sample: Sendable {
    public var labels: [String: String]
    public var value: Double

    public var name: String { labels["__name__"] ?? "" }
}

/// A server on loopback, Prometheus itself or one that it reads.
public struct Prometheus: Sendable {
    public let port: Int
    /// What it wants to be told as a bearer token.
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
        var url = URLComponents()
        (url.scheme, url.host, url.port, url.path) = ("http", "127.0.0.1", port, path)
        if !parameters.isEmpty {
            url.queryItems = parameters.map { URLQueryItem(name: $0.key, value: $0.value) }
            url.percentEncodedQuery = url.percentEncodedQuery?.replacing("+", with: "%2B")
        }
        guard let url = url.url else { throw FleetFailure("no URL of \(path) \(parameters)") }
        var request = URLRequest(url: url)
        if let secret { request.setValue("Bearer \(secret)", forHTTPHeaderField: "Authorization") }
        let (data, response) = try await URLSession.shared.data(for: request)
        let text = String(decoding: data, as: UTF8.self)
        // Prometheus says what is wrong with a query with 400, and says it in its own words.
        guard let code = (response as? HTTPURLResponse)?.statusCode, code == 200 || code == 400 else {
            throw FleetFailure("\(path): \(response): \(text.prefix(200))")
        }
        return text
    }

    /// Waits until `condition` holds, however long the machine takes; a server that answers nothing yet is waited
    /// for as well, as long as all `daemons` run.
    public static func wait(
        for what: String, with daemons: [Daemon], seconds: Int = 300, _ condition: () async throws -> Bool
    ) async throws {
        var trouble = ""
        for _ in 0..<seconds {
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

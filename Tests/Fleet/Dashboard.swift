// SPDX-License-Identifier: Apache-2.0

// The parts of a Grafana dashboard that tests look at, and what Grafana puts in the place of its variables.

public import Foundation

/// One dashboard in Grafana's classic JSON.
public struct Dashboard: Decodable, Sendable {
    public struct Source: Decodable, Equatable, Sendable {
        public var type: String
        public var uid: String

        public init(type: String, uid: String) { (self.type, self.uid) = (type, uid) }
    }

    public struct Place: Decodable, Sendable {
        public var x: Int, y: Int, w: Int, h: Int

        public func overlaps(_ other: Place) -> Bool {
            x < other.x + other.w && other.x < x + w && y < other.y + other.h && other.y < y + h
        }
    }

    public struct Target: Decodable, Sendable {
        public var refId: String
        public var datasource: Source?
        public var expr: String
        public var legendFormat: String
    }

    public struct Panel: Decodable, Sendable {
        public var id: Int
        public var type: String
        public var title: String
        public var description: String
        public var gridPos: Place
        public var datasource: Source?
        public var targets: [Target]

        private enum Key: CodingKey { case id, type, title, description, gridPos, datasource, targets }

        public init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Key.self)
            id = try values.decode(Int.self, forKey: .id)
            type = try values.decode(String.self, forKey: .type)
            title = try values.decode(String.self, forKey: .title)
            gridPos = try values.decode(Place.self, forKey: .gridPos)
            datasource = try values.decodeIfPresent(Source.self, forKey: .datasource)
            description = try values.decodeIfPresent(String.self, forKey: .description) ?? ""
            targets = try values.decodeIfPresent([Target].self, forKey: .targets) ?? []
        }
    }

    public struct Variable: Decodable, Sendable {
        public var name: String
        public var type: String
        public var datasource: Source?
        /// Of a variable that asks a Prometheus; others have a text in its place.
        public var query: String?

        private enum Key: CodingKey { case name, type, datasource, query }
        private struct Query: Decodable { var query: String }

        public init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Key.self)
            name = try values.decode(String.self, forKey: .name)
            type = try values.decode(String.self, forKey: .type)
            datasource = try values.decodeIfPresent(Source.self, forKey: .datasource)
            query = try? values.decode(Query.self, forKey: .query).query
        }
    }

    public struct Templating: Decodable, Sendable {
        public var list: [Variable]
    }

    public var uid: String
    public var title: String
    public var schemaVersion: Int
    public var panels: [Panel]
    public var templating: Templating

    public static func read(_ file: URL) throws -> Dashboard {
        try JSONDecoder().decode(Dashboard.self, from: Data(contentsOf: file))
    }

    /// Rows have no queries.
    public var queries: [(panel: Panel, target: Target)] {
        panels.flatMap { panel in panel.targets.map { (panel, $0) } }
    }

    /// A query as Grafana sends it.
    /// - Parameter variables: for `$job` and `$instance`.
    public static func filled(_ query: String, with variables: [String: String]) -> String {
        let all = variables.merging(["__rate_interval": "1m", "__range": "15m"]) { $1 }
        return all.reduce(query) { $0.replacing("$\($1.key)", with: $1.value) }
    }
}

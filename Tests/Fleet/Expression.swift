// SPDX-License-Identifier: Apache-2.0

// Which metrics and labels an expression of Prometheus' query language names. Only what is needed to compare names:
// whether the expression is one at all is for promtool and for the server to say.

/// The names in one expression.
public struct Expression: Sendable {
    /// Labels in braces by the metric before them. The name in an alert's template is not among them.
    public private(set) var metrics: [String: Set<String>] = [:]
    /// Labels in `by (…)`, `on (…)` and their like.
    public private(set) var groupings: Set<String> = []

    private static let words: Set<String> = ["and", "or", "unless", "bool", "offset", "Inf", "NaN", "inf", "nan"]
    private static let groupers: Set<String> = ["by", "without", "on", "ignoring", "group_left", "group_right"]

    public init(_ text: String) {
        var tokens = Self.tokens(text)[...]
        var metric: String?
        while let token = tokens.popFirst() {
            switch token {
            case .name(let name) where Self.groupers.contains(name):
                guard tokens.first == .sign("(") else { continue }
                while let inner = tokens.popFirst(), inner != .sign(")") {
                    if case .name(let label) = inner { groupings.insert(label) }
                }
            case .name(let name) where tokens.first != .sign("(") && !Self.words.contains(name):
                // An aggregation's name may stand before its `by`.
                if case .name(let next) = tokens.first, Self.groupers.contains(next) { continue }
                metrics[name, default: []].formUnion([])
                metric = name
            case .sign("{"):
                while let inner = tokens.popFirst(), inner != .sign("}") {
                    if case .name(let label) = inner { metrics[metric ?? "", default: []].insert(label) }
                }
            case .sign("["):
                while let inner = tokens.popFirst(), inner != .sign("]") {}
            default: continue
            }
        }
    }

    private enum Token: Equatable { case name(String), number, text, sign(Character) }

    private static func tokens(_ text: String) -> [Token] {
        var tokens: [Token] = []
        var rest = text[...]
        while let first = rest.first {
            if first == "\"" || first == "'" {
                rest.removeFirst()
                while let next = rest.popFirst(), next != first { if next == "\\" { rest = rest.dropFirst() } }
                tokens.append(.text)
            } else if first.isLetter || first == "_" || first == ":" || first.isNumber {
                let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == ":" || $0 == "." }
                rest = rest.dropFirst(word.count)
                tokens.append(first.isNumber ? .number : .name(String(word)))
            } else {
                rest.removeFirst()
                if !first.isWhitespace { tokens.append(.sign(first)) }
            }
        }
        return tokens
    }
}

/// Which metrics there are, with the labels of each.
public struct Catalogue: Sendable {
    public private(set) var labels: [String: Set<String>] = [:]

    /// What Prometheus adds to every scrape, and to every series.
    public static let own = [
        "up", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_duration_seconds",
        "scrape_series_added",
    ]
    public static let target: Set<String> = ["job", "instance"]

    /// Of a scrape in Prometheus' text format.
    public init(exposition: String) {
        for line in exposition.split(separator: "\n") where !line.hasPrefix("#") {
            let series = line.prefix(upTo: line.lastIndex(of: " ") ?? line.endIndex)
            for (metric, names) in Expression(String(series)).metrics { labels[metric, default: []].formUnion(names) }
        }
        for metric in Self.own { labels[metric] = [] }
    }

    /// With what rules record. They take labels away by name (`without`), and what is left is the recorded series'.
    public mutating func add(_ rules: [Rule]) {
        for rule in rules where !rule.isAlert {
            let names = Expression(rule.expression)
            labels[rule.name] = all(of: names).subtracting(names.groupings)
        }
    }

    /// What `expression` names and is not there, a line each.
    public func strangers(in expression: String) -> [String] {
        let names = Expression(expression)
        let known = all(of: names).union(Self.target)
        return names.metrics.sorted { $0.key < $1.key }.flatMap { metric, used -> [String] in
            guard let has = labels[metric] else { return ["no metric \(metric)"] }
            return used.subtracting(has).subtracting(Self.target).sorted().map { "\(metric) has no label \($0)" }
        } + names.groupings.subtracting(known).sorted().map { "no metric of it has a label \($0)" }
    }

    private func all(of names: Expression) -> Set<String> {
        names.metrics.keys.reduce(into: Set<String>()) { $0.formUnion(labels[$1] ?? []) }
    }
}

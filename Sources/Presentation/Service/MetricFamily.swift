// SPDX-License-Identifier: Apache-2.0

// Metrics as text, in the two formats that Prometheus and others read: its own format 0.0.4 and OpenMetrics
// 1.0. A family has one meaning, one type and one unit; labels distinguish its series. Both formats
// name the same series, so that it does not matter which one a reader asks for.

/// How metrics are written.
public enum MetricsFormat: String, Sendable, CaseIterable {
    case prometheus = "text/plain; version=0.0.4; charset=utf-8"
    case openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    /// The format that a client's `Accept` requests. OpenMetrics only if the client names it.
    public init(accept: String) {
        var (openMetrics, plain) = (0.0, 0.0)
        for range in accept.split(separator: ",") {
            let parts = range.split(separator: ";").map { part in
                String(part.filter { $0 != " " && $0 != "\t" }).lowercased()
            }
            let quality = parts.first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            let version = parts.first { $0.hasPrefix("version=") }?.dropFirst(8) ?? ""
            switch parts.first {
            case "application/openmetrics-text" where ["", "1.0.0"].contains(version):
                openMetrics = max(openMetrics, quality)
            case "text/plain", "text/*", "*/*": plain = max(plain, quality)
            default: break
            }
        }
        self = openMetrics > 0 && openMetrics >= plain ? .openMetrics : .prometheus
    }
}

/// One metric with all of its series.
struct MetricFamily {
    enum Kind {
        case counter
        case gauge
        /// A gauge with the value 1 whose labels carry the information.
        case info
        case histogram
    }

    typealias Labels = KeyValuePairs<String, String>

    enum Value: Equatable {
        case count(UInt64)
        /// Nanoseconds, shown as seconds.
        case ns(UInt64)

        static func flag(_ value: Bool) -> Value { .count(value ? 1 : 0) }
    }

    /// Of the series. A counter's ends in `_total`, an info's in `_info`.
    let name: String
    let kind: Kind
    /// One sentence.
    let help: String
    private(set) var samples: [(suffix: String, labels: Labels, value: Value)] = []

    init(_ name: String, _ kind: Kind, _ help: String) {
        (self.name, self.kind, self.help) = (name, kind, help)
    }

    /// A family of one series.
    init(_ name: String, _ kind: Kind, _ help: String, _ value: Value) {
        self.init(name, kind, help)
        add([:], value)
    }

    mutating func add(_ labels: Labels, _ value: Value) { samples.append(("", labels, value)) }

    mutating func add(_ labels: Labels, _ count: UInt64) { add(labels, .count(count)) }

    /// Cumulative buckets up to each bound, which `value` shows in the metric's unit.
    mutating func add(bounds: [UInt64], counts: [UInt64], sum: UInt64, value: (UInt64) -> Value) {
        var total: UInt64 = 0
        for (position, count) in counts.enumerated() {
            total &+= count
            let bound = position < bounds.count ? Self.canonical(value(bounds[position])) : "+Inf"
            samples.append(("_bucket", ["le": bound], .count(total)))
        }
        samples.append(("_sum", [:], value(sum)))
        samples.append(("_count", [:], .count(total)))
    }

    // MARK: Text

    func write(_ format: MetricsFormat, to output: inout TextOutput) {
        let subject = format == .openMetrics ? baseName : name
        output.append(word: "# HELP \(subject) \(Self.escaped(help, quotes: format == .openMetrics))\n")
        output.append(word: "# TYPE \(subject) \(typeName(in: format))\n")
        if format == .openMetrics, let unit { output.append(word: "# UNIT \(subject) \(unit)\n") }
        for sample in samples {
            output.append(word: name + sample.suffix)
            if !sample.labels.isEmpty {
                let labels = sample.labels.map { "\($0.key)=\"\(Self.escaped($0.value, quotes: true))\"" }
                output.append(word: "{" + labels.joined(separator: ",") + "}")
            }
            output.append(UInt8(ascii: " "))
            Self.write(sample.value, to: &output)
            output.append(UInt8(ascii: "\n"))
        }
    }

    /// The name of the family in OpenMetrics: without the suffix of its samples.
    private var baseName: String {
        switch kind {
        case .counter: name.hasSuffix("_total") ? String(name.dropLast(6)) : name
        case .info: name.hasSuffix("_info") ? String(name.dropLast(5)) : name
        case .gauge, .histogram: name
        }
    }

    private var unit: String? {
        ["seconds", "bytes"].first { baseName.hasSuffix("_" + $0) }
    }

    private func typeName(in format: MetricsFormat) -> String {
        switch kind {
        case .counter: "counter"
        case .gauge: "gauge"
        case .info: format == .openMetrics ? "info" : "gauge"
        case .histogram: "histogram"
        }
    }

    private static func write(_ value: Value, to output: inout TextOutput) {
        switch value {
        case .count(let count): output.append(decimal: count)
        case .ns(let ns):
            var (seconds, rest) = ns.quotientAndRemainder(dividingBy: 1_000_000_000)
            output.append(decimal: seconds)
            guard rest > 0 else { return }
            var digits = 9
            while rest % 10 == 0 { (rest, digits) = (rest / 10, digits - 1) }
            output.append(UInt8(ascii: "."))
            output.append(decimal: rest, width: digits)
        }
    }

    /// A bound as OpenMetrics requires it, which all readers accept: a number with a point or an exponent.
    private static func canonical(_ value: Value) -> String {
        switch value {
        case .count(let count): "\(Double(count))"
        case .ns(let ns): "\(Double(ns) / 1e9)"
        }
    }

    /// Escapes text as both formats do; characters that a terminal would interpret are shown as their numbers.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        text.unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case "\\": result += #"\\"#
            case "\n": result += #"\n"#
            case "\"" where quotes: result += #"\""#
            case _ where scalar.isObeyedByTerminals: result += #"\"# + TerminalText.escape(scalar)
            default: result.unicodeScalars.append(scalar)
            }
        }
    }
}

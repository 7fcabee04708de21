// SPDX-License-Identifier: Apache-2.0

// Conclusions for readers and programs: as lines of text, as a part of a page, as JSON. What they say is made in
// `Correlation`; here untrusted names in them are escaped as each format needs it.

public import Correlation
import Events

extension RunReport {
    /// What the run means. `loops` are lookups that have not returned; of a run that is over the summary has them.
    func conclusions(legend: Legend, loops: [LoopsInProgress.Loop] = []) -> Conclusions {
        Conclusions(
            from: summary, loops: loops.map(\.finding), by: grouping, in: circumstances(names: legend.names))
    }

    func circumstances(names: Names = Names()) -> Conclusions.Circumstances {
        Conclusions.Circumstances(
            names: names, run: run, totals: totals, losses: losses, hidden: hidden, filters: filters)
    }
}

extension Conclusion {
    /// For one line on a terminal or in a log; untrusted text is escaped.
    public var line: String {
        var text = sentence
        if let remedy { text += " Remedy: \(remedy)." }
        if !evidence.isEmpty { text += " " + evidence }
        return TerminalText.escaped(text)
    }

    /// The same while the run continues: that evidence is complete is not known before its end.
    public var lineSoFar: String {
        var conclusion = self
        if isComplete { conclusion.evidence = "" }
        return conclusion.line
    }

    /// The sentence in pieces, those of untrusted text marked.
    fileprivate var pieces: [(text: Substring, isForeign: Bool)] {
        let names = [host, victim, culprit, file].compactMap { $0 }.filter { !$0.isEmpty }.sorted {
            $0.count > $1.count
        }
        var (pieces, rest) = ([(text: Substring, isForeign: Bool)](), sentence[...])
        while !rest.isEmpty {
            let found = names.compactMap { name in rest.place(of: name) }
                .min { ($0.lowerBound, $1.upperBound) < ($1.lowerBound, $0.upperBound) }
            guard let found else {
                pieces.append((rest, false))
                break
            }
            if found.lowerBound > rest.startIndex { pieces.append((rest[..<found.lowerBound], false)) }
            pieces.append((rest[found], true))
            rest = rest[found.upperBound...]
        }
        return pieces
    }
}

extension Conclusions {
    /// A heading and a paragraph for each, in lines of less than `width` columns.
    func lines(width: Int, paint: Paint) -> [String] {
        var lines = [paint.header("CONCLUSIONS")]
        for conclusion in list {
            let text = wrapped(TerminalText.escaped(conclusion.sentence), width: width, indent: "  ")
            lines += conclusion.isAlarming ? text.map(paint.alarm) : text
            if let remedy = conclusion.remedy {
                lines += wrapped("Remedy: " + TerminalText.escaped(remedy) + ".", width: width, indent: "    ")
            }
            if common == nil { lines += evidence(of: conclusion, width: width, indent: "    ", paint: paint) }
        }
        // The same for all is said once.
        if common != nil, let first = list.first {
            lines += evidence(of: first, width: width, indent: "  ", paint: paint)
        }
        if let rest { lines += wrapped(rest, width: width).map(paint.faint) }
        return lines
    }

    /// The evidence that all conclusions have; nil where they differ.
    fileprivate var common: String? {
        guard list.count > 1, let first = list.first?.evidence else { return nil }
        return list.allSatisfy { $0.evidence == first } ? first : nil
    }

    private func evidence(of conclusion: Conclusion, width: Int, indent: String, paint: Paint) -> [String] {
        wrapped(conclusion.evidence, width: width, indent: indent)
            .map(conclusion.isComplete ? paint.faint : paint.warning)
    }

    /// How many kinds of findings had no room; nil when all had.
    fileprivate var rest: String? {
        omitted == 0
            ? nil
            : "\(omitted) more \(noun(omitted, "kind")) of findings \(noun(omitted, "is", "are")) in the tables below."
    }
}

extension Conclusion {
    fileprivate var isAlarming: Bool { verdict == .kernel }
}

extension HTMLWriter {
    /// A section with one item for each conclusion.
    mutating func write(_ conclusions: Conclusions) {
        section("Conclusions", "conclusions") { section in
            section.element("ol") { list in
                for conclusion in conclusions.list {
                    list.element("li", ["class": conclusion.isAlarming ? "alarm" : ""]) { item in
                        item.element("p") { paragraph in
                            for (text, isForeign) in conclusion.pieces {
                                if isForeign { paragraph.foreign(String(text)) } else { paragraph.text(String(text)) }
                            }
                        }
                        if let remedy = conclusion.remedy {
                            item.element("p") {
                                $0.element("strong", "Remedy: ")
                                $0.text(remedy + ".")
                            }
                        }
                        if conclusions.common == nil { item.write(evidenceOf: conclusion) }
                    }
                }
            }
            if conclusions.common != nil, let first = conclusions.list.first { section.write(evidenceOf: first) }
            if let rest = conclusions.rest { section.element("p", ["class": "note"], rest) }
        }
    }
}

extension HTMLWriter {
    fileprivate mutating func write(evidenceOf conclusion: Conclusion) {
        element("p", ["class": conclusion.isComplete ? "note" : "warning"], conclusion.evidence)
    }
}

extension JSONWriter {
    /// `conclusions` and `conclusions_omitted`.
    mutating func write(_ conclusions: Conclusions) {
        list("conclusions", conclusions.list) {
            $0.text("verdict", $1.verdict.rawValue)
            $0.text("result", $1.result?.rawValue)
            $0.text("cause", $1.cause?.rawValue)
            $0.text("confidence", $1.confidence?.rawValue)
            $0.text("culprit", $1.culprit)
            $0.text("victim", $1.victim)
            $0.text("file", $1.file)
            if let host = $1.host { $0.text("host", host) }
            $0.number("files", UInt64($1.files))
            $0.number("lookups", $1.lookups)
            $0.text("sentence", $1.sentence)
            $0.text("remedy", $1.remedy)
            $0.text("evidence", $1.evidence)
            $0.flag("complete", $1.isComplete)
        }
        number("conclusions_omitted", UInt64(conclusions.omitted))
    }

    /// `who_hit_whom`: pairs of workloads.
    mutating func write(pairs: [WorkloadPair], by grouping: WorkloadGrouping, beyondLimit: UInt64) {
        object("who_hit_whom") {
            $0.text("by", grouping.rawValue)
            $0.list("pairs", pairs) {
                $0.text("culprit", $1.culprit)
                $0.text("victim", $1.victim)
                $0.text("cause", $1.cause.rawValue)
                $0.number("lookups", $1.lookups)
                $0.number("failed", $1.failed)
                $0.number("spurious", $1.spurious)
            }
            $0.number("beyond_limit", beyondLimit)
        }
    }
}

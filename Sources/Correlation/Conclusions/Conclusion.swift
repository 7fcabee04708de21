// SPDX-License-Identifier: Apache-2.0

// The meaning of a run, in sentences: who has to change something, what happened to whom, because of what, how sure
// that is, and what to do. Fixed rules make the sentences from the counts of a run, so equal runs give equal sentences.
// Pure; the words for each cause are in Cause.swift.

public import Events

/// One sentence with its remedy. The text holds untrusted names and paths.
public struct Conclusion: Sendable, Equatable {
    /// Who has to change something. The raw values are the words in all output.
    public enum Verdict: String, Sendable, CaseIterable {
        /// The kernel failed or loops although the address is good.
        case kernel
        /// The kernel cannot do better: nothing backs the address.
        case program
        case undecided
        /// Nothing failed.
        case harmless
        /// There are no findings.
        case nothing
    }

    /// What became of the lookups, the most harmful first.
    public enum Result: String, Sendable, CaseIterable {
        /// They have not returned.
        case looping
        /// They failed although the file still backed the address.
        case spurious
        /// They failed, and nobody knows whether the file still backed the address.
        case undecided
        /// They failed, and nothing backed the address.
        case failed
        /// They met a page without a mapping, and failed for another reason in a later pass.
        case otherFailure = "other-failure"
        /// They succeeded, some after retries; or they went back inside the kernel and their end was not seen.
        case delayed
    }

    public var verdict: Verdict
    /// Nil where there are no findings.
    public var result: Result?
    /// Nil where there is nothing to explain.
    public var cause: Cause?
    /// `exact` only where it is for every one of the lookups.
    public var confidence: Confidence?
    public var culprit: String?
    public var victim: String?
    /// The path, else the number; one of them where there are several. Nil for a page of no file.
    public var file: String?
    public var files: Int
    public var lookups: UInt64
    public var sentence: String
    public var remedy: String?
    /// Whether evidence for it may be among the events lost.
    public var evidence: String
    public var isComplete: Bool
    /// Which of several runs it is about, as the sentence names it; nil where there is one. Untrusted text.
    public var host: String?

    /// The words with which a sentence begins, without the colon.
    static func lead(_ verdict: Verdict, _ result: Result?, isEndSeen: Bool = true) -> String {
        switch (verdict, result) {
        case (.kernel, .looping?): "Loop in the kernel"
        case (.kernel, _): "Kernel, not program"
        case (.program, _): "Program, not kernel"
        case (.undecided, _): "Not decided"
        case (.harmless, _): isEndSeen ? "No failure" : "No failure seen"
        case (.nothing, _): "No finding"
        }
    }
}

/// The conclusions of a run, at most `limit` of them.
public struct Conclusions: Sendable, Equatable {
    public static let limit = 5

    /// The most harmful first. Of a run never empty: one without findings has a conclusion too.
    public var list: [Conclusion]
    /// Kinds of findings that had no room.
    public var omitted: Int

    /// An empty list, for a value that is filled in later.
    public static let none = Conclusions(list: [], omitted: 0)

    private init(list: [Conclusion], omitted: Int) { (self.list, self.omitted) = (list, omitted) }

    /// The facts about a run that conclusions need besides its summary.
    public struct Circumstances: Sendable {
        public var names: Names
        public var run: RunInfo
        public var totals: Totals
        public var losses: [Loss.Stage: UInt64]
        /// Why there may be observations that nothing shows, as clauses; empty where each would be seen.
        public var hidden: [String]
        /// What was asked for beyond the run's own filters, as options of the command; empty for all.
        public var filters: String

        /// Whether the counter of observations says how many there were: zero may mean that none could be seen.
        public var countsObservations: Bool {
            totals.observations > 0
                || (totals != Totals() && hidden.isEmpty && losses.values.allSatisfy { $0 == 0 })
        }

        /// Whether a loop that was not seen to end may have ended.
        var mayHideEnds: Bool { losses.contains { $0.key.hidesEnds && $0.value > 0 } }

        public init(
            names: Names = Names(), run: RunInfo = RunInfo(), totals: Totals = Totals(),
            losses: [Loss.Stage: UInt64] = [:], hidden: [String] = [], filters: String = ""
        ) {
            (self.names, self.run, self.totals) = (names, run, totals)
            (self.losses, self.hidden, self.filters) = (losses, hidden, filters)
        }
    }

    /// - Parameter loops: lookups that have not returned and are not in the summary yet.
    public init(
        from summary: Summary, loops: [Finding] = [], by grouping: WorkloadGrouping = .workload,
        in circumstances: Circumstances
    ) {
        var summary = summary
        for loop in loops { summary.addEncounter(loop) }
        var groups: [FindingGroup.Key: FindingGroup] = [:]
        for (key, row) in summary.encounters.rows {
            let titles = grouping.titles(culprit: key.culprit, victim: key.victim, names: circumstances.names)
            for result in Conclusion.Result.allCases {
                let count = row.count(of: result)
                if count == 0 { continue }
                let group = FindingGroup.Key(
                    result: result, cause: key.cause, reason: key.unknownReason, culprit: titles.culprit,
                    victim: titles.victim, isNeighbour: key.isNeighbour)
                groups[group, default: FindingGroup()].add(
                    row, count: count, file: key.file.map { summary.title(of: $0, names: circumstances.names) })
            }
        }
        let order = groups.sorted { left, right in
            let (rank, other) = (left.key.rank, right.key.rank)
            if rank != other { return rank < other }
            if left.value.lookups != right.value.lookups { return left.value.lookups > right.value.lookups }
            return left.key.order.lexicographicallyPrecedes(right.key.order)
        }
        list = order.prefix(Self.limit).map { $0.value.conclusion($0.key, in: circumstances) }
        omitted = max(0, order.count - Self.limit)
        if list.isEmpty { list = [Self.nothing(summary, in: circumstances)] }
    }

    /// The sentence for one finding.
    public static func conclusion(
        of finding: Finding, names: Names, by grouping: WorkloadGrouping = .workload
    ) -> Conclusion {
        var summary = Summary(keepsProcesses: grouping == .pid)
        summary.addEncounter(finding)
        // One finding shows of its run only whether lookups were followed.
        var totals = Totals()
        totals.lookups = finding.lookup.isTimed ? 0 : nil
        return Conclusions(from: summary, by: grouping, in: Circumstances(names: names, totals: totals)).list[0]
    }

    // MARK: Without findings

    private static func nothing(_ summary: Summary, in circumstances: Circumstances) -> Conclusion {
        let totals = circumstances.totals
        let lost = lossText(circumstances.losses)
        let filters = circumstances.run.filters
        let calls = filters.isEmpty ? "futex call" : "futex call that matches \(filters)"
        var sentence = "No finding: "
        if circumstances.filters.isEmpty {
            sentence +=
                circumstances.hidden.isEmpty
                ? "no \(calls) \(lost == nil ? "met" : "was seen to meet") a page without a mapping"
                : "whether a \(calls) met a page without a mapping could not be seen"
        } else {
            // The sentence must not deny findings that the filter hides.
            sentence +=
                "none matches \(circumstances.filters)"
                + (circumstances.countsObservations
                    ? "; the whole run has \(counted(totals.observations, "observation"))" : "")
        }
        sentence += totals.durationNs > 0 ? " in \(seconds(totals.durationNs))." : "."
        sentence += otherFailures(summary)
        let watched =
            filters.isEmpty
            ? "every shared futex call" : "these calls alone (a filter that fits no task finds nothing either)"
        sentence += " Watched: \(watched). Not watched: private futexes"
        let missing = circumstances.run.probes.filter { $0.hook == nil }.map(\.role)
        if !missing.isEmpty { sentence += ", and what needs the missing probes \(missing.joined(separator: ", "))" }
        let evidence =
            if !circumstances.hidden.isEmpty {
                "Evidence incomplete: \(circumstances.hidden.joined(separator: "; "))."
            } else if let lost {
                "Evidence incomplete: findings may be among the events lost (\(lost))."
            } else {
                "Evidence complete."
            }
        return Conclusion(
            verdict: .nothing, result: nil, cause: nil, confidence: nil, culprit: nil, victim: nil, file: nil, files: 0,
            lookups: 0, sentence: sentence + ".", remedy: nil, evidence: evidence,
            isComplete: lost == nil && circumstances.hidden.isEmpty)
    }

    /// The sentence about failures without an observation, which no conclusion is about, with their reasons: the most
    /// frequent first. Empty without such failures.
    private static func otherFailures(_ summary: Summary) -> String {
        var counts = CaseTable<Failure, UInt64>()
        for (key, count) in summary.failures { counts[key.failure, default: 0] += count }
        let all = counts.values.reduce(0, +)
        if all == 0 { return "" }
        let reasons = Failure.allCases.enumerated().filter { (counts[$0.element] ?? 0) > 0 }.sorted { left, right in
            let (more, less) = (counts[left.element] ?? 0, counts[right.element] ?? 0)
            return more != less ? more > less : left.offset < right.offset
        }.map(\.element.rawValue)
        return " But \(counted(all, "futex call")) failed with EFAULT for another reason: "
            + reasons.joined(separator: ", ") + "."
    }

    /// Counts by stage, in the order of the pipeline; nil when nothing was lost.
    static func lossText(_ losses: [Loss.Stage: UInt64]) -> String? {
        let parts = Loss.Stage.allCases.compactMap { stage in
            losses[stage].flatMap { $0 > 0 ? "\($0) at \(stage.rawValue)" : nil }
        }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }

    /// A duration as text: "1.5 s", "15 ms" below a second, "15 us" below a millisecond.
    static func seconds(_ ns: UInt64) -> String {
        if ns < 1_000_000 { return "\(ns / 1000) us" }
        if ns < 1_000_000_000 { return "\(ns / 1_000_000) ms" }
        return "\(ns / 1_000_000_000).\(ns / 100_000_000 % 10) s"
    }
}

extension Encounters.Row {
    fileprivate func count(of result: Conclusion.Result) -> UInt64 {
        switch result {
        case .looping: outcomes.looping
        case .spurious: spurious
        case .undecided: undecided
        case .failed: notBacked
        case .otherFailure: outcomes.failed - min(outcomes.failed, spurious + notBacked + undecided)
        case .delayed: outcomes.ok + outcomes.retried
        }
    }
}

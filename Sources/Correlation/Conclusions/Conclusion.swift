// SPDX-License-Identifier: Apache-2.0

// What a run means, in sentences: who is to blame, what happened to whom, because of what, how sure that is, and what to
// do. Made from the counts of a run by fixed rules, so that equal runs give equal sentences. Pure; the words for each
// cause are in ConclusionWording.swift.

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
        /// They succeeded, some after retries.
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
    /// Whether something that belongs to it may be among what was lost.
    public var evidence: String
    public var isComplete: Bool

    /// Words that lead the sentence.
    static func lead(_ verdict: Verdict, _ result: Result?) -> String {
        switch (verdict, result) {
        case (.kernel, .looping?): "Loop in the kernel"
        case (.kernel, _): "Kernel, not program"
        case (.program, _): "Program, not kernel"
        case (.undecided, _): "Not decided"
        case (.harmless, _): "No failure"
        case (.nothing, _): "No finding"
        }
    }
}

/// The conclusions of a run, at most `limit` of them.
public struct Conclusions: Sendable, Equatable {
    public static let limit = 5

    /// The most harmful first. Never empty: a run without findings has a conclusion too.
    public var list: [Conclusion]
    /// Kinds of findings that had no room.
    public var omitted: Int

    /// What is needed of a run besides its summary.
    public struct Circumstances: Sendable {
        public var names: Names
        public var run: RunInfo
        public var totals: Totals
        public var losses: [Loss.Stage: UInt64]
        /// What was asked for beyond the run's own filters, as options of the command; empty for all.
        public var filters: String

        public init(
            names: Names = Names(), run: RunInfo = RunInfo(), totals: Totals = Totals(),
            losses: [Loss.Stage: UInt64] = [:], filters: String = ""
        ) {
            (self.names, self.run, self.totals) = (names, run, totals)
            (self.losses, self.filters) = (losses, filters)
        }
    }

    /// - Parameter loops: lookups that have not returned and are not in the summary yet.
    public init(
        from summary: Summary, loops: [Finding] = [], by grouping: WorkloadGrouping = .workload,
        in circumstances: Circumstances
    ) {
        var summary = summary
        for loop in loops { summary.addEncounter(loop) }
        var groups: [Group.Key: Group] = [:]
        for (key, row) in summary.encounters.rows {
            for result in Conclusion.Result.allCases {
                let count = row.count(of: result)
                if count == 0 { continue }
                let group = Group.Key(
                    result: result, cause: key.cause, reason: key.unknownReason,
                    culprit: key.culprit.map { grouping.title(of: $0, names: circumstances.names) },
                    victim: grouping.title(of: key.victim, names: circumstances.names), isNeighbour: key.isNeighbour)
                groups[group, default: Group()].add(
                    row, count: count, file: key.file.map { summary.title(of: $0, names: circumstances.names) })
            }
        }
        let order = groups.sorted { left, right in
            let (rank, other) = (left.key.rank, right.key.rank)
            if rank != other { return rank < other }
            if left.value.lookups != right.value.lookups { return left.value.lookups > right.value.lookups }
            return left.key.order.lexicographicallyPrecedes(right.key.order)
        }
        list = order.prefix(Self.limit).map { $0.value.conclusion($0.key, losses: circumstances.losses) }
        omitted = max(0, order.count - Self.limit)
        if list.isEmpty { list = [Self.nothing(summary, in: circumstances)] }
    }

    /// The sentence for one finding.
    public static func conclusion(of finding: Finding, names: Names) -> Conclusion {
        var summary = Summary()
        summary.addEncounter(finding)
        return Conclusions(from: summary, in: Circumstances(names: names)).list[0]
    }

    // MARK: Without findings

    private static func nothing(_ summary: Summary, in circumstances: Circumstances) -> Conclusion {
        let totals = circumstances.totals
        let lost = lossText(circumstances.losses)
        var sentence = "No finding: "
        if circumstances.filters.isEmpty || totals.observations == 0 {
            sentence += "no futex call met a page without a mapping"
        } else {
            sentence +=
                "none matches \(circumstances.filters); the whole run has \(totals.observations) observations"
        }
        sentence += totals.durationNs > 0 ? " in \(seconds(totals.durationNs))." : "."
        var watched = circumstances.run.filters.isEmpty ? "every shared futex call" : circumstances.run.filters
        if !circumstances.run.filters.isEmpty { watched = "futex calls that match " + watched }
        sentence += " Watched: \(watched). Not watched: private futexes"
        let missing = circumstances.run.probes.filter { $0.hook == nil }.map(\.role)
        if !missing.isEmpty { sentence += ", and what needs the missing probes \(missing.joined(separator: ", "))" }
        return Conclusion(
            verdict: .nothing, result: nil, cause: nil, confidence: nil, culprit: nil, victim: nil, file: nil, files: 0,
            lookups: 0, sentence: sentence + ".", remedy: nil,
            evidence: lost.map { "Evidence incomplete: findings may be among the events lost (\($0))." }
                ?? "Evidence complete.", isComplete: lost == nil)
    }

    /// Counts by stage, in the order of the pipeline; nil when nothing was lost.
    fileprivate static func lossText(_ losses: [Loss.Stage: UInt64]) -> String? {
        let parts = Loss.Stage.allCases.compactMap { stage in
            losses[stage].flatMap { $0 > 0 ? "\($0) at \(stage.rawValue)" : nil }
        }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }

    /// To a tenth of a second, or whole milliseconds below one.
    fileprivate static func seconds(_ ns: UInt64) -> String {
        if ns < 1_000_000_000 { return "\(ns / 1_000_000) ms" }
        return "\(ns / 1_000_000_000).\(ns / 100_000_000 % 10) s"
    }
}

/// Findings that one sentence is about.
private struct Group {
    struct Key: Hashable {
        var result: Conclusion.Result
        var cause: Cause?
        var reason: UnknownReason?
        var culprit: String?
        var victim: String
        var isNeighbour: Bool

        var verdict: Conclusion.Verdict {
            switch result {
            case .spurious, .looping: .kernel
            case .failed: .program
            case .undecided, .otherFailure: .undecided
            case .delayed: .harmless
            }
        }

        /// The most harmful first; among equals those with a cause.
        var rank: Int {
            (Conclusion.Result.allCases.firstIndex(of: result) ?? 0) * 2 + (cause == nil || cause == .unknown ? 1 : 0)
        }

        var order: [String] {
            [cause?.rawValue ?? "", reason?.rawValue ?? "", culprit ?? "", victim, "\(isNeighbour)"]
        }
    }

    var lookups: UInt64 = 0
    private var whole = Encounters.Row()
    private var files: [String: UInt64] = [:]

    mutating func add(_ row: Encounters.Row, count: UInt64, file: String?) {
        lookups += count
        whole += row
        if let file { files[file, default: 0] += count }
    }

    func conclusion(_ key: Key, losses: [Loss.Stage: UInt64]) -> Conclusion {
        let file = files.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
        let confidence: Confidence? = key.cause.map { cause in
            cause == .unknown ? .none : whole.inferred > 0 ? .inferred : .exact
        }
        let evidence = evidence(losses)
        return Conclusion(
            verdict: key.verdict, result: key.result, cause: key.cause, confidence: confidence, culprit: key.culprit,
            victim: key.victim, file: file, files: files.count, lookups: lookups,
            sentence: Conclusion.lead(key.verdict, key.result) + ": " + what(key) + why(key, file: file, confidence)
                + ".",
            remedy: key.cause.map { $0.remedy(for: key.result, culprit: key.culprit ?? "the culprit") },
            evidence: evidence.text, isComplete: evidence.isComplete)
    }

    /// What happened to whom.
    private func what(_ key: Key) -> String {
        let calls = lookups == 1 ? "1 futex call" : "\(lookups) futex calls"
        switch key.result {
        case .looping:
            let have = lookups == 1 ? "has" : "have"
            var extent = whole.mostLoopPasses > 0 ? "\(whole.mostLoopPasses) passes" : ""
            if whole.longestLoopNs > 0 {
                extent += (extent.isEmpty ? "" : ", ") + Conclusions.seconds(whole.longestLoopNs)
            }
            return "\(calls) of \(key.victim) \(have) not returned" + (extent.isEmpty ? "" : " (up to \(extent))")
        case .spurious: return "\(calls) of \(key.victim) failed with EFAULT for a valid address"
        case .undecided, .failed: return "\(calls) of \(key.victim) failed with EFAULT"
        case .otherFailure:
            return key.cause == nil
                ? "\(calls) of \(key.victim) retried inside the kernel and then failed for another reason"
                : "\(calls) of \(key.victim) met a page without a mapping and then failed for another reason"
        case .delayed:
            return key.cause == nil
                ? "\(calls) of \(key.victim) retried inside the kernel and succeeded"
                : "\(calls) of \(key.victim) met a page without a mapping and succeeded"
        }
    }

    /// Because of what. Begins with a comma.
    private func why(_ key: Key, file: String?, _ confidence: Confidence?) -> String {
        guard let cause = key.cause else {
            return key.result == .otherFailure ? "" : ", because the mapping of the page changed meanwhile"
        }
        if cause == .unknown {
            let reason = key.reason.map { ": " + $0.clause } ?? ""
            return "; what removed the mapping of the page is unknown" + reason
        }
        let sure = confidence.map { " (\($0.rawValue))" } ?? ""
        if let reason = cause.lastingReason { return ", because " + reason + sure }
        let others = files.count - 1
        let named =
            (file ?? "a file")
            + (others == 0 || file == nil ? "" : " and \(others) other " + (others == 1 ? "file" : "files"))
        // Equal names do not make it the same process.
        let culprit = key.culprit.map { $0 == key.victim ? "a task of " + $0 : $0 } ?? "an unknown task"
        var text = ", because \(culprit) " + cause.action(on: named, isNeighbour: key.isNeighbour) + sure
        switch key.result {
        case .failed: text += " and the file no longer reaches the address"
        case .undecided: text += "; whether the file still reaches the address is not known"
        case .looping, .spurious, .otherFailure, .delayed: break
        }
        return text
    }

    private func evidence(_ losses: [Loss.Stage: UInt64]) -> (text: String, isComplete: Bool) {
        let lost = Conclusions.lossText(losses)
        if whole.incomplete > 0 {
            return (
                "Evidence incomplete: that of \(whole.incomplete) of them may be among the events lost"
                    + (lost.map { " (\($0))" } ?? "") + ".", false
            )
        }
        guard let lost else { return ("Evidence complete.", true) }
        return ("Evidence complete for these calls; there may be more, because events were lost (\(lost)).", false)
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

// SPDX-License-Identifier: Apache-2.0

// The words of one conclusion: a group of lookups with the same result, cause, culprit and victim becomes one sentence,
// with its remedy and its evidence. How lookups are grouped, and which groups become conclusions, is in
// Conclusion.swift.

import Events

/// Findings that one sentence is about.
struct FindingGroup {
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

        /// The rank in the list of conclusions: the most harmful result first, and among equal results a known cause
        /// first.
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

    func conclusion(_ key: Key, in circumstances: Conclusions.Circumstances) -> Conclusion {
        let file = files.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
        let confidence: Confidence? = key.cause.map { cause in
            cause == .unknown ? .none : whole.inferred > 0 ? .inferred : .exact
        }
        let evidence = evidence(circumstances)
        let mayHaveEnded = key.result == .looping && circumstances.mayHideEnds
        let verdict = mayHaveEnded ? .undecided : key.verdict
        // For this reason the remedy is the depth `full`, which is no advice for a run at that depth.
        let isAdvised = key.reason != .areaUnreadable || !circumstances.totals.followsLookups
        return Conclusion(
            verdict: verdict, result: key.result, cause: key.cause, confidence: confidence, culprit: key.culprit,
            victim: key.victim, file: file, files: files.count, lookups: lookups,
            sentence: Conclusion.lead(verdict, key.result, isEndSeen: isEndSeen(key)) + ": "
                + what(key, mayHaveEnded: mayHaveEnded) + why(key, file: file, confidence) + unseen(key) + ".",
            remedy: key.cause.flatMap {
                $0.remedy(
                    for: key.result, reason: isAdvised ? key.reason : nil, culprit: key.culprit ?? "the culprit",
                    isEndSeen: isEndSeen(key))
            },
            evidence: evidence.text, isComplete: evidence.isComplete)
    }

    /// What happened to the victim: "3 futex calls of app failed with EFAULT".
    private func what(_ key: Key, mayHaveEnded: Bool) -> String {
        let calls = counted(lookups, "futex call")
        switch key.result {
        case .looping:
            let fate =
                mayHaveEnded
                ? noun(lookups, "was", "were") + " not seen to return" : noun(lookups, "has", "have") + " not returned"
            var extent = whole.mostLoopPasses > 0 ? counted(whole.mostLoopPasses, "pass", "passes") : ""
            if whole.longestLoopNs > 0 {
                extent += (extent.isEmpty ? "" : ", ") + Conclusions.seconds(whole.longestLoopNs)
            }
            return "\(calls) of \(key.victim) \(fate)" + (extent.isEmpty ? "" : " (up to \(extent))")
        case .spurious: return "\(calls) of \(key.victim) failed with EFAULT for a valid address"
        case .undecided, .failed: return "\(calls) of \(key.victim) failed with EFAULT"
        case .otherFailure: return "\(calls) of \(key.victim) \(met(key)) and then failed for another reason"
        case .delayed: return delay(key)
        }
    }

    /// What the calls met. Where the cause is a detach, some of them may have found the page's next mapping already, so
    /// the words do not say that they met a page without one.
    private func met(_ key: Key) -> String {
        guard let cause = key.cause else { return "retried inside the kernel" }
        return cause == .unknown || cause.lastingReason != nil
            ? "met a page without a mapping" : "lost the mapping of \(lookups == 1 ? "its" : "their") page meanwhile"
    }

    /// The words for calls that succeeded or retried. Where the end of a call is not seen, each of its retries is
    /// counted, so the words give a number of times and not of calls.
    private func delay(_ key: Key) -> String {
        let ended = lookups - min(lookups, whole.unended)
        let calls = ended == 1 ? "1 futex call" : "\(ended) futex calls"
        let times = whole.unended == 1 ? "once" : "\(whole.unended) times"
        if isEndSeen(key) { return "\(calls) of \(key.victim) \(met(key)) and succeeded" }
        if ended > 0 { return "\(calls) of \(key.victim) \(met(key)) and succeeded, others retried \(times)" }
        return (whole.unended == 1 ? "a futex call" : "futex calls") + " of \(key.victim) "
            + (key.cause == nil ? met(key) : "\(met(key)) and retried")
            + (whole.unended == 1 ? "" : " \(times)")
    }

    private func isEndSeen(_ key: Key) -> Bool { key.result != .delayed || whole.unended == 0 }

    /// The clause about calls whose end was not seen, with its semicolon: "; how they ended is not seen at the default
    /// depth". Empty where all ends were seen.
    private func unseen(_ key: Key) -> String {
        if isEndSeen(key) { return "" }
        let which = lookups > whole.unended ? "the others" : lookups == 1 ? "it" : "they"
        return "; how \(which) ended is not seen at the default depth"
    }

    /// The clause about the cause, with its comma: ", because dd truncated /srv/db (exact)".
    private func why(_ key: Key, file: String?, _ confidence: Confidence?) -> String {
        guard let cause = key.cause else {
            return key.result == .otherFailure ? "" : ", because the mapping of the page changed meanwhile"
        }
        if cause == .unknown {
            let reason = key.reason.map { ": " + $0.clause } ?? ""
            let lead = key.result == .failed ? "; the file does not reach the address, and " : "; "
            return lead + "what removed the mapping of the page is unknown" + reason
        }
        let sure = confidence.map { " (\($0.rawValue))" } ?? ""
        if let reason = cause.lastingReason { return ", because " + reason + sure }
        let others = files.count - 1
        let named =
            (file.map(Self.inWords) ?? "a file")
            + (others == 0 || file == nil ? "" : " and " + counted(others, "other file"))
        // Culprit and victim may have equal names and be two processes.
        let culprit = key.culprit.map { $0 == key.victim ? "a task of " + $0 : $0 } ?? "an unknown task"
        var text = ", because \(culprit) " + cause.action(on: named, isNeighbour: key.isNeighbour) + sure
        switch key.result {
        case .failed: text += " and the file no longer reaches the address"
        case .undecided: text += "; whether the file still reaches the address is not known"
        case .looping, .spurious, .otherFailure, .delayed: break
        }
        return text
    }

    /// A path unchanged; a number "254:16:12", which stands for a file without a path, as "inode 12 of device 254:16".
    private static func inWords(_ file: String) -> String {
        let numbers = file.split(separator: ":", omittingEmptySubsequences: false)
        guard numbers.count == 3, numbers.allSatisfy({ UInt64($0) != nil }) else { return file }
        return "inode \(numbers[2]) of device \(numbers[0]):\(numbers[1])"
    }

    private func evidence(_ circumstances: Conclusions.Circumstances) -> (text: String, isComplete: Bool) {
        let lost = Conclusions.lossText(circumstances.losses)
        if whole.incomplete > 0 {
            // `incomplete` counts calls of all results, and this sentence is about one result: so "up to".
            let which =
                lookups == 1
                ? "this call" : whole.incomplete >= lookups ? "these calls" : "up to \(whole.incomplete) of them"
            return (
                "Evidence incomplete: that of \(which) may be among the events lost"
                    + (lost.map { " (\($0))" } ?? "") + ".", false
            )
        }
        let reasons = (lost.map { ["events were lost (\($0))"] } ?? []) + circumstances.hidden
        if reasons.isEmpty { return ("Evidence complete.", true) }
        let because = reasons.joined(separator: "; ")
        return ("Evidence complete for these calls; other calls may be missing here, because \(because).", false)
    }
}

// SPDX-License-Identifier: Apache-2.0

// Turns the stream of events into findings. Pure and streaming: no clock, no I/O, memory bounded by two constants. The
// same events give the same findings, live or from a recording. A detach precedes the lookup that met it, because the
// victim's own task sends both.

public import Events

/// The streaming correlator. Feed it every event in order, then `finish()` once.
public struct Correlator: Sendable {
    /// Detaches remembered for a lookup that has yet to come.
    static let detachLimit = RecentDetaches.limit

    public private(set) var summary: Summary
    /// Losses by stage, as they arrived.
    public private(set) var losses: [Loss.Stage: UInt64] = [:]
    // Asked for each lookup, so not of the table each time.
    private var evidenceWasLost = false
    private var endsWereLost = false
    /// Unfinished loops, so that the end of a run can report them.
    public private(set) var loops = LoopsInProgress()

    private let thresholds: LoopThresholds
    private let pageBytes: UInt64
    private var detaches = RecentDetaches()
    private let emitsAll: Bool
    private var filter: FindingFilter

    /// With `emitsAll` every lookup gives a finding, including those that met nothing. The summary counts
    /// only those that did. What `filter` rejects is neither reported nor counted. `pageBytes` is the size of a base
    /// page on the traced machine, a power of two. With `keepsProcesses` the summary's encounters distinguish
    /// processes of one name.
    public init(
        thresholds: LoopThresholds = LoopThresholds(), emitsAll: Bool = false,
        pageBytes: UInt64 = RunInfo.usualPageBytes, filter: FindingFilter = FindingFilter(),
        keepsProcesses: Bool = false
    ) {
        summary = Summary(keepsProcesses: keepsProcesses)
        self.pageBytes = pageBytes
        self.thresholds = thresholds
        self.emitsAll = emitsAll
        self.filter = filter
    }

    /// Takes the next event.
    /// - Returns: the finding that it completes, if any.
    public mutating func take(_ event: Event) -> Finding? {
        var known: Finding?
        switch event {
        case .lookup(let lookup): take(lookup, isProgress: false) { known = $0 }
        case .progress(let lookup): take(lookup, isProgress: true) { known = $0 }
        case .detach(let detach): take(detach)
        case .lost(let loss): take(loss)
        case .name(let name): take(name)
        case .activity, .totals: break
        }
        return known
    }

    /// Removes loops that would have been reported again by `now` (CLOCK_MONOTONIC nanoseconds) and whose end may have
    /// been missed, and those whose task cannot be in a lookup, which only the caller can find out. They count as loops
    /// without an end.
    public mutating func giveUpLoops(at now: UInt64, unless canLoop: (TaskIdentity) -> Bool) {
        for loop in loops.giveUp(at: now, endsWereLost: endsWereLost, unless: canLoop) { summary.add(unended(loop)) }
    }

    /// Takes a lookup that ended, or the progress of one; `found` gets the finding that it completes, if any. A finding
    /// is large and most lookups give none, so it is handed over without a copy.
    public mutating func take(_ lookup: Lookup, isProgress: Bool, found: (Finding) -> Void) {
        if isProgress { progress(of: lookup, found: found) } else { end(of: lookup, found: found) }
    }

    private mutating func end(of lookup: Lookup, found: (Finding) -> Void) {
        // A loop that ends after the window has not ended in it.
        if !loops.isEmpty, lookup.time <= filter.window.upperBound { loops.end(thread: lookup.victim.tid) }
        let metSomething = lookup.observations > 0 || lookup.retries.total > 0
        guard metSomething || lookup.faulted || emitsAll, filter.admits(lookup) else { return }
        let finding = finding(for: lookup, isProgress: false)
        guard filter.admits(finding) else { return }
        if metSomething { summary.add(finding) }
        summary.addFailure(of: finding)
        found(finding)
    }

    private mutating func progress(of lookup: Lookup, found: (Finding) -> Void) {
        guard isLoop(lookup), filter.admits(lookup) else { return }
        let finding = finding(for: lookup, isProgress: true)
        guard filter.admits(finding) else { return }
        if !loops.update(finding) { lose(1, at: .correlator) }
        found(finding)
    }

    public mutating func take(_ loss: Loss) { lose(loss.count, at: loss.stage) }

    public mutating func take(_ name: Name) {
        filter.learn(name)
        summary.learn(name)
    }

    /// Ends the run: loops that have not ended are counted with their latest finding.
    /// - Returns: those findings.
    @discardableResult
    public mutating func finish() -> [Finding] {
        // In a fixed order, because the tables of the summary are bounded.
        let unfinished = loops.all.map(unended)
        for finding in unfinished { summary.add(finding) }
        loops = LoopsInProgress()
        return unfinished
    }

    /// The latest finding of a loop whose end was not seen. It may be among the events lost.
    private func unended(_ loop: LoopsInProgress.Loop) -> Finding {
        var finding = loop.finding
        if endsWereLost { finding.isIncomplete = true }
        return finding
    }

    /// A recording may contain any number.
    private mutating func lose(_ count: UInt64, at stage: Loss.Stage) {
        let (sum, overflow) = losses[stage, default: 0].addingReportingOverflow(count)
        losses[stage] = overflow ? .max : sum
        guard count > 0 else { return }
        if stage.touchesEvidence { evidenceWasLost = true }
        if stage.hidesEnds { endsWereLost = true }
    }

    private func isLoop(_ lookup: Lookup) -> Bool {
        (lookup.isTimed ? lookup.passes : lookup.retries.total) >= thresholds.passes
            || (lookup.durationNs ?? 0) >= thresholds.durationNs
    }

    /// Keeps it for the lookup that met it.
    public mutating func take(_ detach: Detach) { detaches.remember(detach) }

    private mutating func finding(for lookup: Lookup, isProgress: Bool) -> Finding {
        guard let page = lookup.page else {
            return finding(for: lookup, isProgress: isProgress, by: .ofNothing)
        }
        let detach = page.slot == .found ? detaches.detach(of: page.page, at: page.detachTime) : nil
        let attribution = Attribution(lookup: lookup, page: page, detach: detach, pageBytes: pageBytes)
        if attribution.reason == .detachLost && detaches.hasForgotten { lose(1, at: .correlator) }
        var finding = finding(for: lookup, isProgress: isProgress, by: attribution)
        finding.detach = detach
        if lookup.observations > 0 {
            finding.verdicts = attribution.verdicts(for: lookup, page: page, detach: detach)
            finding.spurious = isSpurious(lookup, backed: attribution.isBacked(page, detach: detach))
        }
        return finding
    }

    /// With what the attribution alone gives.
    private func finding(for lookup: Lookup, isProgress: Bool, by attribution: Attribution) -> Finding {
        Finding(
            isProgress: isProgress, lookup: lookup, outcome: outcome(of: lookup, isProgress: isProgress),
            kind: attribution.kind, cause: attribution.cause, confidence: attribution.confidence,
            unknownReason: attribution.cause == .unknown ? attribution.reason : nil, detach: nil,
            neighbour: attribution.neighbour, spurious: nil, verdicts: nil, isIncomplete: isIncomplete(attribution),
            pageBytes: pageBytes)
    }

    /// Failed because of the observation, not because of the pin or a read-only page in a later pass.
    private func isSpurious(_ lookup: Lookup, backed: Bool?) -> Bool? {
        lookup.flags.contains(.failedUnmapped) ? backed : false
    }

    private func outcome(of lookup: Lookup, isProgress: Bool) -> Outcome {
        // At the sentinel depth, a lookup that retries is reported although it has not returned.
        guard let result = lookup.result else { return isProgress ? .looping : .retried }
        if result < 0 { return .failed }
        return lookup.retries.total > 0 ? .retried : .ok
    }

    private func isIncomplete(_ attribution: Attribution) -> Bool {
        guard attribution.cause == .unknown else { return false }
        switch attribution.reason {
        case .slotOverwritten?, .slotTorn?, .detachLost?: return true
        case .noDetachSeen?, .formerLife?, .stackUnnamed?, .areaUnreadable?, .notObserved?, nil:
            return evidenceWasLost
        }
    }
}

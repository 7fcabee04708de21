// SPDX-License-Identifier: Apache-2.0

// What the correlator finds: confidence, outcomes, and the finding that has them. Raw values are the names in all output
// formats. Causes are in Cause.swift, rules and verdicts in Rule.swift.

public import Events

/// How well the cause is known.
public enum Confidence: String, Sendable {
    /// The detach of this very page was seen, or the page was recognised as one without a mapping.
    case exact
    /// The culprit was in an operation that detaches pages, and its stack did not name the cause.
    case inferred
    case none
}

/// What became of the lookup.
public enum Outcome: String, Sendable, CaseIterable {
    case ok
    case retried
    case failed
    case looping
}

/// What sort of page it was.
public enum PageKind: String, Sendable {
    case file
    case shmem
    case anon
    case zero
    case special
    case hugetlb
    case unknown
}

/// One lookup that met a page without a mapping, that retried, or that failed, with what explains it.
public struct Finding: Sendable, Equatable {
    /// True while the lookup has not returned.
    public var isProgress: Bool
    public var lookup: Lookup
    public var outcome: Outcome
    public var kind: PageKind
    public var cause: Cause
    public var confidence: Confidence
    /// Set exactly when the cause is `unknown`.
    public var unknownReason: UnknownReason?
    /// The detach that this lookup met.
    public var detach: Detach? {
        get { met.first }
        set { met = newValue.map { [$0] } ?? [] }
    }
    /// None or one, in memory of its own: few findings have one, and all findings are copied.
    private var met: [Detach]
    /// Whether the hole was in another page of the same folio; nil when no hole is known.
    public var neighbour: Bool?
    /// Failed although the address was still backed by its file; nil when that is not known.
    public var spurious: Bool?
    /// Nil when there was no observation for a rule to decide on.
    public var verdicts: Verdicts?
    /// Why it failed; nil while it runs and when it succeeded.
    public var failure: Failure?
    /// Evidence for this finding may be among the events lost.
    public var isIncomplete: Bool

    public init(
        isProgress: Bool, lookup: Lookup, outcome: Outcome, kind: PageKind, cause: Cause,
        confidence: Confidence, unknownReason: UnknownReason?, detach: Detach?, neighbour: Bool?,
        spurious: Bool?, verdicts: Verdicts?, isIncomplete: Bool, pageBytes: UInt64 = RunInfo.usualPageBytes
    ) {
        self.isProgress = isProgress
        self.lookup = lookup
        self.outcome = outcome
        self.kind = kind
        self.cause = cause
        self.confidence = confidence
        self.unknownReason = unknownReason
        met = detach.map { [$0] } ?? []
        self.neighbour = neighbour
        self.spurious = spurious
        self.verdicts = verdicts
        failure = lookup.failure(pageBytes: pageBytes)
        self.isIncomplete = isIncomplete
    }

    /// Whether it failed with EFAULT without an observation: it has a reason instead of a cause, and no verdicts.
    public var isFailureOnly: Bool { lookup.faulted && lookup.observations == 0 && lookup.retries.total == 0 }

    /// Nanoseconds from the detach to the end of the lookup.
    public var detachAgeNs: UInt64? {
        detach.map { lookup.time >= $0.time ? lookup.time - $0.time : 0 }
    }

    /// The cause where there is something to explain: a missing mapping, or a detach that was met. A lookup that only
    /// retried has none.
    public var explainedCause: Cause? {
        lookup.observations > 0 || !met.isEmpty ? cause : nil
    }

    /// The file as the victim's memory area names it, else as the detach does: a block device has an inode of its own in
    /// the page cache, and users know the other one. Nil for a page without a file.
    public var file: FileID? {
        guard kind != .zero, kind != .special else { return nil }
        if let file = lookup.page?.file, !file.isNone { return file }
        return detach.flatMap { $0.file.isNone ? nil : $0.file }
    }
}

// SPDX-License-Identifier: Apache-2.0

// What the correlator finds: causes, confidence, outcomes, and the finding that has them. Raw values are the names in all
// output formats. Rules and verdicts are in Rule.swift.

public import Events

/// What explains an observation.
public enum Cause: String, Sendable, CaseIterable {
    case directIOInvalidation = "direct-io-invalidation"
    case dropCaches = "drop-caches"
    case fadvise
    case reclaim
    case truncate
    case holePunch = "hole-punch"
    /// BLKZEROOUT, BLKDISCARD or fallocate() on a mapped block device.
    case blockZeroOut = "block-zero-out"
    case swapOut = "swap-out"
    case migration
    case collapse
    case split
    case memoryFailure = "memory-failure"
    /// The zero page never has a mapping.
    case zeroPage = "zero-page"
    /// vDSO, a driver's page, a shared DAX extent: pages that never have a mapping.
    case specialMapping = "special-mapping"
    /// The detach was seen and its culprit is known, but the operation is none of the above.
    case other
    case unknown
}

/// How well the cause is known.
public enum Confidence: String, Sendable {
    /// The detach of this very page was seen, or the page was recognised as one without a mapping.
    case exact
    /// The culprit was in an operation that detaches pages, and its stack did not name the cause.
    case inferred
    case none
}

/// Why a cause is `unknown`.
public enum UnknownReason: String, Sendable, CaseIterable {
    /// No detach of a held page was stored for this page: not hooked, or before tracing began.
    case noDetachSeen = "no-detach-seen"
    /// The slot of the detach table was overwritten by another page's detach.
    case slotOverwritten = "slot-overwritten"
    /// The stored detach is of a former life of the page.
    case formerLife = "former-life"
    /// Two detaches used the slot at the same time, or it was being written.
    case slotTorn = "slot-torn"
    /// The kernel side matched a detach that did not arrive.
    case detachLost = "detach-lost"
    /// The functions on the culprit's stack could not be named (kallsyms is not readable).
    case stackUnnamed = "stack-unnamed"
    /// The victim's memory area could not be read, so it is not known whether the page ever had a mapping.
    case areaUnreadable = "area-unreadable"
    /// The lookup retried without an observation, and nothing more is known of the page.
    case notObserved = "not-observed"
}

/// What became of the lookup.
public enum Outcome: String, Sendable, CaseIterable {
    case ok
    case retried
    case failed
    case looping
}

/// Why a lookup failed. Only `unmapped` is about a missing mapping; the others have no cause.
public enum Failure: String, Sendable, CaseIterable {
    /// The page of its last pass had no mapping.
    case unmapped
    /// The page could not be pinned: beyond the end of the file, or an area that cannot be pinned.
    case pin
    /// The page is anonymous and the area read-only.
    case readOnly = "read-only"
    case other
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

/// One lookup that met a page without a mapping, or that retried, with what explains it.
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
    /// Evidence for this finding may be among what was lost.
    public var isIncomplete: Bool

    public init(
        isProgress: Bool, lookup: Lookup, outcome: Outcome, kind: PageKind, cause: Cause,
        confidence: Confidence, unknownReason: UnknownReason?, detach: Detach?, neighbour: Bool?,
        spurious: Bool?, verdicts: Verdicts?, isIncomplete: Bool
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
        self.isIncomplete = isIncomplete
    }

    /// Nanoseconds from the detach to the end of the lookup.
    public var detachAgeNs: UInt64? {
        detach.map { lookup.time >= $0.time ? lookup.time - $0.time : 0 }
    }

    /// The cause where there is something to explain: a missing mapping, or a detach that was met. A lookup that only
    /// retried has none.
    public var explainedCause: Cause? {
        lookup.observations > 0 || !met.isEmpty ? cause : nil
    }

    /// Why it failed; nil while it runs and when it succeeded.
    public var failure: Failure? {
        guard let result = lookup.result, result < 0 else { return nil }
        if lookup.flags.contains(.pinFailed) { return .pin }
        if lookup.flags.contains(.failedUnmapped) { return .unmapped }
        return lookup.flags.contains(.failedReadOnly) ? .readOnly : .other
    }

    /// The file as the victim's memory area names it, else as the detach does: a block device has an inode of its own in
    /// the page cache, and users know the other one. Nil for a page without a file.
    public var file: FileID? {
        guard kind != .zero, kind != .special else { return nil }
        if let file = lookup.page?.file, !file.isNone { return file }
        return detach.flatMap { $0.file.isNone ? nil : $0.file }
    }
}

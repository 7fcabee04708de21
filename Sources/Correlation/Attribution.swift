// SPDX-License-Identifier: Apache-2.0

// From facts to a cause: what kind of page it was, what took its mapping, and how sure that is. Pure
// functions over one lookup and the detach that it met. Whatever the facts do not carry becomes `unknown`;
// nothing here guesses. What each rule would have returned is in Rule.swift.

public import Events

/// File systems that matter to the kind of a page; linux/magic.h.
private enum Magic {
    static let tmpfs: UInt32 = 0x0102_1994
    static let hugetlbfs: UInt32 = 0x9584_58f6
}

private let pageSize: UInt64 = 4096

/// What explains one lookup.
struct Attribution {
    var kind: PageKind
    var cause: Cause
    var confidence: Confidence
    var reason: UnknownReason?
    var neighbour: Bool?

    /// Of a lookup that met no page.
    static let ofNothing = Attribution(kind: .unknown, cause: .unknown, confidence: .none, reason: .notObserved)

    private init(kind: PageKind, cause: Cause, confidence: Confidence, reason: UnknownReason?) {
        (self.kind, self.cause, self.confidence, self.reason) = (kind, cause, confidence, reason)
    }

    /// Of a lookup that met `page`, and perhaps its detach.
    init(lookup: Lookup, page: PageFacts, detach: Detach?) {
        kind = Self.kind(page: page, detach: detach)
        (cause, confidence, reason, neighbour) = (.unknown, .none, nil, nil)
        if let detach {
            explain(by: detach, page: page)
        } else if lookup.observations == 0 {
            // It went back because its page got another mapping: no page was seen without one.
            reason = .notObserved
        } else if let lasting = Self.lastingCause(of: page, kind: kind, wasSeenAtPin: lookup.isTimed) {
            (cause, confidence) = (lasting, .exact)
        } else {
            reason = Self.reason(for: page, wasSeenAtPin: lookup.isTimed)
        }
    }

    /// The cause that lies in the page itself. Such a page has no mapping when it is pinned already;
    /// one that loses it afterwards met a race, whatever area it was seen through. Where nobody looked at
    /// the pin, it is one that no page cache ever holds, or one whose detach would be stored.
    private static func lastingCause(of page: PageFacts, kind: PageKind, wasSeenAtPin: Bool) -> Cause? {
        if page.facts.contains(.zeroPage) { return .zeroPage }
        if wasSeenAtPin {
            guard page.facts.contains(.nullAtPin) else { return nil }
        } else {
            let wasNeverCached = page.facts.contains(.reserved) || page.facts.contains(.notUpToDate)
            guard wasNeverCached || page.slot == .empty, !page.facts.contains(.dax) || page.facts.contains(.reserved)
            else { return nil }
        }
        if kind == .zero { return .zeroPage }
        // A shared (reflinked) DAX extent has no mapping for as long as it is shared.
        return kind == .special || page.facts.contains(.dax) ? .specialMapping : nil
    }

    private mutating func explain(by detach: Detach, page: PageFacts) {
        if let named = Self.cause(of: detach) {
            (cause, confidence) = named
        } else {
            reason = .stackUnnamed
        }
        if let hole = detach.hole, cause == .holePunch {
            let first = page.index &* pageSize
            neighbour = !hole.overlaps(first..<first &+ pageSize)
        }
    }

    // MARK: Kind

    private static func kind(page: PageFacts, detach: Detach?) -> PageKind {
        if let detach { return kind(magic: detach.magic) }
        let facts = page.facts
        if facts.contains(.zeroPage) { return .zero }
        guard facts.contains(.areaKnown) else { return .unknown }
        if !facts.contains(.areaHasFile) {
            // An anonymous area holds anonymous pages, which have a mapping, and zero pages.
            return facts.contains(.areaHasOperations) ? .special : .zero
        }
        if facts.contains(.dax) {
            return facts.contains(.reserved) ? .zero : kind(magic: page.magic)
        }
        return facts.contains(.areaIsDriver) ? .special : kind(magic: page.magic)
    }

    private static func kind(magic: UInt32) -> PageKind {
        switch magic {
        case 0: .unknown
        case Magic.tmpfs: .shmem
        case Magic.hugetlbfs: .hugetlb
        default: .file
        }
    }

    // MARK: Cause

    /// The cause of one detach: by the functions on the culprit's stack, innermost meaning first; by
    /// the operation in progress where they say nothing. Nil when neither is known.
    static func cause(of detach: Detach) -> (Cause, Confidence)? {
        switch detach.via {
        case .swapOut: return (.swapOut, .exact)
        case .migration: return (.migration, .exact)
        case .pageCache: break
        }
        let seen = detach.landmarks
        // Reclaim can start inside any operation that allocates; what it takes is its own doing.
        for (landmark, cause) in [
            (Landmarks.swapOut, Cause.swapOut), (.migration, .migration), (.collapse, .collapse),
            (.memoryFailure, .memoryFailure), (.dropCaches, .dropCaches), (.reclaim, .reclaim),
            (.fadvise, .fadvise), (.invalidate2, .directIOInvalidation),
        ] where seen.contains(landmark) {
            return (cause, .exact)
        }
        if seen.isSuperset(of: [.blockDeviceTruncate, .truncateRange]) { return (.blockZeroOut, .exact) }
        if seen.contains(.fallocate) {
            // The same way leads from zeroing, collapsing and inserting a range.
            switch detach.scope {
            case .holePunch?: return (.holePunch, .exact)
            case .fallocateOther?: return (.other, .exact)
            default: return detach.hole == nil ? (.other, .inferred) : (.holePunch, .exact)
            }
        }
        if seen.contains(.setSize) { return (.truncate, .exact) }
        if seen.contains(.split) { return (.split, .exact) }
        if !seen.isEmpty { return (.other, .exact) }
        if let scope = detach.scope { return (Cause(scope), .inferred) }
        return detach.stackIsNamed ? (.other, .exact) : nil
    }

    private static func reason(for page: PageFacts, wasSeenAtPin: Bool) -> UnknownReason {
        // Then it is the area that tells whether a stored detach is this page's.
        if !wasSeenAtPin, !page.facts.contains(.areaKnown) { return .areaUnreadable }
        return switch page.slot {
        case .found: .detachLost
        case .otherPage: .slotOverwritten
        case .stale: .formerLife
        case .torn: .slotTorn
        case .empty, .notAsked:
            page.facts.contains(.areaKnown) || !page.facts.contains(.nullAtPin)
                ? .noDetachSeen : .areaUnreadable
        }
    }

    // MARK: Backing

    /// Whether the victim's page lay inside its file when the mapping was taken; nil for a page of no
    /// known file.
    func isBacked(_ page: PageFacts, detach: Detach?) -> Bool? {
        switch kind {
        case .zero, .special: return cause == .unknown ? nil : false
        case .anon, .unknown: return nil
        case .file, .shmem, .hugetlb: break
        }
        func holds(_ size: UInt64) -> Bool { page.index < (size &+ pageSize &- 1) / pageSize }
        if let detach { return holds(detach.fileSize) }
        // Without a detach only the size at the observation is known. A file that was too short then
        // did not back the page; one that was long enough may have been cut and grown again.
        return page.facts.contains(.areaHasFile) && !holds(page.fileSize) ? false : nil
    }
}

extension Detach {
    /// What took the mapping and how sure that is, as for a lookup that met this detach. `unknown` when
    /// neither the stack nor an operation says anything.
    public var explanation: (cause: Cause, confidence: Confidence) {
        Attribution.cause(of: self) ?? (.unknown, .none)
    }
}

extension Cause {
    /// The cause that an operation stands for.
    init(_ kind: ActivityKind) {
        self =
            switch kind {
            case .directIOInvalidation: .directIOInvalidation
            case .dropCaches: .dropCaches
            case .fadvise: .fadvise
            case .reclaim: .reclaim
            case .truncate: .truncate
            case .holePunch: .holePunch
            case .fallocateOther: .other
            case .blockZeroOut: .blockZeroOut
            case .swapOut: .swapOut
            case .migration: .migration
            case .collapse: .collapse
            case .split: .split
            case .memoryFailure: .memoryFailure
            }
    }
}

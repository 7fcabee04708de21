// SPDX-License-Identifier: Apache-2.0

// From facts to a cause: what kind of page it was, what took its mapping, and how sure that is. Pure
// functions over one lookup and the detach that it met. Whatever the facts do not carry becomes `unknown`;
// nothing here guesses. What each rule would have returned is in Rule.swift.

public import Events

/// What explains one lookup.
struct Attribution {
    var kind: PageKind
    var cause: Cause
    var confidence: Confidence
    var reason: UnknownReason?
    var neighbour: Bool?
    /// Bytes of a base page.
    private let pageBytes: UInt64

    /// Of a lookup that met no page.
    static let ofNothing = Attribution(kind: .unknown, cause: .unknown, confidence: .none, reason: .notObserved)

    private init(kind: PageKind, cause: Cause, confidence: Confidence, reason: UnknownReason?) {
        (self.kind, self.cause, self.confidence, self.reason) = (kind, cause, confidence, reason)
        pageBytes = RunInfo.usualPageBytes
    }

    /// Of a lookup that met `page`, and perhaps its detach.
    init(lookup: Lookup, page: PageFacts, detach: Detach?, pageBytes: UInt64) {
        self.pageBytes = pageBytes
        kind = lookup.faulted && detach == nil ? Self.kindWithoutPin(page) : Self.kind(page: page, detach: detach)
        (cause, confidence, reason, neighbour) = (.unknown, .none, nil, nil)
        if let detach {
            explain(by: detach, page: page)
        } else if lookup.observations == 0 {
            // It retried because its page got another mapping: no page was seen without one.
            reason = .notObserved
        } else if let lasting = Self.lastingCause(of: page, kind: kind, wasSeenAtPin: lookup.isTimed) {
            (cause, confidence) = (lasting, .exact)
        } else {
            reason = Self.reason(for: page, wasSeenAtPin: lookup.isTimed)
        }
    }

    /// The cause that is a property of the page itself. Such a page already has no mapping when it is pinned; a page
    /// that loses its mapping afterwards met a race, whatever area it was seen through. It was never in a page cache, or
    /// its detach would be stored. The area alone does not show that: another task may have mapped something else there
    /// since the page was pinned.
    private static func lastingCause(of page: PageFacts, kind: PageKind, wasSeenAtPin: Bool) -> Cause? {
        if page.facts.contains(.zeroPage) { return .zeroPage }
        if wasSeenAtPin, !page.facts.contains(.nullAtPin) { return nil }
        guard page.wasNeverCached || page.slot == .empty else { return nil }
        if kind == .zero { return .zeroPage }
        // A shared (reflinked) DAX extent has no mapping for as long as it is shared, which only the pin shows.
        if page.facts.contains(.dax) { return wasSeenAtPin ? .specialMapping : nil }
        return kind == .special ? .specialMapping : nil
    }

    private mutating func explain(by detach: Detach, page: PageFacts) {
        if let named = Self.cause(of: detach) {
            (cause, confidence) = named
        } else {
            reason = .stackUnnamed
        }
        // An index may come from a file that anyone wrote.
        if let hole = detach.hole, cause == .holePunch, page.index < UInt64.max / pageBytes {
            let first = page.index * pageBytes
            neighbour = !hole.overlaps(first..<first + pageBytes)
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

    /// What there would have been, where no page was pinned. An area without a file has anonymous pages.
    private static func kindWithoutPin(_ page: PageFacts) -> PageKind {
        let facts = page.facts
        guard facts.contains(.areaKnown) else { return .unknown }
        if facts.contains(.areaRefusesPins) || page.magic == FileSystemMagic.secretMemory { return .special }
        guard facts.contains(.areaHasFile) else { return facts.contains(.areaHasOperations) ? .special : .anon }
        return kind(magic: page.magic)
    }

    private static func kind(magic: UInt32) -> PageKind {
        switch magic {
        case 0: .unknown
        case FileSystemMagic.tmpfs: .shmem
        case FileSystemMagic.hugetlbfs: .hugetlb
        default: .file
        }
    }

    // MARK: Cause

    /// The cause of one detach, as its stack and the operation in progress are read. Nil when neither says anything.
    static func cause(of detach: Detach) -> (Cause, Confidence)? {
        detach.stackReading.map { ($0.operation.map(Cause.init) ?? .other, $0.isExact ? .exact : .inferred) }
    }

    private static func reason(for page: PageFacts, wasSeenAtPin: Bool) -> UnknownReason {
        // A detach that may have been this page's is missing, whatever the area.
        if page.slot == .otherPage, !page.wasNeverCached { return .slotOverwritten }
        if page.slot == .torn { return .slotTorn }
        // Then the area decides whether a stored detach is this page's.
        if !wasSeenAtPin, !page.facts.contains(.areaKnown) { return .areaUnreadable }
        // Without the area and without a mapping at the pin, nothing says which file the page was in.
        let knowsFile = page.facts.contains(.areaKnown) || !page.facts.contains(.nullAtPin)
        return switch page.slot {
        case .found: .detachLost
        case .otherPage: .slotOverwritten
        case .stale: knowsFile ? .formerLife : .areaUnreadable
        case .torn: .slotTorn
        case .empty, .notAsked: knowsFile ? .noDetachSeen : .areaUnreadable
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
        func holds(_ size: UInt64) -> Bool {
            page.index < size / pageBytes + (size % pageBytes == 0 ? 0 : 1)
        }
        if let detach { return holds(detach.fileSize) }
        // Without a detach only the size at the observation is known. A file that was too short then
        // did not back the page; one that was long enough may have been cut and grown again.
        return page.facts.contains(.areaHasFile) && !holds(page.fileSize) ? false : nil
    }
}

extension PageFacts {
    /// Whether the page was in no page cache while the victim held it, so that it has no detach: a reserved page, or one
    /// that was never up to date and belongs to no file. The same as was_never_cached() of the BPF programs, but for a
    /// page with a stored detach, which can be of a huge page.
    fileprivate var wasNeverCached: Bool {
        if facts.contains(.reserved) { return true }
        let mapsFile = facts.contains(.areaHasFile) && !facts.contains(.areaIsDriver)
        let canBeHugePage = slot == .stale && facts.contains(.large)
        return facts.isSuperset(of: [.notUpToDate, .areaKnown]) && !mapsFile && !canBeHugePage
    }
}

extension Detach {
    /// What took the mapping and how sure that is, as for a lookup that met this detach. `unknown` when
    /// neither the stack nor an operation says anything.
    public var explanation: (cause: Cause, confidence: Confidence) {
        Attribution.cause(of: self) ?? (.unknown, .none)
    }
}

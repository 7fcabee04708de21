// SPDX-License-Identifier: Apache-2.0

// The detaches that a lookup may yet meet: one slot for each page, direct-mapped as on the kernel side, so that millions
// of detaches take no more room than thousands. What the trace does not say of a detach is settled here, before it is
// reported.

import Events

/// The last detach of each page, as far as there is room.
struct DetachTable {
    /// Slots; about 2 MB in all.
    static let slotCount = 8192
    /// Bytes between two pages' structures. The recipe leaves page numbers out where it is another.
    static let pageStructureSize = 64

    struct Slot {
        /// Address of the page's structure, or its number where the text has that alone; 0 when free.
        var key: UInt64 = 0
        /// Line of its event.
        var line: UInt64 = 0
        var detach: Detach
        var stack = Stack.none
        /// Functions on its stack in the trace. `detach.landmarks` are those seen to be entered.
        var stackLandmarks: Landmarks = []
        /// What functions on its stack say of a call of fallocate().
        var cuts: KnownFrame.Cuts = []
        /// Functions of the operation in `detach.scope`, which must be on a whole stack.
        var operation: Landmarks = []
        /// Which functions its task was in was known.
        var knowsFunctions = false
        /// Its operation was seen to be left as it was entered, with nothing missing between.
        var isConfirmed = false
        /// The lookup for which it was reported, so that a loop reports it once.
        var toldTo: UInt64 = 0
    }

    /// What a stack in the text says.
    enum Stack {
        case none
        /// Frames are missing at its end or within.
        case partial
        /// From the innermost function to the entry from user space.
        case whole
    }

    enum Answer {
        case found(Int)
        case empty, otherPage, stale
    }

    private var slots: [Slot?] = Array(repeating: nil, count: slotCount)

    private func place(of key: UInt64) -> Int {
        // Fibonacci hashing; addresses are multiples of 64, numbers of pages are not.
        Int(truncatingIfNeeded: (((key >> 6) ^ (key << 20)) &* 0x9e37_79b9_7f4a_7c15) >> 51) & (Self.slotCount - 1)
    }

    subscript(_ place: Int) -> Slot? {
        get { slots[place] }
        set { slots[place] = newValue }
    }

    /// Stores a detach over whatever was in its slot; returns the slot's place.
    mutating func store(_ slot: Slot) -> Int {
        let place = place(of: slot.key)
        slots[place] = slot
        return place
    }

    /// Whether this page has a detach after the line at which its pin began.
    func holds(_ key: UInt64, since line: UInt64) -> Bool {
        if case .found = ask(key, since: line) { true } else { false }
    }

    /// Whether this page was detached after the line at which its pin began.
    func ask(_ key: UInt64, since line: UInt64) -> Answer {
        let place = place(of: key)
        guard let slot = slots[place] else { return .empty }
        if slot.key != key { return slot.line >= line ? .otherPage : .empty }
        return slot.line >= line ? .found(place) : .stale
    }

    mutating func removeAll() {
        slots = Array(repeating: nil, count: Self.slotCount)
    }
}

extension DetachTable.Slot {
    /// The detach as it can be reported: what is not known for sure is taken out. An absent function proves nothing
    /// unless the stack is whole; where lines may be missing without a word, it never does, and stack and entries
    /// must not contradict each other.
    func settled(mayLackLines: Bool, landmarksEntered: Landmarks) -> Detach {
        let entries = detach.landmarks
        let saying = stackLandmarks.subtracting(.shared)
        let isWhole = stack == .whole
        if mayLackLines, !isTrusted(saying, entries, landmarksEntered) { return detach.unexplained }
        var detach = detach
        detach.stackIsNamed = isWhole
        // A whole stack knows better than entries, whose return may have been missed.
        detach.landmarks = isWhole && !saying.isEmpty ? stackLandmarks : entries.union(stackLandmarks)
        if detach.landmarks.contains(.fallocate), detach.magic == FileSystemMagic.bdev {
            detach.landmarks.insert(.blockDeviceTruncate)
        }
        let isBlockDevice = detach.landmarks.isBlockDeviceTruncate
        guard detach.landmarks.decided == nil else { return detach }
        if detach.landmarks.contains(.fallocate), !isBlockDevice {
            if detach.fallocateMode == nil { detach.scope = scopeByStack }
            // One mode of fallocate() looks like the other, so its entry or its own function must have been seen.
            if detach.fallocateMode == nil { return detach.unexplained }
            if !liesInHole { return detach.unexplained }
        }
        let isCommon = !isBlockDevice && detach.landmarks.subtracting(.shared).isEmpty
        if isCommon, !isWhole || (mayLackLines && !isEviction(entries)) { return detach.unexplained }
        return detach
    }

    /// Whether stack and entries can be those of this detach, in a trace that may lack any of their lines.
    private func isTrusted(_ saying: Landmarks, _ entries: Landmarks, _ landmarksEntered: Landmarks) -> Bool {
        // Then the entries alone say it. The operation must have been left again, or another may have been entered.
        guard !saying.isEmpty else { return isConfirmed }
        if !operation.isEmpty {
            return stackLandmarks.isSuperset(of: operation)
                || (stack != .whole && isConfirmed && saying.isSubset(of: entries))
        }
        // The entry of what the stack says would have been seen, as others were.
        let expected = saying.intersection(landmarksEntered)
        return !knowsFunctions || expected.isEmpty || !expected.isDisjoint(with: entries)
    }

    /// By file systems that know but one mode that removes pages, and by functions of one mode (mm/shmem.c,
    /// fs/hugetlbfs/inode.c: EOPNOTSUPP for any other).
    private var scopeByStack: ActivityKind? {
        let isRemoved = stackLandmarks.contains(.truncateRange)
        if cuts.contains(.other) { return cuts.contains(.punch) ? nil : .fallocateOther }
        return cuts.contains(.punch) || (cuts.contains(.onlyPunch) && isRemoved) ? .holePunch : nil
    }

    /// A folio that a hole removes has a page in it; that of hugetlbfs is counted in another unit.
    private var liesInHole: Bool {
        let pageBytes = RunInfo.usualPageBytes
        guard let hole = detach.hole, detach.scope == .holePunch, detach.magic != FileSystemMagic.hugetlbfs,
            detach.index < UInt64.max / pageBytes - UInt64(detach.pages), !hole.isEmpty
        else { return true }
        let begin = detach.index * pageBytes
        return hole.overlaps(begin..<begin + UInt64(detach.pages) * pageBytes)
    }

    /// The last use of a file, which stack and entries show alike.
    private func isEviction(_ entries: Landmarks) -> Bool {
        isConfirmed && entries.contains(.evict) && stackLandmarks.isSuperset(of: entries)
    }
}

extension Detach {
    fileprivate var unexplained: Detach {
        var detach = self
        (detach.landmarks, detach.scope, detach.hole, detach.stackIsNamed) = ([], nil, nil, false)
        return detach
    }
}

// SPDX-License-Identifier: Apache-2.0

// The detaches that a later lookup may meet: one slot for each page in a table of a fixed size, so that millions of
// detaches take no more memory than thousands. Facts that the trace does not contain are resolved here, before a detach
// is reported.

import Events

/// The last detach of each page, as long as there is room.
struct DetachTable {
    /// Slots; about 2 MB in all.
    static let slotCount = 8192
    /// Bytes between the structures of two pages. The recipe omits page numbers on kernels with another size.
    static let pageStructureSize = 64

    struct Slot {
        /// Address of the page's structure, or its number where the text has only that; 0 when the slot is free.
        var key: UInt64 = 0
        /// Line of its event.
        var line: UInt64 = 0
        var detach: Detach
        var stack = Stack.none
        /// Functions on its stack in the trace. `detach.landmarks` are those whose entry was seen.
        var stackLandmarks: Landmarks = []
        /// What functions on its stack say of a call of fallocate().
        var cuts: KnownFrame.Cuts = []
        /// Functions of the operation in `detach.scope`, which must be on a whole stack.
        var operation: Landmarks = []
        /// Functions in which its task was then whose end was seen as well, with nothing missing between.
        var confirmed: Landmarks = []
        /// Functions that its task left afterwards without an entry that was seen: it was in them.
        var left: Landmarks = []
        /// The functions in which its task was are known.
        var knowsFunctions = false
        /// The end of its operation was seen as well as its start, and nothing is missing between them.
        var isConfirmed = false
        /// Line of the next event of its task, its stack apart. Until then the page may still have its mapping, which is
        /// taken away after the event.
        var next: UInt64?
        /// The lookup for which it was reported, so that a loop reports it once.
        var toldTo: UInt64 = 0
    }

    /// The result of reading a stack in the text.
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

    /// Which keys there were: a slot says nothing of a page by a key that no detach has.
    private(set) var (hasAddresses, hasNumbers) = (false, false)
    private var slots: [Slot?] = Array(repeating: nil, count: slotCount)

    private func place(of key: UInt64) -> Int {
        // Fibonacci hashing; addresses are multiples of 64, numbers of pages are not.
        Int(truncatingIfNeeded: (((key >> 6) ^ (key << 20)) &* 0x9e37_79b9_7f4a_7c15) >> 51) & (Self.slotCount - 1)
    }

    subscript(_ place: Int) -> Slot? {
        get { slots[place] }
        set { slots[place] = newValue }
    }

    /// Stores a detach in its slot, whatever the slot held before; returns the slot's place. `isNumber` says what its key
    /// is.
    mutating func store(_ slot: Slot, isNumber: Bool = false) -> Int {
        if isNumber { hasNumbers = true } else { hasAddresses = true }
        let place = place(of: slot.key)
        slots[place] = slot
        return place
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
    /// Whether it was over when a pin returned in this line with the page and a mapping of it: then the page was taken
    /// into use again, and this is the end of a former life. In a text the task's next event may be among lines that are
    /// missing.
    func isOver(at line: UInt64?, mayLackLines: Bool) -> Bool {
        guard let line, self.line < line else { return false }
        return next.map { $0 < line } ?? mayLackLines
    }

    /// The detach as it can be reported, without facts that are not certain. An absent function proves nothing unless
    /// the stack is whole. Where lines may be missing without a mark, an absent function never proves anything, and
    /// stack and entries must not contradict each other.
    func settled(mayLackLines: Bool, landmarksEntered: Landmarks) -> Detach {
        // An entry whose end is missing may be that of an operation which was over long before.
        let entries = mayLackLines ? confirmed : detach.landmarks
        let saying = stackLandmarks.subtracting(.shared)
        let isWhole = stack == .whole
        if mayLackLines, !isTrusted(saying, landmarksEntered) { return detach.unexplained }
        var detach = detach
        detach.stackIsNamed = isWhole
        // A whole stack is more reliable than entries, because a return may have been missed.
        detach.landmarks = isWhole && !saying.isEmpty ? stackLandmarks : entries.union(stackLandmarks)
        if detach.landmarks.contains(.fallocate), detach.magic == FileSystemMagic.bdev {
            detach.landmarks.insert(.blockDeviceTruncate)
        }
        let isBlockDevice = detach.landmarks.isBlockDeviceTruncate
        guard detach.landmarks.decided == nil else { return detach }
        if detach.landmarks.contains(.fallocate), !isBlockDevice {
            if detach.fallocateMode == nil { detach.scope = scopeByStack }
            // The modes of fallocate() look alike, so the entry or a function of one mode must have been seen.
            if detach.fallocateMode == nil { return detach.unexplained }
            if !liesInHole || (mayLackLines && isOfOtherMode(detach.fallocateMode)) { return detach.unexplained }
        } else if mayLackLines, detach.landmarks.contains(.setSize), !isBlockDevice, !liesBehindEnd {
            return detach.unexplained
        }
        let isCommon = !isBlockDevice && detach.landmarks.subtracting(.shared).isEmpty
        if isCommon, !isWhole || (mayLackLines && !isEviction(entries)) { return detach.unexplained }
        return detach
    }

    /// Whether stack and entries can belong to this detach, in a trace that may lack any line.
    private func isTrusted(_ saying: Landmarks, _ landmarksEntered: Landmarks) -> Bool {
        // Then only the entries show the cause. The end of the operation must have been seen, or another one may have
        // been entered.
        guard !saying.isEmpty else { return isConfirmed }
        if contradictsEnds { return false }
        let unseen = saying.subtracting(detach.landmarks).subtracting(left)
        if knowsFunctions {
            // The entry of a function on the stack would have been seen, as other entries were.
            guard unseen.isDisjoint(with: landmarksEntered) else { return false }
        } else if !landmarksEntered.isEmpty, !isKswapd {
            // The task was in them since before the text or a loss. Their ends show that the stack is its own.
            guard saying.isSubset(of: left) else { return false }
        }
        guard !operation.isEmpty else { return true }
        // Within an operation that was entered, the entry of each function was recorded; that of reclaim may be in a
        // tracepoint that was not.
        guard unseen.subtracting(.reclaim).isEmpty else { return false }
        return stackLandmarks.isSuperset(of: operation)
            || (stack != .whole && isConfirmed && saying.isSubset(of: confirmed))
    }

    /// It does nothing but reclaim, for as long as it is awake.
    private var isKswapd: Bool {
        stackLandmarks.subtracting(.shared) == .reclaim && detach.culprit.comm.text.hasPrefix("kswapd")
    }

    /// The task left a function that would be on the stack. So the stack is that of another detach, at least in part.
    var contradictsEnds: Bool {
        let saying = stackLandmarks.subtracting(.shared)
        let ended = left.subtracting(.shared)
        if ended.isEmpty || saying.isEmpty { return false }
        return stack == .whole ? !saying.isSuperset(of: ended) : !saying.isSubset(of: left.union(detach.landmarks))
    }

    /// A function on the stack belongs to another mode of fallocate() than the one that was entered.
    private func isOfOtherMode(_ mode: ActivityKind?) -> Bool {
        switch mode {
        case .holePunch: cuts.contains(.other) && !cuts.contains(.punch)
        case .fallocateOther: cuts.contains(.punch) && !cuts.contains(.other)
        default: false
        }
    }

    /// A file gets its new size before its pages are removed (truncate_setsize() and what file systems do in place of
    /// it), so a truncation removes none that lies before the end. A file of hugetlbfs counts in another unit.
    private var liesBehindEnd: Bool {
        guard detach.magic != 0, detach.magic != FileSystemMagic.hugetlbfs else { return true }
        let pageBytes = RunInfo.usualPageBytes
        return detach.index >= detach.fileSize / pageBytes + (detach.fileSize % pageBytes == 0 ? 0 : 1)
    }

    /// From file systems that have only one mode that removes pages, and from functions of one mode (mm/shmem.c,
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
        isConfirmed && entries.contains(.evict) && stackLandmarks.isSuperset(of: detach.landmarks)
    }
}

extension Detach {
    fileprivate var unexplained: Detach {
        var detach = self
        (detach.landmarks, detach.scope, detach.hole, detach.stackIsNamed) = ([], nil, nil, false)
        return detach
    }
}

// SPDX-License-Identifier: Apache-2.0

// The detaches that a later lookup may meet. The table has a fixed number of slots, and a page always has the same one,
// so that millions of detaches take no more memory than thousands. Before a detach is reported, it is decided here
// which facts of its stack and of the functions around it are certain.

import Events

/// The last detach of each page. A detach of another page with the same slot replaces it.
struct DetachTable {
    /// Slots; about 2 MB in all.
    static let slotCount = 8192
    /// Bytes of `struct page`. The recipe omits page numbers on kernels with another size.
    static let pageStructureSize = 64

    struct Slot {
        /// Address of the page's structure, or its number where the text has only that; 0 when the slot is free.
        var key: UInt64 = 0
        /// Line of its event.
        var line: UInt64 = 0
        var detach: Detach
        var stack = Stack.none
        /// Landmarks of the functions on its stack in the trace. `detach.landmarks` are those of functions whose entry
        /// was seen.
        var stackLandmarks: Landmarks = []
        /// The modes of fallocate() to which functions on its stack belong.
        var cuts: KnownFrame.Cuts = []
        /// Landmarks of the function that began the operation in `detach.scope`. A whole stack has them.
        var operation: Landmarks = []
        /// Landmarks of the functions around the detach whose entry and end were seen, with nothing missing between.
        var confirmed: Landmarks = []
        /// Landmarks of functions whose end was seen after the detach, but not their entry: the task was in them.
        var left: Landmarks = []
        /// It is known in which functions the task was.
        var knowsFunctions = false
        /// Start and end of its operation were seen, with nothing missing between.
        var isConfirmed = false
        /// Line of the next event of its task, except for its stack. The kernel removes the mapping after the event of
        /// the detach, so until this line the page may still have it.
        var next: UInt64?
        /// The last lookup for which it was reported: a loop reports it once.
        var reportedFor: UInt64 = 0
    }

    /// How much of a stack the text has.
    enum Stack {
        case none
        /// Frames are missing, at its end or within it.
        case partial
        /// From the innermost function to the entry from user space.
        case whole
    }

    /// The detach of a page in its slot: found, at this place in the table; no detach; one of another page; or one that
    /// is older than the lookup's pin.
    enum Answer {
        case found(Int)
        case empty, otherPage, stale
    }

    /// Whether a detach was stored by an address, and by a number. Without one, a search by such keys is useless.
    private(set) var (hasAddresses, hasNumbers) = (false, false)
    private var slots: [Slot?] = Array(repeating: nil, count: slotCount)

    private func place(of key: UInt64) -> Int {
        // Fibonacci hashing. Addresses differ in the bits from 6 on, numbers of pages in the lowest bits.
        Int(truncatingIfNeeded: (((key >> 6) ^ (key << 20)) &* 0x9e37_79b9_7f4a_7c15) >> 51) & (Self.slotCount - 1)
    }

    subscript(_ place: Int) -> Slot? {
        get { slots[place] }
        set { slots[place] = newValue }
    }

    /// Stores a detach and replaces the one that its slot had; returns the place of the slot. With `isNumber`, the key
    /// is the number of the page, else the address of its structure.
    mutating func store(_ slot: Slot, isNumber: Bool = false) -> Int {
        if isNumber { hasNumbers = true } else { hasAddresses = true }
        let place = place(of: slot.key)
        slots[place] = slot
        return place
    }

    /// Whether the page with this key was detached after `line`, at which its pin began.
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
    /// Whether the page had already lost its mapping when a pin returned it with a mapping at `line`. Then the kernel
    /// had freed the page and used it again, and the detach is not the one that a lookup met. In a text, the next event
    /// of the task may be among missing lines, so an unknown one counts as earlier.
    func isOver(at line: UInt64?, mayLackLines: Bool) -> Bool {
        guard let line, self.line < line else { return false }
        return next.map { $0 < line } ?? mayLackLines
    }

    /// The detach as it can be reported, without facts that are not certain. That a function is absent is a fact only
    /// if the stack is whole. Where any line may be missing (`mayLackLines`), it is never one, stack and entries must
    /// not contradict each other, and an operation that is not on a whole stack is not exact.
    /// - Parameter landmarksEntered: Those of all functions whose entry was seen; nil in a trace without entries.
    func settled(mayLackLines: Bool, landmarksEntered: Landmarks?) -> Detach {
        // An entry without an end may be that of an operation that ended long before; the line of its end is missing.
        let entries = mayLackLines ? confirmed : detach.landmarks
        let saying = stackLandmarks.subtracting(.shared)
        if mayLackLines, !isTrusted(saying, landmarksEntered) { return detach.unexplained }
        let settled = settled(saying, entries, mayLackLines: mayLackLines)
        // A whole stack without the operation: a frame is missing, or the end of that operation and another entry.
        let isUnnamed = stack == .whole && !stackLandmarks.isSuperset(of: settled.landmarks.subtracting(.shared))
        return mayLackLines && isUnnamed ? settled.inferred : settled
    }

    private func settled(_ saying: Landmarks, _ entries: Landmarks, mayLackLines: Bool) -> Detach {
        let isWhole = stack == .whole
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

    /// Whether stack and entries can belong to this detach, in a trace that may lack any line. `saying` are the
    /// landmarks of the stack that distinguish causes.
    private func isTrusted(_ saying: Landmarks, _ landmarksEntered: Landmarks?) -> Bool {
        // Without them, only the entries show the cause. The end of the operation must have been seen; else it may have
        // ended, and another one may have begun, in missing lines.
        guard !saying.isEmpty else { return isConfirmed }
        if contradictsEnds { return false }
        // The entry of each function on the stack would have been seen, as other entries were. Where one is missing,
        // the task entered the function before the text began or in missing lines, and the frames may be of two stacks.
        let unseen = saying.subtracting(detach.landmarks)
        if let landmarksEntered {
            let isSeen = knowsFunctions && unseen.isDisjoint(with: landmarksEntered)
            guard isSeen || (isKswapd && !knowsFunctions) else { return false }
        }
        guard !operation.isEmpty else { return true }
        // Within an operation whose entry was seen, the entry of each function was recorded. Reclaim is an exception:
        // its tracepoint may not be recorded.
        guard unseen.subtracting(.reclaim).isEmpty else { return false }
        return stackLandmarks.isSuperset(of: operation)
            || (stack != .whole && isConfirmed && saying.isSubset(of: confirmed))
    }

    /// kswapd does nothing but reclaim, so its name confirms that stack.
    private var isKswapd: Bool {
        stackLandmarks.subtracting(.shared) == .reclaim && detach.culprit.comm.text.hasPrefix("kswapd")
    }

    /// The task left a function that is missing on the stack. So a part of the stack belongs to another detach.
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
        case .fallocateOther: !cuts.isDisjoint(with: [.punch, .onlyPunch]) && !cuts.contains(.other)
        default: false
        }
    }

    /// Whether the page lies behind the end of its file, as far as that is known. A file gets its new size before its
    /// pages are removed (truncate_setsize(), and the same in file systems that do not call it), so a truncation
    /// removes only such pages. The index of a page of hugetlbfs has another unit, so for that nothing is known.
    private var liesBehindEnd: Bool {
        guard detach.magic != 0, detach.magic != FileSystemMagic.hugetlbfs else { return true }
        let pageBytes = RunInfo.usualPageBytes
        return detach.index >= detach.fileSize / pageBytes + (detach.fileSize % pageBytes == 0 ? 0 : 1)
    }

    /// The mode of fallocate() according to the stack: from a function that belongs to one mode, such as
    /// ext4_punch_hole(), or from a file system that refuses all other modes that remove pages (EOPNOTSUPP in
    /// mm/shmem.c and fs/hugetlbfs/inode.c). Nil where the stack does not show it.
    private var scopeByStack: ActivityKind? {
        let isRemoved = stackLandmarks.contains(.truncateRange)
        if cuts.contains(.other) { return cuts.contains(.punch) ? nil : .fallocateOther }
        return cuts.contains(.punch) || (cuts.contains(.onlyPunch) && isRemoved) ? .holePunch : nil
    }

    /// Whether a page of the folio lies in the hole, as far as that is known: a hole punch removes no other folio.
    private var liesInHole: Bool {
        let pageBytes = RunInfo.usualPageBytes
        guard let hole = detach.hole, detach.scope == .holePunch, detach.magic != FileSystemMagic.hugetlbfs,
            detach.index < UInt64.max / pageBytes - UInt64(detach.pages), !hole.isEmpty
        else { return true }
        let begin = detach.index * pageBytes
        return hole.overlaps(begin..<begin + UInt64(detach.pages) * pageBytes)
    }

    /// Whether stack and entries both show that the kernel evicted the inode with all its pages.
    private func isEviction(_ entries: Landmarks) -> Bool {
        isConfirmed && entries.contains(.evict) && stackLandmarks.isSuperset(of: detach.landmarks)
    }
}

extension Detach {
    /// The same detach with its operation as the operation in progress, and without a stack.
    fileprivate var inferred: Detach {
        guard let operation = stackReading?.operation else { return self }
        var detach = unexplained
        detach.scope = operation
        return detach
    }

    /// The same detach without a cause.
    fileprivate var unexplained: Detach {
        var detach = self
        (detach.landmarks, detach.scope, detach.hole, detach.stackIsNamed) = ([], nil, nil, false)
        return detach
    }
}

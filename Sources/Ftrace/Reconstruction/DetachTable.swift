// SPDX-License-Identifier: Apache-2.0

// The detaches that a lookup may yet meet: one slot for each page, direct-mapped as on the kernel side,
// so that millions of detaches take no more room than thousands. Whatever the text did not say of a
// detach is settled here, before it is told.

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
        /// Functions on its stack in the text. `detach.landmarks` are those seen to be entered.
        var stackLandmarks: Landmarks = []
        /// The lookup's task and entry that has been told of it, so that a loop tells it once.
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
    /// The detach as it can be told: what is not known for sure is taken out, since an absent function
    /// proves nothing unless the stack is whole.
    var settled: Detach {
        var detach = detach
        detach.stackIsNamed = stack == .whole
        // A whole stack knows better than entries, whose return may have been missed. One that says
        // nothing may have lost a line on its way over a console.
        let isTelling = stack == .whole && !stackLandmarks.subtracting(.shared).isEmpty
        detach.landmarks = isTelling ? stackLandmarks : detach.landmarks.union(stackLandmarks)
        if detach.landmarks.contains(.fallocate), detach.magic == FileSystemMagic.bdev {
            detach.landmarks.insert(.blockDeviceTruncate)
        }
        guard detach.landmarks.decided == nil else { return detach }
        let isBlockDevice = detach.landmarks.isBlockDeviceTruncate
        let isPlainFallocate = detach.landmarks.contains(.fallocate) && detach.fallocateMode == nil
        // One mode of fallocate() looks like the other, so its entry must have been seen.
        if isPlainFallocate && !isBlockDevice { return detach.unexplained }
        if stack != .whole, !isBlockDevice, detach.landmarks.subtracting(.shared).isEmpty {
            return detach.unexplained
        }
        return detach
    }
}

extension Detach {
    fileprivate var unexplained: Detach {
        var detach = self
        (detach.landmarks, detach.scope, detach.hole, detach.stackIsNamed) = ([], nil, nil, false)
        return detach
    }
}

// SPDX-License-Identifier: Apache-2.0

// The page that the coordinator, the victim and the culprit share: their pids, their counts, when to start and when to
// stop. It stays when a worker is killed, so that its counts are not lost. A process that waits for a slot sleeps and
// reads it again, because a futex of this program would appear among those that are traced.

internal import Synchronization

final class Scoreboard: Sendable {
    /// One 64-bit word each.
    enum Slot: Int, CaseIterable {
        /// Set by the coordinator, to recognize a scoreboard.
        case mark
        case go, stop
        case victimReady, culpritReady
        case victimPid, victimTid, culpritPid, culpritTid
        /// Where the victim's futex is, in the victim's address space.
        case victimAddress
        /// Which of a file's strides the victim calls on, for causes that use up their pages.
        case cursor
        /// Odd while the file is shorter than the futex's offset; grows at every change.
        case truncations
        case calls, succeeded, efault, efaultBeyondEnd, otherErrors, lastError
        case startedNs, endedNs
        case operations, operationsFailed, lastOperationError
        case realTimeRefused, pinRefused
        /// 1 + the index in `DriverPage.allCases` of the page that was permitted.
        case driverPage
        /// Poisoned pages that were given back.
        case released
    }

    private static let mark = 0x6675_7465_7870
    private static let words = 64
    private static let textBytes = 1000

    let file: Descriptor
    private let page: Mapping

    /// A new one, for the coordinator.
    init() throws(SyscallError) {
        file = Descriptor(owning: try Syscalls.memoryFile("futexscope-scoreboard"), subject: "the scoreboard")
        try file.resize(to: Mapping.pageBytes)
        page = try Mapping(file, bytes: Mapping.pageBytes, .readWrite)
        self[.mark] = Self.mark
    }

    /// The coordinator's, in a worker that was started with its descriptor; nil if it is no scoreboard.
    init?(inherited number: Int32) {
        let file = Descriptor(owning: number, subject: "the scoreboard")
        guard let page = try? Mapping(file, bytes: Mapping.pageBytes, .readWrite) else { return nil }
        self.file = file
        self.page = page
        if self[.mark] != Self.mark { return nil }
    }

    private func word(_ index: Int) -> UnsafeMutablePointer<Atomic<Int>> {
        // The page is aligned, zero at first (a valid atomic of 0), larger than all words, and
        // mapped as long as this object lives; all access is atomic.
        unsafe (page.start + index * MemoryLayout<Int>.stride).assumingMemoryBound(to: Atomic<Int>.self)
    }

    subscript(slot: Slot) -> Int {
        // Plain loads and stores on x86: a dearer access would reduce the share of its time that the victim spends inside
        // the call, and so the number of observations.
        get { unsafe word(slot.rawValue).pointee.load(ordering: .acquiring) }
        // Each slot has one writer at a time, so that reading, adding and storing lose nothing.
        set { unsafe word(slot.rawValue).pointee.store(newValue, ordering: .releasing) }
    }

    // MARK: Why a worker failed

    // Two areas behind the words: length and kind in one word, then the text.
    private func area(_ role: Role) -> (head: Int, text: Int) {
        let first = Self.words + (role == .victim ? 0 : 160)
        return (first, (first + 1) * MemoryLayout<Int>.stride)
    }

    func store(_ failure: ProvocationError, of role: Role) {
        let (head, text) = area(role)
        let bytes = failure.description.utf8.prefix(Self.textBytes)
        for (index, byte) in bytes.enumerated() {
            // Within the page: the second area ends at (64 + 160 + 1) * 8 + 1000 = 2800.
            unsafe page.start.storeBytes(of: byte, toByteOffset: text + index, as: UInt8.self)
        }
        unsafe word(head).pointee.store(
            failure.kind.rawValue << 32 | bytes.count, ordering: .releasing)
    }

    func failure(of role: Role) -> ProvocationError? {
        let (head, text) = area(role)
        let value = unsafe word(head).pointee.load(ordering: .acquiring)
        guard let kind = ProvocationError.Kind(rawValue: value >> 32) else { return nil }
        let length = min(value & 0xffff, Self.textBytes)
        let bytes = (0..<length).map {
            // Written before the head was stored, and inside the page as above.
            unsafe page.start.load(fromByteOffset: text + $0, as: UInt8.self)
        }
        return ProvocationError(kind: kind, description: String(decoding: bytes, as: UTF8.self))
    }

    /// Waits until the slot is set; false if the run stops first.
    func wait(for slot: Slot) -> Bool {
        while self[slot] == 0 {
            if self[.stop] != 0 { return false }
            Syscalls.nap(nanoseconds: 200_000)
        }
        return true
    }
}

// SPDX-License-Identifier: Apache-2.0

// The arguments of an event: values by key. The readers of texts (Text/) and of trace.dat (TraceDat/) fill them in. An
// argument that the trace does not have, or whose value is no number, is absent.

import Events

/// The arguments that the reader needs. The value is large, so it is not copied.
struct Arguments: ~Copyable {
    enum Key: Int, CaseIterable {
        case uaddr, fshared, flags, write, address, ret, page, mapping, reserved, swapcache, swapback
        case large, order, base, zero, hugezero, index, referenc, dev, inode, size, magic, mode, offset
        case length, advice, pfn, ofs, uptodate

        /// Its value is the address of a page's structure.
        var isAddress: Bool { self == .page || self == .base }
    }

    /// A place for each key.
    private var values = [UInt64](repeating: 0, count: keyCount)
    private static let keyCount = 29
    /// A bit for each key, two for the caller, and one for damage.
    private var present: UInt32 = 0
    private static let callerKnown: UInt32 = 1 << 30
    private static let callerIsFutex: UInt32 = 1 << 31
    private static let damaged: UInt32 = 1 << 29
    private static let flags = callerKnown | callerIsFutex | damaged
    /// Number of words `name=value` in the text of the event, also of those that the reader does not need; at most 255.
    var wordCount: UInt8 = 0

    /// Whether the call came from get_futex_key(); nil when the trace does not name the caller.
    var isFutexCall: Bool? {
        get { present & Self.callerKnown != 0 ? present & Self.callerIsFutex != 0 : nil }
        set {
            present &= ~(Self.callerKnown | Self.callerIsFutex)
            if let newValue { present |= Self.callerKnown | (newValue ? Self.callerIsFutex : 0) }
        }
    }

    /// The text of the event holds something else among the arguments, or ends within one of them.
    var isDamaged: Bool {
        get { present & Self.damaged != 0 }
        set { present = newValue ? present | Self.damaged : present & ~Self.damaged }
    }

    /// The value as it is stored, a negative number in two's complement.
    @inline(__always)
    subscript(_ key: Key) -> UInt64? {
        get { present & (1 << key.rawValue) != 0 ? values[key.rawValue] : nil }
        set {
            values[key.rawValue] = newValue ?? 0
            present = newValue == nil ? present & ~(1 << key.rawValue) : present | 1 << key.rawValue
        }
    }
    @inline(__always)
    func isSet(_ key: Key) -> Bool { (self[key] ?? 0) != 0 }

    mutating func removeAll() { (present, wordCount) = (0, 0) }

    // MARK: Storage of many events

    /// Which arguments are present; `pack` has their values.
    var packedKeys: UInt32 { present }
    /// How many values these keys have.
    static func count(of keys: UInt32) -> Int { (keys & ((1 << UInt32(keyCount)) - 1)).nonzeroBitCount }

    /// Appends the values of the arguments that are present.
    func pack(into values: inout [UInt64]) {
        for key in Key.allCases { if let value = self[key] { values.append(value) } }
    }

    /// Loads the values that `pack` has stored, from `place` on; `keys` are those of the stored arguments.
    @inline(__always)
    mutating func unpack(_ keys: UInt32, _ values: [UInt64], at place: Int) {
        present = keys & (Self.flags | ((1 << UInt32(Self.keyCount)) - 1))
        var (left, place) = (keys & ((1 << UInt32(Self.keyCount)) - 1), place)
        var own = self.values.mutableSpan
        while left != 0 {
            own[left.trailingZeroBitCount] = values[place]
            (left, place) = (left & (left &- 1), place &+ 1)
        }
    }

    /// The first eight bytes of a name as a number. The reader knows an argument by these bytes alone.
    static func pack(_ name: String) -> UInt64 {
        name.utf8.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}

// SPDX-License-Identifier: Apache-2.0

// Operations that detach pages, and landmarks: what the functions on the stack of a detaching task say of the operation.
// Landmarks are a set of bits, so that an event carries no kernel address and means the same on another machine. The
// table below says how each of them is read; `KernelFunctions` says which functions stand for which landmark.

/// Operations that detach pages. Raw values are those of `enum fs_activity_kind`. Part of the recording format; see
/// `RecordedWord`.
public enum ActivityKind: UInt8, NumberedWord {
    case directIOInvalidation = 1
    case dropCaches
    case fadvise
    case reclaim
    case truncate
    case holePunch
    /// fallocate() that zeroes, collapses or inserts a range.
    case fallocateOther
    case blockZeroOut
    case swapOut
    case migration
    case collapse
    case split
    case memoryFailure

    /// The name in all output; equal to the cause's where there is one.
    public var name: String { recorded.name }
    public var format: Int { recorded.format }

    /// The name, and the recording format that brought it.
    private var recorded: (name: String, format: Int) {
        switch self {
        case .directIOInvalidation: ("direct-io-invalidation", 1)
        case .dropCaches: ("drop-caches", 1)
        case .fadvise: ("fadvise", 1)
        case .reclaim: ("reclaim", 1)
        case .truncate: ("truncate", 1)
        case .holePunch: ("hole-punch", 1)
        case .fallocateOther: ("fallocate-other", 1)
        case .blockZeroOut: ("block-zero-out", 1)
        case .swapOut: ("swap-out", 1)
        case .migration: ("migration", 1)
        case .collapse: ("collapse", 1)
        case .split: ("split", 1)
        case .memoryFailure: ("memory-failure", 1)
        }
    }
}

/// Meanings of the functions on a stack. Part of the recording format; see `RecordedBits`.
public struct Landmarks: RecordedBits, Hashable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public static let memoryFailure = Landmarks(rawValue: 1 << 0)
    public static let dropCaches = Landmarks(rawValue: 1 << 1)
    public static let fadvise = Landmarks(rawValue: 1 << 2)
    public static let blockDeviceTruncate = Landmarks(rawValue: 1 << 3)
    public static let invalidate2 = Landmarks(rawValue: 1 << 4)
    public static let fallocate = Landmarks(rawValue: 1 << 5)
    public static let partialFolio = Landmarks(rawValue: 1 << 6)
    public static let setSize = Landmarks(rawValue: 1 << 7)
    public static let truncateRange = Landmarks(rawValue: 1 << 8)
    public static let reclaim = Landmarks(rawValue: 1 << 9)
    public static let swapOut = Landmarks(rawValue: 1 << 10)
    public static let migration = Landmarks(rawValue: 1 << 11)
    public static let collapse = Landmarks(rawValue: 1 << 12)
    public static let split = Landmarks(rawValue: 1 << 13)
    public static let evict = Landmarks(rawValue: 1 << 14)
    public static let invalidate = Landmarks(rawValue: 1 << 15)

    /// How a landmark is read.
    public enum Reading: Sendable, Equatable {
        /// It names the operation, whatever is around it on the stack. Of several, the first in the table wins.
        case decides(ActivityKind)
        /// It names the operation of the system call, unless a landmark decides.
        case names
        /// It lies on the paths of several operations, and says nothing without the rest of the stack.
        case shared
    }

    /// Each landmark with its name in output, how it is read, and the recording format that brought it. A stack is read
    /// in the order of the landmarks that decide: reclaim can start inside any operation that allocates memory, and the
    /// pages that it removes are removed by reclaim.
    public static let table: [(landmark: Landmarks, name: String, reading: Reading, format: Int)] = [
        (.swapOut, "swap-out", .decides(.swapOut), 1),
        (.migration, "migration", .decides(.migration), 1),
        (.collapse, "collapse", .decides(.collapse), 1),
        (.memoryFailure, "memory-failure", .decides(.memoryFailure), 1),
        (.dropCaches, "drop-caches", .decides(.dropCaches), 1),
        (.reclaim, "reclaim", .decides(.reclaim), 1),
        (.fadvise, "fadvise", .decides(.fadvise), 1),
        (.invalidate2, "invalidate2", .decides(.directIOInvalidation), 1),
        (.fallocate, "fallocate", .names, 1),
        (.setSize, "set-size", .names, 1),
        (.blockDeviceTruncate, "block-device-truncate", .shared, 1),
        (.split, "split", .shared, 1),
        (.partialFolio, "partial-folio", .shared, 1),
        (.truncateRange, "truncate-range", .shared, 1),
        (.evict, "evict", .shared, 1),
        (.invalidate, "invalidate", .shared, 1),
    ]

    /// All that lie on the paths of several operations.
    public static let shared = table.filter { $0.reading == .shared }.reduce(into: Landmarks()) {
        $0.insert($1.landmark)
    }

    /// The operation that one of them decides.
    public var decided: ActivityKind? {
        for (landmark, kind) in Self.deciding where contains(landmark) { return kind }
        return nil
    }
    private static let deciding: [(landmark: Landmarks, kind: ActivityKind)] = table.compactMap { row in
        if case .decides(let kind) = row.reading { (row.landmark, kind) } else { nil }
    }

    /// BLKZEROOUT, BLKDISCARD or fallocate() on a mapped block device.
    public var isBlockDeviceTruncate: Bool { isSuperset(of: [.blockDeviceTruncate, .truncateRange]) }

    /// The names of those that are set, in the order of their bits.
    public var names: [String] { Self.words.compactMap { contains($0.bit) ? $0.name : nil } }

    public static let words =
        table.map { RecordedBit($0.landmark, $0.name, format: $0.format) }
        .sorted { $0.bit.rawValue < $1.bit.rawValue }
}

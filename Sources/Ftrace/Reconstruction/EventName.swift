// SPDX-License-Identifier: Apache-2.0

// The events that the reader knows: those of the recipe and some of the kernel's own tracepoints. They are found by the
// hash of their name.

import Events

/// The meaning of an event for the reader.
enum EventName: Equatable {
    case lookup, lookupReturn, pin, pinReturn, lockWait, unlock, detach
    /// The tracepoint mm_filemap_delete_from_page_cache.
    case removal
    /// Entry and return of a function that says something about a cause, or begin and end of reclaim.
    case enter(FunctionID), leave(FunctionID)
    case stack
    case marker
    /// An event of the futex system call. It is not used, but it shows that the trace was recorded for futexes without
    /// the recipe.
    case systemCall

    /// Whether its arguments have the form `name=value`, with nothing else after its name.
    var hasArguments: Bool {
        switch self {
        case .lookup, .lookupReturn, .pin, .pinReturn, .lockWait, .unlock, .detach, .removal, .enter, .leave: true
        case .stack, .marker, .systemCall: false
        }
    }

    /// A small number for each event that has arguments; nil for the others.
    @inline(__always)
    var place: Int? {
        switch self {
        case .lookup: 0
        case .lookupReturn: 1
        case .pin: 2
        case .pinReturn: 3
        case .lockWait: 4
        case .unlock: 5
        case .detach: 6
        case .enter(let id): 7 + Int(id.number)
        case .leave, .removal, .stack, .marker, .systemCall: nil
        }
    }
    /// A value for each place: for the first seven, and for each `FunctionID`.
    typealias Places<Value> = [263 of Value]
    static let placeCount = Places<Void>.count

    /// The hash of a name in a text.
    static func hash(_ text: TraceText, _ name: Range<Int>) -> UInt64 {
        var sum: UInt64 = 0xcbf2_9ce4_8422_2325
        for position in stride(from: name.lowerBound, to: name.upperBound, by: 8) {
            let left = name.upperBound - position
            sum = (sum ^ text.word(at: position, count: left)) &* 0x9e37_79b9_7f4a_7c15
            sum ^= sum >> 32
        }
        return sum
    }

    static func hash(_ name: String) -> UInt64 {
        let padded = Array(name.utf8) + Array(repeating: 0, count: TraceText.padding)
        // The bytes live over the call.
        return unsafe padded.withUnsafeBufferPointer { bytes in
            let text = unsafe TraceText(padded: bytes)
            return hash(text, 0..<text.count)
        }
    }
}

/// A function that says something about a cause: its place in `KnownFunctions`.
struct FunctionID: Equatable {
    var number: UInt8
}

/// A function or an operation during which a page can lose its mapping.
struct KnownFunction {
    var landmark: Landmarks
    /// The operation that a call of it is; nil when it is none.
    var operation: KernelFunction.Operation?
}

/// The meaning of a function on a stack.
struct KnownFrame {
    var landmark: Landmarks = []
    var cuts: Cuts = []

    /// Modes of fallocate() to which the function belongs.
    struct Cuts: OptionSet, Sendable {
        let rawValue: UInt8
        static let punch = Cuts(rawValue: 1)
        static let other = Cuts(rawValue: 2)
        /// Functions of a file system that has only one mode that removes pages: to punch a hole.
        static let onlyPunch = Cuts(rawValue: 4)
    }

    static let modes: [(Cuts, [String])] = [
        (.onlyPunch, ["shmem_fallocate", "hugetlbfs_fallocate"]),
        (.punch, ["ext4_punch_hole", "btrfs_punch_hole", "hugetlbfs_punch_hole", "f2fs_punch_hole"]),
        (
            .other,
            [
                "ext4_zero_range", "ext4_collapse_range", "ext4_insert_range", "btrfs_zero_range", "f2fs_zero_range",
                "f2fs_collapse_range", "f2fs_insert_range", "xfs_collapse_file_space", "xfs_insert_file_space",
            ]
        ),
    ]
}

/// A table by keys that are hashes themselves: open addressing, less than half full.
private struct HashTable<Value: Sendable>: Sendable {
    /// 0 in a free place.
    private var keys: [UInt64]
    private var values: [Value]

    /// `size` is a power of two.
    init(size: Int, filler: Value) {
        keys = Array(repeating: 0, count: size)
        values = Array(repeating: filler, count: size)
    }

    mutating func insert(_ key: UInt64, _ value: Value) {
        var place = place(of: key)
        while keys[place] != 0 { place = (place + 1) & (keys.count - 1) }
        (keys[place], values[place]) = (key, value)
    }

    subscript(key: UInt64) -> Value? {
        var place = place(of: key)
        while keys[place] != 0 {
            if keys[place] == key { return values[place] }
            place = (place + 1) & (keys.count - 1)
        }
        return nil
    }

    private func place(of key: UInt64) -> Int {
        // Some keys are packed names, which may differ only in their upper bits.
        Int(truncatingIfNeeded: ((key ^ key >> 29) &* 0x9e37_79b9_7f4a_7c15) >> 40) & (keys.count - 1)
    }
}

/// The tables of names: made once, and shared by all readers.
final class KnownNames: Sendable {
    private let functions: [KnownFunction]
    /// By the hash of an event's name.
    private let events: HashTable<EventName>
    /// By the name of an argument as `Arguments` packs it.
    private let arguments: HashTable<Arguments.Key>
    /// By the hash of a function's name: what it means on a stack.
    private let onStack: [UInt64: KnownFrame]

    init() {
        var functions: [KnownFunction] = []
        var events = HashTable<EventName>(size: 512, filler: .marker)
        var arguments = HashTable<Arguments.Key>(size: 128, filler: .uaddr)
        var onStack: [UInt64: KnownFrame] = [:]
        func insert(_ name: String, _ event: EventName) { events.insert(EventName.hash(name), event) }
        for (name, event) in Self.ownEvents { insert(name, event) }
        for function in KernelFunctions.landmarks {
            for name in function.names {
                let id = FunctionID(number: UInt8(functions.count))
                functions.append(KnownFunction(landmark: function.landmark, operation: function.operation))
                insert("fs_in_" + name, .enter(id))
                insert("fs_out_" + name, .leave(id))
                onStack[EventName.hash(name)] = KnownFrame(landmark: function.landmark)
            }
        }
        for (cuts, names) in KnownFrame.modes {
            for name in names { onStack[EventName.hash(name), default: KnownFrame()].cuts = cuts }
        }
        for key in Arguments.Key.allCases { arguments.insert(Arguments.pack("\(key)"), key) }
        // Reclaim is the last function. Its tracepoints are begin and end, and for kswapd wake and sleep.
        let reclaim = FunctionID(number: UInt8(functions.count))
        functions.append(KnownFunction(landmark: .reclaim, operation: .kind(.reclaim)))
        for name in KernelFunctions.reclaimTracepoints {
            let isBegin = name.hasSuffix("_begin") || name.hasSuffix("_wake")
            insert(name, isBegin ? .enter(reclaim) : .leave(reclaim))
        }
        (self.functions, self.events, self.arguments, self.onStack) = (functions, events, arguments, onStack)
    }

    private static let ownEvents: [(String, EventName)] = [
        ("fs_lookup", .lookup), ("fs_lookup_return", .lookupReturn), ("fs_pin", .pin), ("fs_pin_return", .pinReturn),
        ("fs_lock_wait", .lockWait), ("fs_unlock", .unlock), ("fs_detach", .detach),
        ("mm_filemap_delete_from_page_cache", .removal), ("kernel_stack", .stack),
        ("tracing_mark_write", .marker), ("print", .marker), ("sys_enter_futex", .systemCall),
        ("sys_exit_futex", .systemCall), ("sys_futex", .systemCall),
    ]

    /// Whether the recipe defines the event, so that every argument of it is a number or the caller.
    func isOfRecipe(_ event: EventName) -> Bool {
        switch event {
        case .lookup, .lookupReturn, .pin, .pinReturn, .lockWait, .unlock, .detach: true
        case .enter(let id), .leave(let id): Int(id.number) != functions.count - 1
        case .removal, .stack, .marker, .systemCall: false
        }
    }

    func event(_ hash: UInt64) -> EventName? { events[hash] }
    func argument(_ name: UInt64) -> Arguments.Key? { arguments[name] }
    func frame(_ hash: UInt64) -> KnownFrame { onStack[hash] ?? KnownFrame() }
    subscript(_ id: FunctionID) -> KnownFunction { functions[Int(id.number)] }
}

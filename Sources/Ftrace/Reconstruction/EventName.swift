// SPDX-License-Identifier: Apache-2.0

// The names of the events that the reader knows, found by their hash. Names are those of the recipe, and
// those of the kernel's own tracepoints.

import Events

/// What an event is to the reader.
enum EventName: Equatable {
    case lookup, lookupReturn, pin, pinReturn, lockWait, unlock, detach
    /// The tracepoint of the page cache.
    case removal
    /// Entry and return of a function that says something about a cause, or begin and end of reclaim.
    case enter(FunctionID), leave(FunctionID)
    case stack
    case marker
    /// Of no use, but the sign of a trace that was recorded for futexes by other means.
    case systemCall

    /// Whether what it carries is of use.
    var hasArguments: Bool {
        switch self {
        case .lookup, .lookupReturn, .pin, .pinReturn, .unlock, .detach, .removal, .enter: true
        case .lockWait, .leave, .stack, .marker, .systemCall: false
        }
    }

    /// Of a name in a text, eight bytes at a time.
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

/// Values by numbers that are hashes already: open addressing, less than half full.
private struct HashTable<Value: Sendable>: Sendable {
    /// 0 where there is none.
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
        // Packed names differ in their upper bits as well.
        Int(truncatingIfNeeded: ((key ^ key >> 29) &* 0x9e37_79b9_7f4a_7c15) >> 40) & (keys.count - 1)
    }
}

/// The tables behind names: made once, and held in one place by all that look at them.
final class KnownNames: Sendable {
    private let functions: [KnownFunction]
    /// By the hash of an event's name.
    private let events: HashTable<EventName>
    /// By the name of an argument as `Arguments` packs it.
    private let arguments: HashTable<Arguments.Key>
    /// By the hash of a function's name: what it means on a stack.
    private let onStack: [UInt64: Landmarks]

    init() {
        var functions: [KnownFunction] = []
        var events = HashTable<EventName>(size: 512, filler: .marker)
        var arguments = HashTable<Arguments.Key>(size: 128, filler: .uaddr)
        var onStack: [UInt64: Landmarks] = [:]
        func insert(_ name: String, _ event: EventName) { events.insert(EventName.hash(name), event) }
        for (name, event) in Self.ownEvents { insert(name, event) }
        for function in KernelFunctions.landmarks {
            for name in function.names {
                let id = FunctionID(number: UInt8(functions.count))
                functions.append(KnownFunction(landmark: function.landmark, operation: function.operation))
                insert("fs_in_" + name, .enter(id))
                insert("fs_out_" + name, .leave(id))
                onStack[EventName.hash(name)] = function.landmark
            }
        }
        for key in Arguments.Key.allCases { arguments.insert(Arguments.pack("\(key)"), key) }
        // Kernel threads that reclaim run from wake to sleep; the others from begin to end.
        let reclaim = FunctionID(number: UInt8(functions.count))
        functions.append(KnownFunction(landmark: .reclaim, operation: .kind(.reclaim)))
        for name in FtraceRecipe.reclaimTracepoints {
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

    func event(_ hash: UInt64) -> EventName? { events[hash] }
    func argument(_ name: UInt64) -> Arguments.Key? { arguments[name] }
    func landmark(_ hash: UInt64) -> Landmarks { onStack[hash] ?? [] }
    subscript(_ id: FunctionID) -> KnownFunction { functions[Int(id.number)] }
}

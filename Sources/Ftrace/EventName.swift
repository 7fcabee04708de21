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

    static let hashSeed: UInt64 = 0xcbf2_9ce4_8422_2325
    @inline(__always) static func hash(_ sum: UInt64, _ byte: UInt8) -> UInt64 {
        (sum ^ UInt64(byte)) &* 0x100_0000_01b3
    }
    static func hash(_ name: String) -> UInt64 { name.utf8.reduce(hashSeed, hash) }
}

/// A function that says something about a cause: its place in `KnownFunctions`.
struct FunctionID: Equatable {
    var number: UInt8
}

/// A function or an operation during which a page can lose its mapping.
struct KnownFunction {
    var landmark: Landmarks
    /// The operation that it is; nil when it is none, or when its arguments decide.
    var kind: ActivityKind?
    var role = Role.plain

    enum Role { case plain, fallocate, fadvise }
}

/// The tables behind names: made once.
struct KnownNames {
    private(set) var functions: [KnownFunction] = []
    /// Open addressing, a power of two, less than half full.
    private var keys = [UInt64](repeating: 0, count: 512)
    private var values = [EventName](repeating: .marker, count: 512)
    /// By the hash of a function's name: what it means on a stack.
    private var onStack: [UInt64: Landmarks] = [:]

    init() {
        for (name, event) in Self.events { insert(name, event) }
        for (landmark, names) in Landmarks.functions {
            for name in names {
                let id = add(landmark: landmark, name: name)
                insert("fs_in_" + name, .enter(id))
                insert("fs_out_" + name, .leave(id))
                onStack[EventName.hash(name)] = landmark
            }
        }
        // Kernel threads that reclaim run from wake to sleep; the others from begin to end.
        let reclaim = FunctionID(number: UInt8(functions.count))
        functions.append(KnownFunction(landmark: .reclaim, kind: .reclaim))
        for name in FtraceRecipe.reclaimTracepoints {
            let isBegin = name.hasSuffix("_begin") || name.hasSuffix("_wake")
            insert(name, isBegin ? .enter(reclaim) : .leave(reclaim))
        }
    }

    private static let events: [(String, EventName)] = [
        ("fs_lookup", .lookup), ("fs_lookup_return", .lookupReturn), ("fs_pin", .pin), ("fs_pin_return", .pinReturn),
        ("fs_lock_wait", .lockWait), ("fs_unlock", .unlock), ("fs_detach", .detach),
        ("mm_filemap_delete_from_page_cache", .removal), ("kernel_stack", .stack),
        ("tracing_mark_write", .marker), ("print", .marker), ("sys_enter_futex", .systemCall),
        ("sys_exit_futex", .systemCall), ("sys_futex", .systemCall),
    ]

    private mutating func add(landmark: Landmarks, name: String) -> FunctionID {
        var function = KnownFunction(landmark: landmark, kind: nil)
        switch name {
        case "drop_caches_sysctl_handler": function.kind = .dropCaches
        case "invalidate_inode_pages2_range": function.kind = .directIOInvalidation
        case "vfs_fallocate": function.role = .fallocate
        case "generic_fadvise": function.role = .fadvise
        case "do_truncate", "vfs_truncate", "do_ftruncate": function.kind = .truncate
        case "truncate_bdev_range": function.kind = .blockZeroOut
        case "reclaim_pages": function.kind = .reclaim
        case "migrate_pages": function.kind = .migration
        case "collapse_file": function.kind = .collapse
        case "split_huge_page_to_list", "split_huge_page_to_list_to_order", "__folio_split": function.kind = .split
        case "memory_failure": function.kind = .memoryFailure
        default: break
        }
        functions.append(function)
        return FunctionID(number: UInt8(functions.count - 1))
    }

    private mutating func insert(_ name: String, _ event: EventName) {
        let key = EventName.hash(name)
        var place = Int(truncatingIfNeeded: key) & (keys.count - 1)
        while keys[place] != 0 { place = (place + 1) & (keys.count - 1) }
        (keys[place], values[place]) = (key, event)
    }

    func event(_ hash: UInt64) -> EventName? {
        var place = Int(truncatingIfNeeded: hash) & (keys.count - 1)
        while keys[place] != 0 {
            if keys[place] == hash { return values[place] }
            place = (place + 1) & (keys.count - 1)
        }
        return nil
    }

    func landmark(_ hash: UInt64) -> Landmarks { onStack[hash] ?? [] }
    subscript(_ id: FunctionID) -> KnownFunction { functions[Int(id.number)] }
}

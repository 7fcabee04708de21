// SPDX-License-Identifier: Apache-2.0

// The call path of a culprit: the kernel functions through which it came to detach a page. A detach has the number of
// its path alone; the path itself arrives once, as a name, ahead of the first detach that needs it. A path has names of
// functions, as the source resolved them, and no addresses.

/// The number of a call path, unique in its run.
public struct CallPathID: Sendable, Hashable {
    /// 0 for none.
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The stack was not read, or nothing on it could be named.
    public static let none = CallPathID(rawValue: 0)
    public var isNone: Bool { rawValue == 0 }
}

/// The functions of a call path.
public struct CallPath: Sendable, Hashable {
    /// Functions kept, from the innermost on; as many as the kernel side takes of a stack (`FS_STACK_DEPTH`).
    public static let depthLimit = 24
    /// Bytes of a function's name that are kept.
    private static let nameLimit = 120
    private static let separator: Character = ";"
    /// Stands for functions beyond the limit.
    public static let cut = "[cut]"
    /// Stands for an address in no function that the kernel names.
    public static let unknown = "[unknown]"

    /// The functions from the outermost to the innermost, with `;` between them: the form in which a path is stored and
    /// written. Untrusted where the source is a text or a recording.
    public let text: String

    /// A path as it was stored.
    public init(text: String) { self.text = text }

    /// From the names of a stack, the innermost function first; nil stands for a function without a name. Functions of
    /// the tracer itself are left out.
    /// - Parameter isCut: The stack continues beyond the last of them.
    /// - Returns: nil where no function has a name.
    public init?(stack: [String?], isCut: Bool = false) {
        let machinery = stack.prefix(Self.machineryLimit).lastIndex { $0.map(Self.isMachinery) ?? false }
        let own = stack[(machinery.map { $0 + 1 } ?? 0)...].drop { $0 == nil }
        guard !own.isEmpty else { return nil }
        var names = own.prefix(Self.depthLimit).map { $0.map(Self.plain) ?? Self.unknown }
        if isCut || own.count > names.count { names.append(Self.cut) }
        text = names.reversed().joined(separator: String(Self.separator))
    }

    /// From the outermost to the innermost.
    public var functions: [Substring] { text.split(separator: Self.separator) }

    /// How far from the innermost function the tracer's own functions may be.
    private static let machineryLimit = 10
    /// How the names begin of functions that run a program on a hook.
    private static let machinery = ["bpf_", "__bpf_", "__traceiter_", "ftrace_", "arch_ftrace_", "kprobe_", "fprobe_"]

    private static func isMachinery(_ name: String) -> Bool { machinery.contains { name.hasPrefix($0) } }

    /// Without a compiler's suffix, and without characters that a reader would not take for a name.
    private static func plain(_ name: String) -> String {
        let base = name.utf8.dropFirst().firstIndex(of: UInt8(ascii: ".")).map { name[..<$0] } ?? name[...]
        let kept = base.utf8.prefix(nameLimit).map { (0x21..<0x7f).contains($0) && $0 != UInt8(ascii: ";") ? $0 : 0x3f }
        return String(decoding: kept, as: UTF8.self)
    }
}

/// Gives each call path of a run its number. Memory is bounded: when the table is full it is emptied, and paths that
/// recur get another number and are named again.
public struct CallPathTable: Sendable {
    /// Paths remembered. A kernel detaches pages on some tens of paths.
    public static let limit = 1024

    private var numbers: [String: CallPathID] = [:]
    private var latest: UInt32 = 0

    public init() {}

    public var isFull: Bool { numbers.count >= Self.limit }
    public mutating func removeAll() { numbers = [:] }

    /// The number of a path and, where it is a new one, the name that must precede its use.
    public mutating func number(of path: CallPath) -> (id: CallPathID, name: Name?) {
        if let id = numbers[path.text] { return (id, nil) }
        latest &+= 1
        let id = CallPathID(rawValue: latest)
        // After 2^32 paths, each of them new to a table of a thousand.
        guard !id.isNone else { return (id, nil) }
        numbers[path.text] = id
        return (id, Name(subject: .callPath(id), text: path.text))
    }
}

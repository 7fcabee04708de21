// One line of a stack: " => function", with an offset or an address behind it or not.

/// A frame of a kernel stack.
struct Frame {
    /// Of the function, by `EventName.hash`; 0 where a probe has taken the place of its return.
    var function: UInt64
    var kind: Story.FrameKind

    /// Nil when it is something else.
    init?(_ bytes: TraceText, _ body: Range<Int>) {
        var scanner = Scanner(bytes: bytes, position: body.lowerBound, end: body.upperBound)
        _ = scanner.skipBlanks()
        guard scanner.take("="), scanner.take(">"), scanner.skipBlanks() else { return nil }
        if scanner.current == UInt8(ascii: "[") {
            (function, kind) = (0, .hidden)
            return
        }
        let begin = scanner.position
        scanner.skipWord(to: "+")
        let name = bytes[begin..<scanner.position]
        // A compiler's suffix, such as ".isra.0", begins with a dot.
        let base = name.dropFirst().firstIndex(of: UInt8(ascii: ".")) ?? name.endIndex
        (function, kind) = (EventName.hash(bytes, begin..<base), Self.kind(name))
    }

    private static let entries = [
        "entry_SYSCALL_64", "entry_SYSENTER", "entry_INT80", "ret_from_fork", "el0t_64_sync", "el0t_32_sync",
        "asm_exc_page_fault",
    ]
    private static let hiding = ["arch_rethook_trampoline", "kretprobe_trampoline", "__kretprobe_trampoline"]

    private static func kind(_ name: Slice<TraceText>) -> Story.FrameKind {
        if entries.contains(where: { name.starts(with: $0.utf8) }) { return .entry }
        return hiding.contains { name.starts(with: $0.utf8) } ? .hidden : .function
    }
}

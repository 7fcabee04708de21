// One frame of a stack: a function by its name, or a line " => function" with an offset or an address behind it or
// not.

/// A frame of a kernel stack.
struct Frame {
    /// Of the function, by `EventName.hash`; 0 where a probe has taken the place of its return.
    var function: UInt64
    var kind: Story.FrameKind

    private init(function: UInt64, kind: Story.FrameKind) { (self.function, self.kind) = (function, kind) }

    /// Nil when it is something else.
    init?(_ bytes: TraceText, _ body: Range<Int>) {
        var scanner = Scanner(bytes: bytes, position: body.lowerBound, end: body.upperBound)
        _ = scanner.skipBlanks()
        guard scanner.take("="), scanner.take(">"), scanner.skipBlanks() else { return nil }
        if scanner.current == UInt8(ascii: "[") {
            self.init(function: 0, kind: .hidden)
            return
        }
        let begin = scanner.position
        scanner.skipWord(to: "+")
        self.init(function: begin..<scanner.position, in: bytes)
    }

    /// By a function's name.
    init(function range: Range<Int>, in bytes: TraceText) {
        let name = bytes[range]
        // A compiler's suffix, such as ".isra.0", begins with a dot.
        let base = name.dropFirst().firstIndex(of: UInt8(ascii: ".")) ?? name.endIndex
        self.init(function: EventName.hash(bytes, range.lowerBound..<base), kind: Self.kind(name))
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

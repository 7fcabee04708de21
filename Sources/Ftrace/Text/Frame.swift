// SPDX-License-Identifier: Apache-2.0

// One frame of a stack: a function by its name, or a line " => function" with an offset or an address behind it or
// not.

/// A frame of a kernel stack.
struct Frame {
    /// Of the function, by `EventName.hash`; 0 where a probe has taken the place of its return.
    var function: UInt64
    var kind: Reconstruction.FrameKind
    /// As perf prints it, without a line that begins the stack.
    var isOfPerf = false
    /// Where it begins in its line, behind what a log has put there; else 0.
    var begin = 0

    private init(function: UInt64, kind: Reconstruction.FrameKind) { (self.function, self.kind) = (function, kind) }

    /// A frame that begins `body`, after blanks. Nil when it is something else.
    init?(_ bytes: TraceText, _ body: Range<Int>) {
        var scanner = Scanner(bytes: bytes, position: body.lowerBound, end: body.upperBound)
        _ = scanner.skipBlanks()
        guard scanner.take("="), scanner.take(">"), scanner.skipBlanks() else { return nil }
        self.init(&scanner)
    }

    /// A frame in a line that begins with something else, which a log has put there.
    init?(within bytes: TraceText, _ line: Range<Int>) {
        var begin = line.lowerBound
        while let arrow = bytes.find("=> ", in: begin..<line.upperBound) {
            begin = arrow + 3
            guard arrow == line.lowerBound || bytes[arrow - 1] <= 0x20 || bytes[arrow - 1].isMark else { continue }
            var scanner = Scanner(bytes: bytes, position: begin, end: line.upperBound)
            _ = scanner.skipBlanks()
            self.init(&scanner)
            self.begin = arrow
            return
        }
        // "	ffffffff8123abcd do_truncate+0x4 ([kernel.kallsyms])", as perf prints one, the object behind it or not;
        // behind a prefix only with all digits of an address.
        let isEnclosed = bytes[line.upperBound - 1] == UInt8(ascii: ")")
        for place in line.prefix(Self.prefixLimit) where bytes[place] <= 0x20 {
            var scanner = Scanner(bytes: bytes, position: place, end: line.upperBound)
            guard scanner.skipBlanks(), case let digits = scanner.position, let address = scanner.hexadecimal(),
                case let count = scanner.position - digits, count == 16 || (place == line.lowerBound && count >= 8),
                scanner.skipBlanks(),
                isEnclosed || (count == 16 && bytes.first(" ", in: scanner.position..<line.upperBound) == nil)
            else { continue }
            // Else it is a register or a part of a page: "raw: 0017ffffc0000000 dead000000000122".
            if place > line.lowerBound, let next = scanner.current, next &- 0x30 < 10 || next == UInt8(ascii: "(") {
                continue
            }
            self.init(&scanner)
            (isOfPerf, begin) = (true, place > line.lowerBound ? place : 0)
            if address >> 63 == 0 { kind = .user }
            return
        }
        return nil
    }

    /// Bytes in which the begin of a frame of perf is searched.
    private static let prefixLimit = 256

    private init(_ scanner: inout Scanner) {
        if scanner.current == UInt8(ascii: "[") {
            self.init(function: 0, kind: .hidden)
            return
        }
        let begin = scanner.position
        scanner.skipWord(to: "+")
        self.init(function: begin..<scanner.position, in: scanner.bytes)
        guard scanner.position < scanner.end else { return }
        // An offset, a module or an address may follow; if anything else does, lines were joined.
        scanner.skipWord()
        while scanner.skipBlanks(), scanner.position < scanner.end {
            guard let byte = scanner.current, [UInt8(ascii: "["), UInt8(ascii: "("), UInt8(ascii: "<")].contains(byte)
            else {
                kind = .hidden
                return
            }
            scanner.skipWord()
        }
    }

    /// By a function's name.
    init(function range: Range<Int>, in bytes: TraceText) {
        // A compiler's suffix, such as ".isra.0", begins with a dot.
        let base = range.isEmpty ? nil : bytes.first(".", in: range.lowerBound + 1..<range.upperBound)
        self.init(
            function: EventName.hash(bytes, range.lowerBound..<(base ?? range.upperBound)),
            kind: Self.kind(of: range, in: bytes))
    }

    /// How functions begin that say something of the stack and not of the cause, with their first eight bytes.
    private static let special: [(first: UInt64, name: String, kind: Reconstruction.FrameKind)] = {
        let entries = [
            "entry_SYSCALL_64", "entry_SYSENTER", "entry_INT80", "ret_from_fork", "el0t_64_sync", "el0t_32_sync",
        ]
        let faults = ["asm_exc_page_fault"]
        let hiding = ["arch_rethook_trampoline", "kretprobe_trampoline", "__kretprobe_trampoline"]
        return entries.map { (Arguments.pack($0), $0, .entry) } + faults.map { (Arguments.pack($0), $0, .fault) }
            + hiding.map { (Arguments.pack($0), $0, .hidden) }
    }()

    private static func kind(of range: Range<Int>, in bytes: TraceText) -> Reconstruction.FrameKind {
        let first = bytes.word(at: range.lowerBound)
        for function in special where function.first == first {
            if bytes[range].starts(with: function.name.utf8) { return function.kind }
        }
        return .function
    }
}

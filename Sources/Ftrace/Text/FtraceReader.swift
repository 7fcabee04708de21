// SPDX-License-Identifier: Apache-2.0

// Reads the text of a trace and tells its events. It takes what the kernel prints into `trace` and
// `trace_pipe`, what `trace-cmd report` makes of a recording, and what ftrace_dump_on_oops or SysRq-z put on
// a console, also when other lines stand between. Any bytes will do as input; memory does not grow with it.

public import System
public import Events

/// A trace as text, as a source of events.
public struct FtraceReader: EventSource {
    /// Bytes to read before giving up on a text in which nothing is known.
    static let patience: UInt64 = 4 << 20

    /// Appends the next chunk, some hundred KiB, to the bytes; false when there are no more.
    public typealias Input = (inout [UInt8]) throws -> Bool

    public private(set) var run: RunInfo
    private let name: String
    private let bytesInAll: UInt64?
    private let blocks: TraceBlocks
    private var reconstruction: Reconstruction
    private var mark = RecipeMark()
    /// Events of what was read ahead to know the run.
    private var ahead: [Event] = []
    /// Up to the block that was taken last.
    private var bytesRead: UInt64 = 0
    /// Those of all blocks before this one.
    private var linesBefore: UInt64 = 0
    /// Number of the line that was taken last, the first being 1.
    private var line: UInt64 = 0
    private var overlong: UInt64 = 0
    private var isOver = false
    private var isInStack = false

    // What is said when the text turns out to be something else.
    private var heads: UInt64 = 0
    private var systemCalls: UInt64 = 0
    private var tracer: String?

    /// Of each sort the first places, and how many there were.
    private var foreign = Places("line", "lines that are no lines of a trace")
    private var incomplete = Places("line", "events without an argument that is needed")

    /// Reads the first chunk to learn of the run. `name` is that of the file, for messages; with `tellsAll`
    /// every shared lookup is told, else those that met something or went back. Lines are read ahead by at most
    /// `threads` threads besides the caller's.
    public init(
        name: String, bytesInAll: UInt64? = nil, showsKernelAddresses: Bool = false, tellsAll: Bool = false,
        threads: Int = CPUs.usable - 1, input: @escaping Input
    ) throws {
        self.name = name
        self.bytesInAll = bytesInAll
        run = RunInfo(showsKernelAddresses: showsKernelAddresses)
        reconstruction = Reconstruction(showsKernelAddresses: showsKernelAddresses, tellsAll: tellsAll)
        blocks = TraceBlocks(names: reconstruction.names, threads: threads, input: input)
        var ahead: [Event] = []
        try step(into: &ahead)
        self.ahead = ahead
    }

    public var progress: SourceProgress { SourceProgress(bytesRead: bytesRead, bytesInAll: bytesInAll) }

    public mutating func read(into sink: inout some EventSink) throws -> Bool {
        if !ahead.isEmpty {
            for event in ahead { sink.take(event) }
            ahead = []
            return true
        }
        guard !isOver else { return false }
        try step(into: &sink)
        return true
    }

    /// One block, or the end.
    private mutating func step(into sink: inout some EventSink) throws {
        if try blocks.next({ block in try take(block, into: &sink) }) {
            // Other events may come first, for as long as they like; what can never help may not.
            let isHopeless = heads == 0 || tracer?.hasPrefix("function") == true
            if bytesRead > Self.patience, isHopeless, !reconstruction.seen.isAny {
                throw nothingKnown("the first 4 MiB")
            }
        } else {
            isOver = true
            if !reconstruction.seen.isAny { throw nothingKnown("it") }
            reconstruction.end(into: &sink)
        }
    }

    private mutating func take(_ block: TraceBlock, into sink: inout some EventSink) throws {
        if linesBefore == 0, TraceData.isRecognised(block.bytes) {
            throw SourceError(
                "\(name) is a recording of trace-cmd, which is not read from front to back; expected a text, or the path of the file"
            )
        }
        unsafe block.bytes.withUnsafeBufferPointer { bytes in
            // The block keeps them as long as it is shown.
            let text = unsafe TraceText(padded: bytes)
            // Of the line that is looked at.
            var arguments = Arguments()
            for line in block.lines { take(line, of: text, block.values, &arguments, into: &sink) }
        }
        bytesRead = block.bytesRead
        linesBefore += UInt64(block.lineCount)
        line = linesBefore
        overlong += block.overlong
    }

    // MARK: Lines

    private mutating func take(
        _ read: TraceLine, of text: TraceText, _ values: [UInt64], _ arguments: inout Arguments,
        into sink: inout some EventSink
    ) {
        line = linesBefore + UInt64(read.number) + 1
        switch read.meaning {
        case .event(.marker), .event(.stack), .other:
            again(text, read.range, into: &sink)
        case .frame(let kind):
            if isInStack {
                reconstruction.frame(values[read.firstValue], kind)
            } else {
                again(text, read.range, into: &sink)
            }
        case .unneeded:
            leaveStack()
            heads += 1
        case .event(let name):
            leaveStack()
            heads += 1
            arguments.unpack(read.keys, values, at: read.firstValue)
            take(name, read.head, arguments, into: &sink)
        }
    }

    private mutating func leaveStack() {
        guard isInStack else { return }
        isInStack = false
        reconstruction.endStack()
    }

    /// A line that says more with its text than its block could know.
    private mutating func again(_ text: TraceText, _ body: Range<Int>, into sink: inout some EventSink) {
        if !body.isEmpty, text[body.lowerBound] == UInt8(ascii: "#") { return comment(text, body, into: &sink) }
        leaveStack()
        guard let head = LineHead(text, body) else { return other(text, body, into: &sink) }
        heads += 1
        if head.name.isEmpty {
            // "<stack trace>", or a line of the function tracer.
            if head.arguments < body.upperBound, text[head.arguments] == UInt8(ascii: "<") {
                beginStack(head, into: &sink)
            }
        } else if let name = reconstruction.names.event(EventName.hash(text, head.name)) {
            switch name {
            case .marker: mark.read(text, head.arguments..<body.upperBound, at: head.event.time, into: &run)
            case .stack:
                beginStack(head, into: &sink)
                if let frame = Frame(text, head.arguments..<body.upperBound) {
                    reconstruction.frame(frame.function, frame.kind)
                }
            default:
                // Its task's name looks like a frame.
                var arguments = Arguments()
                arguments.read(text, head.arguments..<body.upperBound, of: name, names: reconstruction.names) { _ in }
                take(name, head.event, arguments, into: &sink)
            }
        }
    }

    private mutating func take(
        _ name: EventName, _ head: EventHead, _ arguments: borrowing Arguments, into sink: inout some EventSink
    ) {
        if name == .systemCall {
            systemCalls += 1
        } else if !reconstruction.take(name, head, arguments, line: line, into: &sink) {
            incomplete.add(line)
        }
    }

    private mutating func beginStack(_ head: LineHead, into sink: inout some EventSink) {
        _ = reconstruction.take(.stack, head.event, Arguments(), line: line, into: &sink)
        isInStack = true
    }

    /// What stands alone: losses, the begin of a dump, and whatever else a console shows.
    private mutating func other(_ bytes: TraceText, _ body: Range<Int>, into sink: inout some EventSink) {
        let text = bytes[body]
        if let count = Console.lost(text) {
            reconstruction.lose(.ftraceBuffer, count, into: &sink)
            reconstruction.forget()
        } else if text.starts(with: "Dumping ftrace buffer".utf8) {
            reconstruction.beginAgain()
        } else if !text.allSatisfy({ $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: " ") || $0 == 0x09 }),
            !text.starts(with: "cpus=".utf8), !text.starts(with: "(ftrace buffer empty)".utf8)
        {
            foreign.add(line)
        }
    }

    private mutating func comment(_ bytes: TraceText, _ range: Range<Int>, into sink: inout some EventSink) {
        let text = bytes[range]
        if text.starts(with: "# tracer: ".utf8) {
            tracer = String(decoding: text.dropFirst(10).prefix(32), as: UTF8.self)
        } else if text.starts(with: "# entries-in-buffer/entries-written: ".utf8) {
            var scanner = Scanner(bytes: bytes, position: range.lowerBound + 37, end: range.upperBound)
            guard let kept = scanner.decimal(), scanner.take("/"), let written = scanner.decimal(), written > kept
            else { return }
            reconstruction.lose(.ftraceBuffer, written - kept, into: &sink)
        } else if text.starts(with: "##### CPU ".utf8) {
            // A processor's buffer begins here and had been longer.
            reconstruction.forget()
        } else if range.count > 2, let head = LineHead(bytes, (range.lowerBound + 2)..<range.upperBound),
            reconstruction.names.event(EventName.hash(bytes, head.name)) == .marker
        {
            mark.read(bytes, head.arguments..<range.upperBound, at: head.event.time, into: &run)
        }
    }

    // MARK: What is not there

    public var omissions: [Omission] {
        var all = foreign.omissions(of: name) + incomplete.omissions(of: name)
        func add(_ what: String) { all.append(Omission(place: name, what: what)) }
        if overlong > 0 { add("\(overlong) lines of more than 64 KiB were passed over") }
        all += mark.omissions(of: name)
        if isOver { all += reconstruction.omissions(of: name, processes: "there is no column for processes") }
        return all
    }

    private func nothingKnown(_ where: String) -> SourceError {
        let place = "\(name), line \(max(line, 1))"
        let advice = RecipeMark.advice
        if bytesRead == 0 { return SourceError("\(name) is empty; expected the text of a trace; \(advice)") }
        if let tracer, tracer.hasPrefix("function"), systemCalls == 0 {
            return SourceError(
                "\(place): this is text of the \(tracer) tracer, which carries neither arguments nor pages; \(advice)")
        }
        if systemCalls > 0 {
            return SourceError(
                "\(place): of futexes there are but the calls sys_enter_futex and sys_exit_futex, which do not say what page was met; \(advice)"
            )
        }
        if heads > 0 {
            return SourceError(
                "\(place): \(`where`) has lines of a trace, but none of an event that is needed, such as fs_lookup or fs_detach; \(advice)"
            )
        }
        return SourceError(
            "\(place): nothing in \(`where`) is a line of a trace; expected the text of tracefs, `trace-cmd report` or a console; \(advice)"
        )
    }
}

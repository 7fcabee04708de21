// SPDX-License-Identifier: Apache-2.0

// Reads the text of a trace and hands over its events. It takes what the kernel prints into `trace` and
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
    private var stack = Stack.none
    private var prefix = Prefix()
    /// The line before belongs to something else, or to a line that was cut.
    private var isInDoubt = false
    /// By the places of events: the largest number of arguments that one had.
    private var wordCounts = [UInt8](repeating: 0, count: EventName.placeCount)
    private var linesLost: UInt64 = 0

    /// Whether frames are expected, and whose.
    private enum Stack {
        case none, kernel
        /// Of user space, or of an event that is not needed.
        case other
    }

    // What is said when the text turns out to be something else.
    private var heads: UInt64 = 0
    private var systemCalls: UInt64 = 0
    private var tracer: String?

    /// Of each sort the first places, and how many there were.
    private var foreign = Places("line", "lines that are no lines of a trace")
    private var incomplete = Places("line", "events without an argument that is needed")
    private var notUnderstood = Places("line", "lines of a trace whose event is not understood")
    private var doubtfulNames = Places("line", "lines have something else in the columns of the task's name")

    /// Reads the first chunk to learn of the run. `name` is that of the file, for messages; with `tellsAll`
    /// every shared lookup is reported, else those that observed something or retried. Lines are read ahead by at most
    /// `threads` threads besides the caller's.
    public init(
        name: String, bytesInAll: UInt64? = nil, showsKernelAddresses: Bool = false, tellsAll: Bool = false,
        threads: Int = CPUs.usable - 1, input: @escaping Input
    ) throws {
        self.name = name
        self.bytesInAll = bytesInAll
        run = RunInfo(showsKernelAddresses: showsKernelAddresses)
        reconstruction = Reconstruction(
            showsKernelAddresses: showsKernelAddresses, tellsAll: tellsAll, mayLackLines: true)
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
            if isInDoubt { reconstruction.doubt(into: &sink) }
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
    }

    // MARK: Lines

    private mutating func take(
        _ read: TraceLine, of text: TraceText, _ values: [UInt64], _ arguments: inout Arguments,
        into sink: inout some EventSink
    ) {
        line = linesBefore + UInt64(read.number) + 1
        let range = read.range
        if isInDoubt {
            isInDoubt = false
            if !isRestOfName(read) { reconstruction.doubt(into: &sink) }
        }
        if !range.isEmpty, text[range.lowerBound] &- 0x30 < 10, case let gap = prefix.gap(text, range), gap > 0 {
            lose(gap, into: &sink)
        }
        if read.prefix > 0 { takePrefix(read, of: text, into: &sink) }
        switch read.meaning {
        case .event(.marker), .event(.stack), .other:
            again(text, read, into: &sink)
        case .frame(let kind, let isOfPerf):
            if isOfPerf, stack == .none { stack = reconstruction.beginStackOfLatest(line: line) ? .kernel : .other }
            switch stack {
            case .kernel: reconstruction.frame(values[read.firstValue], kind)
            case .other: break
            case .none: again(text, read, into: &sink)
            }
        case .unneeded:
            leaveStack()
            heads += 1
            if read.prefix != 0 || prefix.count != 0 { prefix.learn(text, read.range.prefix(read.prefix)) }
        case .event(let name):
            leaveStack()
            heads += 1
            if read.prefix != 0 || prefix.count != 0 { prefix.learn(text, read.range.prefix(read.prefix)) }
            arguments.unpack(read.keys, values, at: read.firstValue)
            arguments.wordCount = read.words
            take(name, read.head, arguments, text, read.range, into: &sink)
        case .overlong:
            overlong += 1
            leaveStack()
            reconstruction.doubt(into: &sink)
        }
    }

    private func isRestOfName(_ read: TraceLine) -> Bool {
        guard case .event = read.meaning else { return false }
        return read.prefix == 0 && read.head.isNameShort
    }

    /// What stands before a line of the trace may say that others are missing.
    private mutating func takePrefix(_ read: TraceLine, of text: TraceText, into sink: inout some EventSink) {
        let range = read.range.prefix(read.prefix)
        if range.count != prefix.count, let count = Notice.lostLines(text[range]) { lose(count, into: &sink) }
    }

    /// Lines that another layer has lost.
    private mutating func lose(_ count: UInt64, into sink: inout some EventSink) {
        stack = .none
        linesLost &+= count
        reconstruction.lose(.ftraceBuffer, count, into: &sink)
        reconstruction.forget(into: &sink)
    }

    private mutating func leaveStack() {
        guard stack != .none else { return }
        stack = .none
        reconstruction.endStack()
    }

    /// A line that says more with its text than its block could know.
    private mutating func again(_ text: TraceText, _ read: TraceLine, into sink: inout some EventSink) {
        let range = read.range
        if !range.isEmpty, text[range.lowerBound] == UInt8(ascii: "#") { return comment(text, range, into: &sink) }
        guard let head = LineHead(text, range) else { return other(text, range, into: &sink) }
        leaveStack()
        heads += 1
        prefix.learn(text, range.lowerBound..<head.begin)
        let body = head.arguments..<range.upperBound
        if head.name.isEmpty {
            // "<stack trace>", or a line of the function tracer.
            switch text.first("<", in: body) {
            case body.lowerBound where text[body].starts(with: "<user stack".utf8): stack = .other
            case body.lowerBound: beginStack(head, into: &sink)
            default: if text.find("<-", in: body) == nil { notUnderstood.add(line) }
            }
        } else if let name = reconstruction.names.event(EventName.hash(text, head.name)) {
            switch name {
            case .marker: mark.read(text, body, at: head.event.time, into: &run)
            case .stack:
                beginStack(head, into: &sink)
                if let frame = Frame(text, body) { reconstruction.frame(frame.function, frame.kind) }
            default:
                // Its task's name looks like a frame.
                var arguments = Arguments()
                if name.hasArguments {
                    arguments.read(text, body, of: name, names: reconstruction.names) { _ in }
                }
                take(name, head.event, arguments, text, range, into: &sink)
            }
        }
    }

    private mutating func take(
        _ name: EventName, _ head: EventHead, _ arguments: borrowing Arguments, _ text: TraceText, _ range: Range<Int>,
        into sink: inout some EventSink
    ) {
        if name == .systemCall {
            systemCalls += 1
            return
        }
        if head.isNameDoubtful { doubtfulNames.add(line) }
        if head.isCount { reconstruction.counts = true }
        if isCut(name, arguments) {
            incomplete.add(line)
            lose(Notice.lostLines(text[range]) ?? 1, into: &sink)
        } else if !reconstruction.take(name, head, arguments, line: line, into: &sink) {
            incomplete.add(line)
        }
    }

    /// Whether the line of an event is not whole: something stands among its arguments, or it has fewer of them than
    /// others of the same event.
    private mutating func isCut(_ name: EventName, _ arguments: borrowing Arguments) -> Bool {
        if arguments.isDamaged { return true }
        guard let place = name.place else { return false }
        if arguments.wordCount > wordCounts[place] { wordCounts[place] = arguments.wordCount }
        return arguments.wordCount < wordCounts[place]
    }

    private mutating func beginStack(_ head: LineHead, into sink: inout some EventSink) {
        _ = reconstruction.take(.stack, head.event, Arguments(), line: line, into: &sink)
        stack = .kernel
    }

    /// What has no head: a loss, the begin of a dump, or whatever else a console shows.
    private mutating func other(_ text: TraceText, _ range: Range<Int>, into sink: inout some EventSink) {
        switch Notice(text[range]) {
        case .lostEvents(let count):
            leaveStack()
            reconstruction.lose(.ftraceBuffer, count, into: &sink)
            reconstruction.forget(into: &sink)
        case .lostLines(let count):
            leaveStack()
            lose(count, into: &sink)
        case .begin:
            leaveStack()
            reconstruction.beginAgain(into: &sink)
        case .nothing: break
        case nil:
            if let place = text.find("# tracer: ", in: range) {
                return comment(text, place..<range.upperBound, into: &sink)
            }
            leaveStack()
            foreign.add(line)
            // The rest of a line that was cut, or the lines around it are not the kernel's alone. Or a task's name has
            // a line end in it, which the next line will show.
            if !prefix.begins(text, range) { isInDoubt = true }
        }
    }

    private mutating func comment(_ bytes: TraceText, _ range: Range<Int>, into sink: inout some EventSink) {
        let text = bytes[range]
        if text.starts(with: "# tracer: ".utf8) {
            tracer = String(decoding: text.dropFirst(10).prefix(32), as: UTF8.self)
            leaveStack()
            reconstruction.beginAgain(into: &sink)
        } else if text.starts(with: "# entries-in-buffer/entries-written: ".utf8) {
            var scanner = Scanner(bytes: bytes, position: range.lowerBound + 37, end: range.upperBound)
            guard let kept = scanner.decimal(), scanner.take("/"), let written = scanner.decimal(), written > kept
            else { return }
            reconstruction.lose(.ftraceBuffer, written - kept, into: &sink)
        } else if text.starts(with: "##### CPU ".utf8) {
            // A processor's buffer begins here and had been longer.
            reconstruction.forget(into: &sink)
        } else if range.count > 2, let head = LineHead(bytes, (range.lowerBound + 2)..<range.upperBound),
            reconstruction.names.event(EventName.hash(bytes, head.name)) == .marker
        {
            mark.read(bytes, head.arguments..<range.upperBound, at: head.event.time, into: &run)
        }
    }

    // MARK: What is not there

    public var omissions: [Omission] {
        var all = [foreign, incomplete, notUnderstood, doubtfulNames].flatMap { $0.omissions(of: name) }
        func add(_ what: String) { all.append(Omission(place: name, what: what)) }
        if overlong > 0 { add("\(overlong) lines of more than 64 KiB were passed over") }
        if linesLost > 0 {
            add("\(linesLost) lines were lost before the text was written: what was open then is dropped")
        }
        if reconstruction.counts {
            add(
                "the clock of the trace counts something else than nanoseconds (x86-tsc, counter or the like): times are counts, and there are no durations"
            )
        }
        all += mark.omissions(of: name)
        if isOver {
            all += reconstruction.omissions(
                of: name, processes: "there is no column for processes", isWhole: mark.isRead)
        }
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

extension Range<Int> {
    fileprivate func prefix(_ count: Int) -> Range<Int> { lowerBound..<lowerBound + count }
}

// SPDX-License-Identifier: Apache-2.0

// Reads the text of a trace and hands over its events. It takes what the kernel prints into `trace` and `trace_pipe`,
// what `trace-cmd report` and `perf script` make of a recording, and what ftrace_dump_on_oops or SysRq-z put on a
// console, also when other lines stand between. Any bytes will do as input; memory does not grow with it.

public import System
public import Events

/// A trace as text, as a source of events.
public struct FtraceReader: EventSource {
    /// Bytes to read before giving up on a text in which nothing is known.
    static let patience: UInt64 = 64 << 20

    /// Appends the next chunk, some hundred KiB, to the bytes; false when there are no more.
    public typealias Input = (inout [UInt8]) throws -> Bool

    public internal(set) var run: RunInfo
    let name: String
    let bytesInAll: UInt64?
    let blocks: TraceBlocks
    var reconstruction: Reconstruction
    var mark = RecipeMark()
    /// Events of what was read ahead to know the run.
    var ahead: [Event] = []
    /// Up to the block that was taken last.
    var bytesRead: UInt64 = 0
    /// Those of all blocks before this one.
    var linesBefore: UInt64 = 0
    /// Number of the line that was taken last, the first being 1.
    var line: UInt64 = 0
    var overlong: UInt64 = 0
    var isOver = false
    var stack = Stack.none
    var prefix = Prefix()
    var origins = Origins()
    var copies = Copies()
    /// Of a text of perf: names alone stand before the numbers; something that is no mark stands before all of them.
    var perfNames = (areBare: false, areGlued: false)
    var doubt = Doubt.none
    /// Number of the newest line that was none of the trace, or not whole.
    var foreignLine: UInt64 = 0
    /// There was a line of the trace with all the columns of a name.
    var isInColumns = false
    /// Of the trace that the text is in.
    var cuts = CutLines()
    var linesLost: UInt64 = 0
    var isInPerfHeader = false
    /// The head of the trace has the number of events that were overwritten.
    var isOverrunCounted = false
    /// Number of the line with which the newest dump began.
    var dumpLine: UInt64 = 0

    /// Whether a line belonged to something else, or to a line that was cut: the newest one, or the one before it; or
    /// whether the newest one has less in front of it than the one before, as if its begin were missing.
    enum Doubt: Equatable {
        case none, newest, before, shrunk
        /// A rule of dashes: the end of a dump, unless lines of the trace follow.
        case rule(line: UInt64)
    }

    /// Whether frames are expected, and whose.
    enum Stack {
        case none, kernel
        /// Of user space, or of an event that is not needed.
        case other
    }

    // What is said when the text turns out to be something else.
    var heads: UInt64 = 0
    var systemCalls: UInt64 = 0
    var tracer: String?

    /// Of each sort the first places, and how many there were.
    var foreign = Places("line", "lines that are no lines of a trace")
    var incomplete = Places("line", "events without an argument that is needed")
    var unknownTasks = Places("line", "events of tasks that perf did not know any more")
    var notUnderstood = Places("line", "lines of a trace whose event is not understood")
    var doubtfulNames = Places("line", "lines have something else in the columns of the task's name")

    /// Reads the first chunk to learn of the run. `name` is that of the file, for messages; with `emitsAll`
    /// every shared lookup is reported, else those that observed something or retried. Lines are read ahead by at most
    /// `threads` threads besides the caller's.
    public init(
        name: String, bytesInAll: UInt64? = nil, showsKernelAddresses: Bool = false, emitsAll: Bool = false,
        threads: Int = CPUs.usable - 1, input: @escaping Input
    ) throws {
        self.name = name
        self.bytesInAll = bytesInAll
        run = RunInfo(showsKernelAddresses: showsKernelAddresses)
        reconstruction = Reconstruction(
            showsKernelAddresses: showsKernelAddresses, emitsAll: emitsAll, mayLackLines: true)
        blocks = TraceBlocks(
            names: reconstruction.names, threads: threads, input: try Unwrapping.unwrapped(input))
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
    mutating func step(into sink: inout some EventSink) throws {
        if try blocks.next({ block in try take(block, into: &sink) }) {
            // Other events may come first, for as long as they like; what can never help may not.
            let isHopeless = heads == 0 || tracer?.hasPrefix("function") == true
            if bytesRead > Self.patience, isHopeless, !reconstruction.seen.isAny {
                throw nothingKnown("the first 64 MiB")
            }
        } else {
            isOver = true
            if !reconstruction.seen.isAny { throw nothingKnown("it") }
            if doubt == .newest { reconstruction.doubt(into: &sink) }
            reconstruction.end(into: &sink)
        }
    }

    mutating func take(_ block: TraceBlock, into sink: inout some EventSink) throws {
        if linesBefore == 0, TraceData.isRecognised(block.bytes) {
            throw SourceError(
                "\(name) is a recording of trace-cmd, which is not read from front to back; expected a text, or the path of the file"
            )
        }
        // A text that begins within an operation has functions further behind.
        if !reconstruction.hasFunctions { reconstruction.hasFunctions = block.lines.contains(where: \.isOfFunction) }
        unsafe block.bytes.withUnsafeBufferPointer { bytes in
            // The block keeps them as long as it is shown.
            let text = unsafe TraceText(padded: bytes)
            // Of the line that is looked at.
            var arguments = Arguments()
            let lines = block.lines.span
            for index in lines.indices { take(lines[index], of: text, block.values, &arguments, into: &sink) }
        }
        bytesRead = block.bytesRead
        linesBefore += UInt64(block.lineCount)
        line = linesBefore
    }

    // MARK: Lines

    @inline(__always)
    mutating func take(
        _ read: TraceLine, of text: TraceText, _ values: [UInt64], _ arguments: inout Arguments,
        into sink: inout some EventSink
    ) {
        line = linesBefore + UInt64(read.number) + 1
        let range = read.range
        if doubt != .none { takeDoubt(read, into: &sink) }
        if read.beginsWithDigit || prefix.hasRecords, case let gap = prefix.gap(text, range), gap > 0 {
            lose(gap, into: &sink)
        }
        if read.prefix > 0 { takePrefix(read, of: text, into: &sink) }
        if read.origin != origins.hash, read.origin != 0 { takeOrigin(read, of: text, into: &sink) }
        switch read.meaning {
        case .event(.marker), .event(.stack), .other:
            again(text, read, into: &sink)
        case .frame(let kind, let isOfPerf):
            if isOfPerf, stack == .none { stack = reconstruction.beginStackOfLatest(line: line) ? .kernel : .other }
            switch stack {
            case .kernel: reconstruction.frame(values[read.firstValue], kind, into: &sink)
            case .other: break
            case .none: again(text, read, into: &sink)
            }
        case .unneeded:
            leaveStack()
            heads += 1
            if read.prefix != 0 || prefix.count != 0 { prefix.learn(text, read.range.leading(read.prefix)) }
        case .event(let name):
            leaveStack()
            heads += 1
            if read.prefix != 0 || prefix.count != 0 {
                if let count = prefix.count, read.prefix < count { doubt = .shrunk }
                prefix.learn(text, read.range.leading(read.prefix))
            }
            switch copies.take(read.hash, at: read.head.time, line: line) {
            case .new: break
            case .copy:
                stack = .other
                return
            case .other:
                stack = .other
                return lose(1, into: &sink)
            }
            arguments.unpack(read.keys, values, at: read.firstValue)
            arguments.wordCount = read.words
            take(name, read.head, arguments, text, range, into: &sink)
        case .overlong:
            overlong += 1
            leaveStack()
            reconstruction.doubt(into: &sink)
        }
    }

    mutating func takeDoubt(_ read: TraceLine, into sink: inout some EventSink) {
        if case .rule(let rule) = doubt {
            guard read.isHead else { return }
            foreign.add(rule)
            doubt = .none
            return
        }
        let isOfNewest = doubt == .newest
        doubt = isOfNewest ? .before : .none
        if isOfNewest, !isRestOfName(read) { reconstruction.doubt(into: &sink) }
    }

    func isRestOfName(_ read: TraceLine) -> Bool {
        guard case .event = read.meaning else { return false }
        return read.prefix == 0 && read.head.oddities == .isNameShort
    }

    /// What stands before a line of the trace may say that others are missing.
    mutating func takePrefix(_ read: TraceLine, of text: TraceText, into sink: inout some EventSink) {
        let range = read.range.leading(read.prefix)
        prefix.learnRecords(text, range)
        if range.count != prefix.count, let count = Notice.lostLines(text[range]) { lose(count, into: &sink) }
    }

    /// Where the line comes from another host or file than those before it, nothing goes on from them.
    @inline(never)
    mutating func takeOrigin(_ read: TraceLine, of text: TraceText, into sink: inout some EventSink) {
        var (prefix, isFrame, isLoose) = (read.range.leading(read.prefix), false, false)
        if case .frame = read.meaning {
            // Anything else may have an arrow in it.
            guard stack == .kernel, let frame = Frame(within: text, read.range) else { return }
            (prefix, isFrame) = (read.range.lowerBound..<frame.begin, true)
            if let count = Notice.lostLines(text[prefix]) { return lose(count, into: &sink) }
        } else if case .event = read.meaning {
            isLoose = !read.head.oddities.isDisjoint(with: .uncertainName)
        } else if let head = LineHead(text, read.range) {
            isLoose = !head.event.oddities.isDisjoint(with: .uncertainName)
        }
        if origins.isChange(text, prefix, number: line, isFrame: isFrame, isLoose: isLoose, extends: false) {
            beginElsewhere(into: &sink)
        }
    }

    mutating func beginElsewhere(into sink: inout some EventSink) {
        leaveStack()
        reconstruction.doubt(into: &sink)
        reconstruction.beginAgain(into: &sink)
        (reconstruction.pageBase, reconstruction.latestDetach) = (nil, nil)
    }

    /// Lines that another layer has lost.
    mutating func lose(_ count: UInt64, into sink: inout some EventSink) {
        stack = .none
        linesLost &+= count
        reconstruction.lose(.ftraceBuffer, count, into: &sink)
        reconstruction.forget(into: &sink)
    }

    mutating func leaveStack() {
        guard stack != .none else { return }
        stack = .none
        reconstruction.endStack()
    }

    /// A line that says more with its text than its block could know.
    mutating func again(_ text: TraceText, _ read: TraceLine, into sink: inout some EventSink) {
        let range = read.range
        if !range.isEmpty, text[range.lowerBound] == UInt8(ascii: "#"), !read.isHead {
            return comment(text, range, into: &sink)
        }
        if origins.takeMark(text[range]) { return }
        guard let head = LineHead(text, range) else { return other(text, range, into: &sink) }
        leaveStack()
        heads += 1
        prefix.learn(text, range.lowerBound..<head.begin)
        let body = head.arguments..<range.upperBound
        if head.name.isEmpty {
            // "<stack trace>", or a line of the function tracer.
            switch text.first("<", in: body) {
            case body.lowerBound where text[body].starts(with: "<user stack".utf8): stack = .other
            case body.lowerBound where !copies.isInCopy: beginStack(head, into: &sink)
            case _ where copies.isInCopy: stack = .other
            case _ where text[body].starts(with: "PERF_RECORD_LOST".utf8):
                let count = text[body].split(separator: 0x20).last.map { String(decoding: $0, as: UTF8.self) }
                reconstruction.lose(.ftraceBuffer, max(count.flatMap(UInt64.init) ?? 1, 1), into: &sink)
                reconstruction.forget(into: &sink)
            default: if text.find("<-", in: body) == nil { notUnderstood.add(line) }
            }
        } else if let name = reconstruction.names.event(EventName.hash(text, head.name)) {
            switch name {
            case .marker: mark.read(text, body, at: head.event.time, into: &run)
            case _ where copies.isInCopy: stack = .other
            case .stack:
                beginStack(head, into: &sink)
                if let frame = Frame(text, body) { reconstruction.frame(frame.function, frame.kind, into: &sink) }
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

    @inline(__always)
    mutating func take(
        _ name: EventName, _ head: EventHead, _ arguments: borrowing Arguments, _ text: TraceText, _ range: Range<Int>,
        into sink: inout some EventSink
    ) {
        var head = head
        if head.oddities.isEmpty, doubt != .shrunk {
            isInColumns = true
        } else {
            guard let known = correctedHead(name, head, text, range, into: &sink) else { return }
            head = known
        }
        if case .systemCall = name {
            systemCalls += 1
            return
        }
        let (isCut, before) = cuts.judge(name, arguments, text, range)
        if before > 0 { loseBefore(before, into: &sink) }
        if isCut, !cuts.isCutInColumn(name, arguments, columns: range.count) {
            return loseCut(text, range, into: &sink)
        }
        if isCut {
            incomplete.add(line)
            reconstruction.lose(.ftraceBuffer, 1, into: &sink)
        }
        if !reconstruction.take(name, head, arguments, line: line, into: &sink) {
            incomplete.add(line)
        }
    }

    @inline(never)
    mutating func loseCut(_ text: TraceText, _ range: Range<Int>, into sink: inout some EventSink) {
        incomplete.add(line)
        foreignLine = line
        lose(Notice.lostLines(text[range]) ?? 1, into: &sink)
    }

    /// Lines were cut that were taken for whole.
    @inline(never)
    mutating func loseBefore(_ count: UInt64, into sink: inout some EventSink) {
        for _ in 0..<min(count, UInt64(Places.limit)) { incomplete.add(line) }
        reconstruction.lose(.ftraceBuffer, count, into: &sink)
        reconstruction.forget(into: &sink)
    }

    mutating func beginStack(_ head: LineHead, into sink: inout some EventSink) {
        _ = reconstruction.take(.stack, head.event, Arguments(), line: line, into: &sink)
        stack = .kernel
    }
}

extension Range<Int> {
    fileprivate func leading(_ count: Int) -> Range<Int> { lowerBound..<lowerBound + count }
}

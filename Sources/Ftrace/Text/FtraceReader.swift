// SPDX-License-Identifier: Apache-2.0

// Reads the text of a trace and hands over its events. It takes what the kernel prints into `trace` and `trace_pipe`,
// what `trace-cmd report` and `perf script` make of a recording, and what ftrace_dump_on_oops or SysRq-z put on a
// console, also when other lines stand between. Any bytes will do as input; memory does not grow with it.

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
    private var origins = Origins()
    private var copies = Copies()
    /// Of a text of perf: names alone stand before the numbers; something that is no mark stands before all of them.
    private var perfNames = (areBare: false, areGlued: false)
    private var doubt = Doubt.none
    /// Number of the newest line that was none of the trace, or not whole.
    private var foreignLine: UInt64 = 0
    /// There was a line of the trace with all the columns of a name.
    private var isInColumns = false
    /// Of the trace that the text is in.
    private var cuts = CutLines()
    private var linesLost: UInt64 = 0
    private var isInPerfHeader = false
    /// The head of the trace has the number of events that were overwritten.
    private var isOverrunCounted = false
    /// Number of the line with which the newest dump began.
    private var dumpLine: UInt64 = 0

    /// Whether a line belonged to something else, or to a line that was cut: the newest one, or the one before it; or
    /// whether the newest one has less in front of it than the one before, as if its begin were missing.
    private enum Doubt: Equatable {
        case none, newest, before, shrunk
        /// A rule of dashes: the end of a dump, unless lines of the trace follow.
        case rule(line: UInt64)
    }

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
    private var unknownTasks = Places("line", "events of tasks that perf did not know any more")
    private var notUnderstood = Places("line", "lines of a trace whose event is not understood")
    private var doubtfulNames = Places("line", "lines have something else in the columns of the task's name")

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
            if doubt == .newest { reconstruction.doubt(into: &sink) }
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
        if doubt != .none { takeDoubt(read, into: &sink) }
        if !range.isEmpty, prefix.hasRecords || text[range.lowerBound] &- 0x30 < 10,
            case let gap = prefix.gap(text, range), gap > 0
        {
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
            if read.prefix != 0 || prefix.count != 0 { prefix.learn(text, read.range.prefix(read.prefix)) }
        case .event(let name):
            leaveStack()
            heads += 1
            if read.prefix != 0 || prefix.count != 0 {
                if let count = prefix.count, read.prefix < count { doubt = .shrunk }
                prefix.learn(text, read.range.prefix(read.prefix))
            }
            let end = read.firstValue + Arguments.count(of: read.keys)
            switch copies.take(name, read.head, keys: read.keys, values, read.firstValue..<end, line: line) {
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
            guard read.head.oddities.isEmpty, doubt != .shrunk else {
                return takeOdd(name, read.head, arguments, text, range, into: &sink)
            }
            isInColumns = true
            take(name, read.head, arguments, text, range, into: &sink)
        case .overlong:
            overlong += 1
            leaveStack()
            reconstruction.doubt(into: &sink)
        }
    }

    private mutating func takeDoubt(_ read: TraceLine, into sink: inout some EventSink) {
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

    private func isRestOfName(_ read: TraceLine) -> Bool {
        guard case .event = read.meaning else { return false }
        return read.prefix == 0 && read.head.oddities == .isNameShort
    }

    /// What stands before a line of the trace may say that others are missing.
    private mutating func takePrefix(_ read: TraceLine, of text: TraceText, into sink: inout some EventSink) {
        let range = read.range.prefix(read.prefix)
        prefix.learnRecords(text, range)
        if range.count != prefix.count, let count = Notice.lostLines(text[range]) { lose(count, into: &sink) }
    }

    /// Where the line comes from another host or file than those before it, nothing goes on from them.
    @inline(never)
    private mutating func takeOrigin(_ read: TraceLine, of text: TraceText, into sink: inout some EventSink) {
        var (prefix, isFrame, isLoose) = (read.range.prefix(read.prefix), false, false)
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

    private mutating func beginElsewhere(into sink: inout some EventSink) {
        leaveStack()
        reconstruction.doubt(into: &sink)
        reconstruction.beginAgain(into: &sink)
        (reconstruction.pageBase, reconstruction.latestDetach) = (nil, nil)
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
                takeOdd(name, head.event, arguments, text, range, into: &sink)
            }
        }
    }

    @inline(__always)
    private mutating func take(
        _ name: EventName, _ head: EventHead, _ arguments: borrowing Arguments, _ text: TraceText, _ range: Range<Int>,
        into sink: inout some EventSink
    ) {
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

    /// An event whose head may be unusual, as far as that means something here.
    @inline(never)
    private mutating func takeOdd(
        _ name: EventName, _ head: EventHead, _ arguments: borrowing Arguments, _ text: TraceText, _ range: Range<Int>,
        into sink: inout some EventSink
    ) {
        var head = head
        if head.oddities.contains(.isNameDoubtful) { doubtfulNames.add(line) }
        if head.oddities.contains(.isCount) { (reconstruction.counts, run.hasCountsForTimes) = (true, true) }
        // Texts of other programs have columns, so that this is the rest of a line that was cut.
        if head.oddities.contains(.isPerf), isInColumns { return loseCut(text, range, into: &sink) }
        // Several tasks have that number at once, so that nothing of one is a fact about the next.
        if head.oddities.contains(.isPerf), head.tid == .max {
            unknownTasks.add(line)
            if case .detach = name { lose(1, into: &sink) }
            return
        }
        // In a text that has lost its blanks no name has all its columns.
        if !isInColumns { head.oddities.remove(.isNameShort) }
        // Names of perf have no columns: this line may be the rest of the one before it.
        let isBehindOther = doubt == .before || foreignLine + 1 == line
        let isRest = head.oddities.contains(.isPerf) && isBehindOther
        if head.oddities.contains(.isTabbed), !isBehindOther { head.oddities.remove(.isNameShort) }
        if head.oddities.contains(.isPerf) { takePerfName(&head, text, range, isWhole: !isRest, into: &sink) }
        if doubt == .shrunk || isRest {
            head.oddities.insert(.isNameShort)
        }
        take(name, head, arguments, text, range, into: &sink)
    }

    /// A name of perf has no columns. Lines with a name and nothing else say that nothing stands before the others, so
    /// that a mark is a part of a name; else what ends with it names the place of the line.
    private mutating func takePerfName(
        _ head: inout EventHead, _ text: TraceText, _ range: Range<Int>, isWhole: Bool, into sink: inout some EventSink
    ) {
        if head.oddities.contains(.isNameMarked) {
            guard !perfNames.areBare else { return }
            head.comm = .nameless
            guard let read = LineHead(text, range), read.begin < read.time,
                let mark = (read.begin..<read.time).first(where: { text[$0].isMark })
            else { return }
            let prefix = range.lowerBound..<mark + 1
            if origins.isChange(text, prefix, number: line, isFrame: false, isLoose: true, extends: true) {
                beginElsewhere(into: &sink)
            }
        } else if !head.oddities.contains(.isNameDoubtful) {
            if isWhole { perfNames.areBare = true }
        } else if head.comm == .nameless, !perfNames.areGlued {
            // Longer than a name, without a blank or a mark: something stands before all of them.
            let read = LineHead(text, range)
            perfNames.areGlued =
                read.map { read in
                    text[read.begin..<min(read.begin + 16, range.upperBound)].allSatisfy { $0 > 0x20 && !$0.isMark }
                } ?? false
        }
        if perfNames.areGlued { head.comm = .nameless }
    }

    @inline(never)
    private mutating func loseCut(_ text: TraceText, _ range: Range<Int>, into sink: inout some EventSink) {
        incomplete.add(line)
        foreignLine = line
        lose(Notice.lostLines(text[range]) ?? 1, into: &sink)
    }

    /// Lines were cut that were taken for whole.
    @inline(never)
    private mutating func loseBefore(_ count: UInt64, into sink: inout some EventSink) {
        for _ in 0..<min(count, UInt64(Places.limit)) { incomplete.add(line) }
        reconstruction.lose(.ftraceBuffer, count, into: &sink)
        reconstruction.forget(into: &sink)
    }

    private mutating func beginStack(_ head: LineHead, into sink: inout some EventSink) {
        _ = reconstruction.take(.stack, head.event, Arguments(), line: line, into: &sink)
        stack = .kernel
    }

    /// What has no head: a loss, the begin of a dump, or whatever else a console shows.
    private mutating func other(_ text: TraceText, _ range: Range<Int>, into sink: inout some EventSink) {
        // What stands before each line says nothing of this one.
        let isWhole = prefix.begins(text, range)
        switch Notice(text[range], behind: isWhole ? min(prefix.count ?? 0, range.count) : 0) {
        case .lostEvents(let count):
            leaveStack()
            reconstruction.lose(.ftraceBuffer, count, into: &sink)
            reconstruction.forget(into: &sink)
        case .lostLines(let count):
            leaveStack()
            lose(count, into: &sink)
        case .begin:
            leaveStack()
            cuts = CutLines()
            reconstruction.beginAgain(into: &sink)
            copies.begin()
            dumpLine = line
        case .nothing:
            if Notice.isRule(text[range]), dumpLine + 1 < line, heads > 0 { doubt = .rule(line: line) }
            // The function graph tracer puts events into comments, without their task.
            if text.find("/* fs_", in: range) != nil { loseCut(text, range, into: &sink) }
        case nil:
            for words: StaticString in ["# tracer: ", "##### CPU ", "# entries-in-buffer/"] {
                if let place = text.find(words, in: range) {
                    return comment(text, place..<range.upperBound, into: &sink)
                }
            }
            leaveStack()
            // An event of the recipe whose task is not there.
            if text.find(": fs_", in: range) ?? text.find(":fs_", in: range) != nil {
                return loseCut(text, range, into: &sink)
            }
            foreign.add(line)
            foreignLine = line
            // The rest of a line that was cut, or the lines around it are not the kernel's alone. Or a task's name has
            // a line end in it, which the next line will show.
            if !isWhole { doubt = .newest }
        }
    }

    private mutating func comment(_ bytes: TraceText, _ range: Range<Int>, into sink: inout some EventSink) {
        let text = bytes[range]
        if text.starts(with: "# tracer: ".utf8) {
            tracer = String(decoding: text.dropFirst(10).prefix(32), as: UTF8.self)
            leaveStack()
            cuts = CutLines()
            reconstruction.beginAgain(into: &sink)
            copies.begin()
        } else if text.starts(with: "# entries-in-buffer/entries-written: ".utf8) {
            var scanner = Scanner(bytes: bytes, position: range.lowerBound + 37, end: range.upperBound)
            guard let kept = scanner.decimal(), scanner.take("/"), let written = scanner.decimal(), written > kept
            else { return }
            isOverrunCounted = true
            reconstruction.lose(.ftraceBuffer, written - kept, into: &sink)
        } else if text.starts(with: "##### CPU ".utf8) {
            // A processor's buffer begins here and had been longer.
            if !isOverrunCounted { reconstruction.lose(.ftraceBuffer, into: &sink) }
            reconstruction.forget(into: &sink)
        } else if text.elementsEqual("# ========".utf8) {
            // A header of perf begins with the text itself: behind any event this can be the name of a task.
            isInPerfHeader = line == 1
        } else if !isInPerfHeader || !PerfHeader.read(text, into: &run), range.count > 2,
            let head = LineHead(bytes, (range.lowerBound + 2)..<range.upperBound),
            reconstruction.names.event(EventName.hash(bytes, head.name)) == .marker
        {
            mark.read(bytes, head.arguments..<range.upperBound, at: head.event.time, into: &run)
        } else if !isInPerfHeader, let count = Notice.comment(text) {
            leaveStack()
            lose(count, into: &sink)
        }
    }

    // MARK: What is not there

    public var omissions: [Omission] {
        var all = [foreign, incomplete, unknownTasks, notUnderstood, doubtfulNames, copies.places].flatMap { places in
            places.omissions(of: name).map { omission in
                // What such an event says is not known.
                Omission(place: omission.place, what: omission.what, hidesObservations: places.what == incomplete.what)
            }
        }
        func add(_ what: String) { all.append(Omission(place: name, what: what)) }
        if copies.others > 0 {
            add(
                "the second copy has \(counted(copies.others, "event")) that the first one lacks: a loss of the first one"
            )
        }
        if overlong > 0 {
            add("\(counted(overlong, "line")) of more than 64 KiB \(noun(overlong, "was", "were")) skipped")
        }
        if linesLost > 0 {
            add(
                "\(counted(linesLost, "line")) \(noun(linesLost, "was", "were")) lost before the text was written: lookups and operations in progress then are dropped"
            )
        }
        var origins = origins
        if let summary = origins.summary(to: line) { add(summary) }
        all += mark.omissions(of: name)
        if isOver {
            all += reconstruction.omissions(
                of: name, processes: "there is no column for processes", isWhole: mark.isRead)
        }
        return all
    }

    private func nothingKnown(_ part: String) -> SourceError {
        TextRefusal(
            name: name, line: max(line, 1), part: part, isEmpty: bytesRead == 0 && bytesInAll ?? 0 == 0, tracer: tracer,
            systemCalls: systemCalls, heads: heads, damaged: incomplete.omissions(of: name).first
        ).error
    }
}

extension Range<Int> {
    fileprivate func prefix(_ count: Int) -> Range<Int> { lowerBound..<lowerBound + count }
}

// Reads the text of a trace and tells its events. It takes what the kernel prints into `trace` and
// `trace_pipe`, what `trace-cmd report` makes of a recording, and what ftrace_dump_on_oops or SysRq-z put on
// a console, also when other lines stand between. Any bytes will do as input; memory does not grow with it.

public import Events

/// A trace as text, as a source of events.
public struct FtraceReader: EventSource {
    /// Bytes to read before giving up on a text in which nothing is known.
    static let patience: UInt64 = 4 << 20

    /// Appends the next chunk, some hundred KiB, to the bytes; false when there are no more.
    public typealias Input = (inout [UInt8]) throws -> Bool

    public private(set) var run: RunInfo
    private let name: String
    private let input: Input
    private let bytesInAll: UInt64?
    private var lines = LineCutter()
    private var story: Story
    private var mark = RecipeMark()
    /// Events of what was read ahead to know the run.
    private var ahead: [Event] = []
    private var bytesRead: UInt64 = 0
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
    /// every shared lookup is told, else those that met something or went back.
    public init(
        name: String, bytesInAll: UInt64? = nil, showsKernelAddresses: Bool = false, tellsAll: Bool = false,
        input: @escaping Input
    ) throws {
        self.name = name
        self.input = input
        self.bytesInAll = bytesInAll
        run = RunInfo(showsKernelAddresses: showsKernelAddresses)
        story = Story(showsKernelAddresses: showsKernelAddresses, tellsAll: tellsAll)
        var events: [Event] = []
        try step(into: &events)
        ahead = events
    }

    public var progress: SourceProgress { SourceProgress(bytesRead: bytesRead, bytesInAll: bytesInAll) }

    public mutating func read(into sink: inout some EventSink) throws -> Bool {
        var events = ahead
        ahead = []
        if events.isEmpty {
            guard !isOver else { return false }
            try step(into: &events)
        }
        for event in events { sink.take(event) }
        return true
    }

    /// One chunk.
    private mutating func step(into events: inout [Event]) throws {
        let before = lines.count
        isOver = try !lines.refill(input)
        let isFirst = bytesRead == 0
        bytesRead += UInt64(max(0, lines.count - before))
        if isFirst, TraceData.isRecognised(lines.bytes) {
            throw SourceError(
                "\(name) is a recording of trace-cmd, which is read here and there; expected a text: give the path of the file")
        }
        // Nothing is added to the bytes until all their lines were taken.
        let held = lines.bytes
        unsafe held.withUnsafeBufferPointer { bytes in
            let text = unsafe TraceText(bytes)
            while let line = lines.next(in: text, atEnd: isOver) { take(text, line, into: &events) }
        }
        guard isOver else {
            // Other events may come first, for as long as they like; what can never help may not.
            let isHopeless = heads == 0 || tracer?.hasPrefix("function") == true
            if bytesRead > Self.patience, isHopeless, !story.seen.isAny { throw nothingKnown("the first 4 MiB") }
            return
        }
        if !story.seen.isAny { throw nothingKnown("it") }
        story.end(into: &events)
    }

    // MARK: Lines

    private mutating func take(_ bytes: TraceText, _ range: Range<Int>, into events: inout [Event]) {
        guard !range.isEmpty else { return }
        if bytes[range.lowerBound] == UInt8(ascii: "#") {
            comment(bytes, range, into: &events)
            return
        }
        let body = Self.withoutConsole(bytes, range)
        if isInStack {
            if frame(bytes, body) { return }
            isInStack = false
            story.endStack()
        }
        if let head = LineHead(bytes, body) {
            heads += 1
            event(head, bytes, body, into: &events)
        } else {
            other(bytes, body, into: &events)
        }
    }

    private mutating func event(_ head: LineHead, _ bytes: TraceText, _ body: Range<Int>, into events: inout [Event]) {
        guard !head.name.isEmpty else {
            // "<stack trace>", or a line of the function tracer.
            if head.arguments < body.upperBound, bytes[head.arguments] == UInt8(ascii: "<") {
                beginStack(head, into: &events)
            }
            return
        }
        guard let name = story.names.event(head.nameHash) else { return }
        switch name {
        case .systemCall: systemCalls += 1
        case .marker: mark.read(bytes, head.arguments..<body.upperBound, at: head.event.time, into: &run)
        case .stack:
            beginStack(head, into: &events)
            _ = frame(bytes, head.arguments..<body.upperBound)
        default:
            let arguments = Arguments(
                bytes, from: head.arguments, to: body.upperBound, of: name, names: story.names)
            guard story.take(name, head.event, arguments, line: lines.line, into: &events) else {
                incomplete.add(lines.line)
                return
            }
        }
    }

    private mutating func beginStack(_ head: LineHead, into events: inout [Event]) {
        _ = story.take(.stack, head.event, Arguments(), line: lines.line, into: &events)
        isInStack = true
    }

    /// False when it is something else.
    private mutating func frame(_ bytes: TraceText, _ body: Range<Int>) -> Bool {
        guard let frame = Frame(bytes, body) else { return false }
        story.frame(frame.function, frame.kind)
        return true
    }

    /// What stands alone: losses, the begin of a dump, and whatever else a console shows.
    private mutating func other(_ bytes: TraceText, _ body: Range<Int>, into events: inout [Event]) {
        let text = bytes[body]
        if let count = Self.lost(text) {
            story.lose(.ftraceBuffer, count, into: &events)
            story.forget()
        } else if text.starts(with: "Dumping ftrace buffer".utf8) {
            story.beginAgain()
        } else if !text.allSatisfy({ $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: " ") || $0 == 0x09 }),
            !text.starts(with: "cpus=".utf8), !text.starts(with: "(ftrace buffer empty)".utf8)
        {
            foreign.add(lines.line)
        }
    }

    private mutating func comment(_ bytes: TraceText, _ range: Range<Int>, into events: inout [Event]) {
        let text = bytes[range]
        if text.starts(with: "# tracer: ".utf8) {
            tracer = String(decoding: text.dropFirst(10).prefix(32), as: UTF8.self)
        } else if text.starts(with: "# entries-in-buffer/entries-written: ".utf8) {
            var scanner = Scanner(bytes: bytes, position: range.lowerBound + 37, end: range.upperBound)
            guard let kept = scanner.decimal(), scanner.take("/"), let written = scanner.decimal(), written > kept
            else { return }
            story.lose(.ftraceBuffer, written - kept, into: &events)
        } else if text.starts(with: "##### CPU ".utf8) {
            // A processor's buffer begins here and had been longer.
            story.forget()
        } else if range.count > 2, let head = LineHead(bytes, (range.lowerBound + 2)..<range.upperBound),
            story.names.event(head.nameHash) == .marker
        {
            mark.read(bytes, head.arguments..<range.upperBound, at: head.event.time, into: &run)
        }
    }

    /// "CPU:1 [LOST 12 EVENTS]", "CPU:1 [12 EVENTS DROPPED]", "[12 events lost]": how many; 1 where the
    /// kernel does not say.
    private static func lost(_ text: Slice<TraceText>) -> UInt64? {
        guard text.count < 80, let open = text.firstIndex(of: UInt8(ascii: "[")), text.last == UInt8(ascii: "]"),
            open == text.startIndex || text.starts(with: "CPU".utf8)
        else { return nil }
        let words = text[open...].dropFirst().dropLast().split(separator: 0x20)
        let isLoss = words.contains { word in
            ["LOST", "lost", "DROPPED", "dropped"].contains { word.elementsEqual($0.utf8) }
        }
        guard isLoss else { return nil }
        for word in words {
            if let count = UInt64(String(decoding: word, as: UTF8.self)) { return max(count, 1) }
        }
        return 1
    }

    /// Takes off "<4>", "[   12.345678] ", "[  T123] " and what a log puts before "kernel: ".
    private static func withoutConsole(_ bytes: TraceText, _ range: Range<Int>) -> Range<Int> {
        var begin = range.lowerBound
        // Columns begin with a blank or are eight wide, so that no task's name is taken for this.
        if bytes[begin] > 0x40, let word = log(bytes[begin..<min(begin + 96, range.upperBound)]) { begin = word }
        if bytes[begin] == UInt8(ascii: "<"), begin + 2 < range.upperBound, bytes[begin + 1] &- 0x30 < 10 {
            begin =
                bytes[begin..<min(begin + 5, range.upperBound)].firstIndex(of: UInt8(ascii: ">")).map { $0 + 1 }
                ?? begin
        }
        var isConsole = false
        while begin < range.upperBound, bytes[begin] == UInt8(ascii: "["),
            let close = bytes[begin..<min(begin + 40, range.upperBound)].firstIndex(of: UInt8(ascii: "]")),
            bytes[begin..<close].contains(where: { $0 &- 0x30 < 10 }), close - begin > 3
        {
            // "[12 events lost]" is no time.
            guard isConsole || Self.lost(bytes[begin..<range.upperBound]) == nil else { break }
            isConsole = true
            begin = close + 1
        }
        if isConsole, begin < range.upperBound, bytes[begin] == UInt8(ascii: " ") { begin += 1 }
        return begin..<range.upperBound
    }

    /// Where "kernel: [" has its bracket.
    private static func log(_ text: Slice<TraceText>) -> Int? {
        var rest = text
        while let place = rest.firstIndex(of: UInt8(ascii: "k")) {
            if text[place...].starts(with: "kernel: [".utf8) { return place + 8 }
            rest = text[(place + 1)...]
        }
        return nil
    }

    // MARK: What is not there

    public var omissions: [Omission] {
        var all = foreign.omissions(of: name) + incomplete.omissions(of: name)
        func add(_ what: String) { all.append(Omission(place: name, what: what)) }
        if lines.overlong > 0 { add("\(lines.overlong) lines of more than 64 KiB were passed over") }
        all += mark.omissions(of: name)
        if isOver { all += story.omissions(of: name, processes: "there is no column for processes") }
        return all
    }

    private func nothingKnown(_ where: String) -> SourceError {
        let place = "\(name), line \(max(lines.line, 1))"
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

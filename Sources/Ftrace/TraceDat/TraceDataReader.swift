// SPDX-License-Identifier: Apache-2.0

// Reads a trace.dat and tells its events, those that a text of it would tell and in the same order: by time, and
// where times are the same by the number of the processor. Stacks are whole here, of which the text has eight
// frames. Of the file there is no more in memory than some pages for each processor, and what the kernel's
// functions are called once that is needed.

public import Events

/// A recording of trace-cmd as a source of events.
public struct TraceDataReader: EventSource {
    /// Events to look at in one go.
    private static let stride = 8192
    /// For the pages of all processors.
    private static let memoryLimit = 256 << 20

    public private(set) var run: RunInfo
    private let file: TraceDataFile
    private let layout: TraceDataLayout
    private var processors: [ProcessorEvents] = []
    private var reconstruction: Reconstruction
    private var mark = RecipeMark()
    private var symbols: KernelSymbols?
    private var symbolsState = SymbolsState.unread
    /// The task of the newest event.
    private var latest = (tid: UInt32.max, comm: Comm(low: 0, high: 0))
    /// Events of what was read ahead to know the run.
    private var ahead: [Event] = []
    /// Events looked at so far, needed or not.
    private var count: UInt64 = 0
    private var incomplete = Places("event", "events without an argument that is needed")
    private var isOver = false

    private enum SymbolsState { case unread, read, damaged(String) }

    /// Reads what the file says of itself and its first events. `name` is for messages; with `tellsAll` every
    /// shared lookup is told, else those that met something or went back.
    /// - Throws: `SourceError`, or `TraceData.Unfamiliar` for a file that only trace-cmd may know.
    public init(
        name: String, size: UInt64, showsKernelAddresses: Bool = false, tellsAll: Bool = false,
        input: @escaping TraceData.Input
    ) throws {
        run = RunInfo(showsKernelAddresses: showsKernelAddresses)
        reconstruction = Reconstruction(showsKernelAddresses: showsKernelAddresses, tellsAll: tellsAll)
        file = TraceDataFile(name: name, size: size, input: input)
        layout = try TraceDataLayout(file, names: reconstruction.names)
        run.kernelRelease = layout.release
        guard layout.formats.areUseful else { throw nothingKnown }
        let chunkLimit = min(4 << 20, Self.memoryLimit / max(1, layout.processors.count))
        for place in layout.processors {
            processors.append(
                try ProcessorEvents(file, place, by: layout.decompressor, chunkLimit: max(chunkLimit, place.pageBytes)))
        }
        var ahead: [Event] = []
        try step(into: &ahead)
        self.ahead = ahead
    }

    public var progress: SourceProgress {
        SourceProgress(bytesRead: processors.reduce(0) { $0 + $1.bytesRead }, bytesInAll: file.size)
    }

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

    // MARK: Events

    private mutating func step(into sink: inout some EventSink) throws {
        var processors = self.processors
        self.processors = []
        defer { self.processors = processors }
        var left = Self.stride
        var arguments = Arguments()
        while left > 0, let turn = Turn(of: processors) {
            try processors[turn.place].take(before: turn.end, atMost: &left) { event, text in
                take(event, in: text, by: &arguments, into: &sink)
            }
        }
        guard left > 0 else { return }
        isOver = true
        if !reconstruction.seen.isAny { throw nothingKnown }
        for processor in processors { reconstruction.lose(.ftraceBuffer, processor.lost, into: &sink) }
        reconstruction.end(into: &sink)
    }

    /// One event; `arguments` are room for its own.
    private mutating func take(
        _ event: RawEvent, in text: TraceText, by arguments: inout Arguments, into sink: inout some EventSink
    ) {
        count += 1
        if event.lost > 0 {
            reconstruction.lose(.ftraceBuffer, event.lost, into: &sink)
            reconstruction.forget()
        }
        // Number, flags, depths and task: every event begins with them.
        guard event.data.count >= 8 else { return }
        let common = text.word(at: event.data.lowerBound)
        guard let format = layout.formats[Int(common & 0xffff)] else { return }
        let tid = UInt32(truncatingIfNeeded: common >> 32)
        if tid != latest.tid { latest = (tid, layout.comms[tid] ?? Self.nameless) }
        var head = EventHead()
        (head.tid, head.comm, head.time) = (tid, latest.comm, event.time)
        head.isInterrupt = common >> 16 & Self.interruptFlags != 0
        switch format.name {
        case .systemCall: break
        case .marker:
            guard let begin = format.list, begin < event.data.count else { return }
            let words = text[event.data.lowerBound + begin..<event.data.upperBound].prefix { $0 != 0 && $0 != 0x0a }
            mark.read(text, words.startIndex..<words.endIndex, at: event.time, into: &run)
        case .stack:
            _ = reconstruction.take(.stack, head, Arguments(), line: count, into: &sink)
            if reconstruction.stackOwner != nil { readStack(format, event.data, in: text) }
            reconstruction.endStack()
        default:
            layout.formats.read(format, event.data, in: text, into: &arguments)
            if let caller = format.caller, caller + 8 <= event.data.count {
                let address = text.word(at: event.data.lowerBound + caller)
                arguments.isFutexCall = function(at: address)?.isFutexCall
            }
            if !reconstruction.take(format.name, head, arguments, line: count, into: &sink) { incomplete.add(count) }
        }
    }

    /// As trace-cmd calls a task of which nothing is known.
    private static let nameless = Comm("<...>")
    /// Of the flags that go with every event: in an interrupt, in a soft one, in one that cannot be masked.
    private static let interruptFlags: UInt64 = 0x08 | 0x10 | 0x40

    private mutating func readStack(_ format: EventFormats.Format, _ data: Range<Int>, in text: TraceText) {
        guard let list = format.list else { return }
        var position = data.lowerBound + list
        var left = format.count.map { text.word(at: data.lowerBound + $0, count: 4) } ?? .max
        while left > 0, position + 8 <= data.upperBound {
            let function = function(at: text.word(at: position))
            reconstruction.frame(function?.frame.function ?? 0, function?.frame.kind ?? .function)
            (left, position) = (left - 1, position + 8)
        }
    }

    private mutating func function(at address: UInt64) -> KernelSymbols.Function? {
        if case .unread = symbolsState {
            do {
                symbols = try layout.readSymbols()
                symbolsState = .read
            } catch {
                symbolsState = .damaged((error as? SourceError)?.message ?? "\(error)")
            }
        }
        return symbols?.function(at: address)
    }

    // MARK: What is not there

    public var omissions: [Omission] {
        var all = incomplete.omissions(of: file.name)
        for (place, processor) in zip(layout.processors, processors) {
            guard let damage = processor.damage else { continue }
            all.append(Omission(place: "\(file.name), processor \(place.number)", what: damage))
        }
        if case .damaged(let message) = symbolsState {
            all.append(Omission(place: file.name, what: "functions have no names, since \(message)"))
        }
        all += mark.omissions(of: file.name)
        if isOver { all += reconstruction.omissions(of: file.name, processes: "processes are not recorded") }
        return all
    }

    private var nothingKnown: SourceError {
        let what =
            if layout.formats.haveSystemCalls, !layout.formats.areUseful {
                "of futexes there are but the calls sys_enter_futex and sys_exit_futex, which do not say what page was met"
            } else if count == 0, layout.formats.areUseful {
                "there is no event in it"
            } else {
                "it has none of the events that are needed, such as fs_lookup or fs_detach"
            }
        return SourceError("\(file.name): \(what); \(RecipeMark.advice)")
    }
}

/// The processor whose event comes next.
private struct Turn {
    /// In the list of processors.
    let place: Int
    /// The time from which on another one has its turn. Where times are the same the first in the list comes first.
    private(set) var end = UInt64.max

    /// Nil when there are no events left.
    init?(of processors: [ProcessorEvents]) {
        var first: (place: Int, time: UInt64)?
        for place in processors.indices {
            guard let time = processors[place].event?.time else { continue }
            if first.map({ time < $0.time }) ?? true { first = (place, time) }
        }
        guard let first else { return nil }
        self.place = first.place
        for other in processors.indices where other != place {
            guard let time = processors[other].event?.time else { continue }
            end = min(end, other > place && time < .max ? time + 1 : time)
        }
    }
}

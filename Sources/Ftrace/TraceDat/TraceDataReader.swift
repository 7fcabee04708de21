// SPDX-License-Identifier: Apache-2.0

// Reads a trace.dat and passes on its events: those that its text would give, in the same order, by time, and where
// times are equal by the number of the processor. Stacks are whole here; the text has eight frames of them. Memory
// holds some pages of the file for each processor and, once they are needed, the names of the kernel's functions.

public import Events

/// A recording of trace-cmd as a source of events.
public struct TraceDataReader: EventSource {
    /// Events that are decoded in one call.
    private static let stride = 8192
    /// For the pages of all processors.
    private static let memoryLimit = 256 << 20

    public private(set) var run: RunInfo
    private let file: TraceDataFile
    private let layout: TraceDataLayout
    private var processors: [ProcessorEvents<FilePages>] = []
    private var decoder: PageEventDecoder
    /// Events that were read in advance to know the run.
    private var ahead: [Event] = []
    private var isOver = false
    /// Where another recording begins behind this one; nil where none does.
    private let nextBegin: UInt64?

    /// Reads the description in the file and its first events. `name` is for messages; with `emitsAll` every shared
    /// lookup is reported, else those that observed something or retried.
    /// - Throws: `SourceError`, or `TraceData.Unfamiliar` for a file that only trace-cmd may know.
    public init(
        name: String, size: UInt64, showsKernelAddresses: Bool = false, emitsAll: Bool = false,
        input: @escaping TraceData.Input
    ) throws {
        run = RunInfo(showsKernelAddresses: showsKernelAddresses)
        var reconstruction = Reconstruction(
            showsKernelAddresses: showsKernelAddresses, emitsAll: emitsAll, mayLackLines: false)
        file = TraceDataFile(name: name, size: size, input: input)
        let layout = try TraceDataLayout(file, names: reconstruction.names)
        self.layout = layout
        nextBegin = try Self.nextBegin(in: file, behind: layout.processors)
        reconstruction.counts = layout.hasCountsForTimes
        decoder = PageEventDecoder(
            formats: layout.formats, reconstruction: reconstruction, comms: layout.comms,
            symbols: LazySymbols { try layout.readSymbols() })
        (run.host, run.kernelRelease) = (layout.host, layout.release)
        run.hasCountsForTimes = layout.hasCountsForTimes
        guard layout.formats.areUseful else { throw nothingKnown }
        let chunkLimit = min(4 << 20, Self.memoryLimit / max(1, layout.processors.count))
        for place in layout.processors {
            processors.append(
                try ProcessorEvents(
                    FilePages(
                        file, place, by: layout.decompressor, chunkLimit: max(chunkLimit, place.pageBytes))))
        }
        var ahead: [Event] = []
        try step(into: &ahead)
        self.ahead = ahead
    }

    public var progress: SourceProgress {
        SourceProgress(bytesRead: processors.reduce(0) { $0 + $1.input.bytesRead }, bytesInAll: file.size)
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
                decoder.take(event, in: text, by: &arguments, run: &run, into: &sink)
            }
        }
        guard left > 0 else { return }
        isOver = true
        if !decoder.reconstruction.seen.isAny { throw nothingKnown }
        for processor in processors { decoder.reconstruction.lose(.ftraceBuffer, processor.lost, into: &sink) }
        decoder.reconstruction.end(into: &sink)
    }

    // MARK: What is not there

    public var omissions: [Omission] {
        var all = decoder.incomplete.omissions(of: file.name)
        for (place, processor) in zip(layout.processors, processors) {
            guard let damage = processor.damage.reason else { continue }
            all.append(Omission(place: "\(file.name), processor \(place.number)", what: damage))
        }
        if let message = decoder.symbols.damage {
            all.append(Omission(place: file.name, what: "functions have no names, since \(message)"))
        }
        if let nextBegin {
            all.append(
                Omission(
                    place: "\(file.name), byte \(nextBegin)",
                    what:
                        "another recording begins here and is not read; split the file there: `tail -c +\(nextBegin + 1)`",
                    hidesObservations: true))
        }
        all += decoder.mark.omissions(of: file.name)
        if isOver {
            all += decoder.reconstruction.omissions(
                of: file.name, processes: "processes are not recorded", isWhole: decoder.mark.isRead)
        }
        return all
    }

    /// Two files may have been joined to one. Behind the pages of a recording there is little else.
    private static func nextBegin(in file: TraceDataFile, behind processors: [ProcessorPlace]) throws -> UInt64? {
        let end = processors.map { $0.offset.addingReportingOverflow($0.size) }.map {
            $0.overflow ? .max : $0.partialValue
        }
        .max()
        guard let end, end < file.size else { return nil }
        var bytes: [UInt8] = []
        try file.read(1 << 20, at: end, into: &bytes)
        let place = bytes.indices.first {
            bytes[$0] == TraceData.magic[0] && bytes[$0...].starts(with: TraceData.magic)
        }
        return place.map { end + UInt64($0) }
    }

    private var nothingKnown: SourceError {
        let what =
            if layout.formats.haveSystemCalls, !layout.formats.areUseful {
                "the only futex events are sys_enter_futex and sys_exit_futex, which do not show which page was met"
            } else if decoder.count == 0, layout.formats.areUseful {
                "there is no event in it"
            } else {
                "it has none of the events that are needed, such as fs_lookup or fs_detach"
            }
        return SourceError("\(file.name): \(what); \(RecipeMark.advice)")
    }
}

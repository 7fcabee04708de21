// SPDX-License-Identifier: Apache-2.0

// Turns pages of the running kernel's ring buffers into events in the order of their times. The buffers of the
// processors are read one after the other, so a caller passes on only events that are older than the reading itself.

public import Events

/// What the kernel says of its events before the first one is read.
public struct RingBufferDescription: Sendable {
    /// `format` of each event that is recorded, and of `kernel_stack`.
    public var formats: [[UInt8]]
    /// /proc/kallsyms, with addresses.
    public var kallsyms: [UInt8]
    /// Bytes of a page of the buffer.
    public var pageBytes: Int
    /// Unlocks are recorded at the function's own calls.
    public var unlocksAreOwn: Bool
    /// Lookups are recorded from entry to return; else observations alone.
    public var followsLookups: Bool

    public init(
        formats: [[UInt8]], kallsyms: [UInt8], pageBytes: Int, unlocksAreOwn: Bool, followsLookups: Bool
    ) {
        (self.formats, self.kallsyms, self.pageBytes) = (formats, kallsyms, pageBytes)
        (self.unlocksAreOwn, self.followsLookups) = (unlocksAreOwn, followsLookups)
    }
}

/// Merges the pages of all processors and decodes them.
public struct RingBufferStream {
    private var processors: [ProcessorEvents<HeldPages>] = []
    private var decoder: PageEventDecoder
    private let pageBytes: Int
    private var run = RunInfo()

    /// - Parameters:
    ///   - wanted: which lookups are reported and counted; user and control group are not known.
    ///   - process: the process of a thread whose event has just been read; nil when it is gone.
    ///   - mapsFile: whether a process maps a file now.
    /// - Throws: `SourceError` when the kernel lays events out unlike any known kernel.
    public init(
        _ description: RingBufferDescription, processors count: Int, showsKernelAddresses: Bool, emitsAll: Bool,
        wanted: LookupFilter, process: @escaping (_ thread: UInt32, _ name: Comm) -> UInt32?,
        mapsFile: @escaping (_ process: UInt32, _ file: FileID) -> Bool
    ) throws(SourceError) {
        pageBytes = description.pageBytes
        let reconstruction = Reconstruction(
            showsKernelAddresses: showsKernelAddresses, emitsAll: emitsAll, mayLackLines: false,
            followsLookups: description.followsLookups, wanted: wanted, mapsFile: mapsFile)
        var formats = EventFormats()
        for format in description.formats {
            guard formats.add(format, names: reconstruction.names) else {
                throw SourceError("this kernel lays out its events unlike any known kernel")
            }
        }
        var text = description.kallsyms
        TraceText.pad(&text)
        let symbols = KernelSymbols(kallsyms: text, names: reconstruction.names)
        decoder = PageEventDecoder(
            formats: formats, reconstruction: reconstruction, symbols: LazySymbols { symbols },
            unlocksAreOwn: description.unlocksAreOwn, process: process)
        for _ in 0..<count { processors.append(ProcessorEvents(empty: HeldPages(pageBytes: pageBytes))) }
    }

    /// Adds a page of a processor, read after all that were added before.
    public mutating func add(_ page: ArraySlice<UInt8>, of processor: Int) {
        processors[processor].input.add(page)
    }

    /// Passes on all events before `end`, in nanoseconds of CLOCK_MONOTONIC.
    public mutating func read(before end: UInt64, into sink: inout some EventSink) {
        for place in processors.indices { processors[place].resume() }
        var arguments = Arguments()
        while true {
            // A loss is effective from the last event before it, and so before all events of other processors since
            // then.
            for place in processors.indices where processors[place].isAfterLoss {
                decoder.lose(processors[place].takeLost(), into: &sink)
            }
            guard let turn = Turn(of: processors), turn.time < end else { break }
            if turn.time < decoder.reconstruction.time {
                // It was written later than the slack allows for. Conclusions that were made without it cannot be
                // withdrawn.
                decoder.forget(1, into: &sink)
            }
            var left = Int.max
            processors[turn.place].take(before: min(turn.end, end), atMost: &left) { event, text in
                decoder.take(event, in: text, by: &arguments, run: &run, into: &sink)
            }
        }
    }

    /// Ends the stream: passes on everything that is held, and lookups that have not returned.
    public mutating func finish(into sink: inout some EventSink) {
        read(before: .max, into: &sink)
        for processor in processors { decoder.lose(processor.lost, into: &sink) }
        decoder.reconstruction.reportUnfinished(into: &sink)
    }

    /// Whether an event is held that was not passed on.
    public var holdsEvents: Bool { processors.contains { $0.event != nil } }

    /// The sums so far, without times.
    public var totals: Totals { decoder.reconstruction.totals }

    /// Events that were reported as lost in the buffers.
    public var lostInPages: UInt64 { decoder.lostInPages }

    /// Events that did not have the requested arguments, and pages that hold no event.
    public var damaged: UInt64 { decoder.incomplete.count }
}

/// Pages that were read but not decoded yet.
struct HeldPages: PageInput {
    let pageBytes: Int
    private var pages: [UInt8] = []

    init(pageBytes: Int) { self.pageBytes = pageBytes }

    mutating func add(_ page: ArraySlice<UInt8>) { pages += page }

    mutating func fill(_ bytes: inout [UInt8], damage: inout PageDamage) -> Bool {
        bytes = pages
        pages = []
        return !bytes.isEmpty
    }
}

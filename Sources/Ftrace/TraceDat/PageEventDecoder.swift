// SPDX-License-Identifier: Apache-2.0

// From an event of a ring buffer's page to the reconstruction: whose event it is, its arguments, and the names of the
// functions on its stack. The pages of a file and those of the running kernel are decoded in the same way.

internal import Events

/// Decodes events one by one, in the order of their times.
struct PageEventDecoder {
    /// Bits of the flags in every event: in an interrupt, in a soft interrupt, in one that cannot be masked.
    private static let interruptFlags: UInt64 = 0x08 | 0x10 | 0x40
    /// Names of tasks that are kept; beyond this number all are dropped.
    private static let commLimit = 1 << 20

    let formats: EventFormats
    var reconstruction: Reconstruction
    private(set) var mark = RecipeMark()
    /// The name of each task in its last event that named it.
    private var comms: [UInt32: Comm]
    private(set) var symbols: LazySymbols
    /// Finds the process of a task while the task lives.
    private let process: ((UInt32, Comm) -> UInt32?)?
    /// Unlocks were recorded at the function's own calls and nowhere else.
    private let unlocksAreOwn: Bool
    /// The task of the newest event.
    private var latest = (tid: UInt32.max, comm: Comm(low: 0, high: 0))
    /// Events decoded so far, needed or not.
    private(set) var count: UInt64 = 0
    /// Events that were lost, as the pages report.
    private(set) var lostInPages: UInt64 = 0
    private(set) var incomplete = Places("event", "events without an argument that is needed")

    init(
        formats: EventFormats, reconstruction: Reconstruction, comms: [UInt32: Comm] = [:], symbols: LazySymbols,
        unlocksAreOwn: Bool = false, process: ((UInt32, Comm) -> UInt32?)? = nil
    ) {
        (self.formats, self.reconstruction, self.comms, self.symbols) = (formats, reconstruction, comms, symbols)
        (self.unlocksAreOwn, self.process) = (unlocksAreOwn, process)
    }

    /// Events were lost before the next one.
    mutating func lose(_ count: UInt64, into sink: inout some EventSink) {
        guard count > 0 else { return }
        lostInPages &+= count
        forget(count, into: &sink)
    }

    /// The open state cannot be trusted any more, for a reason that the kernel does not count.
    mutating func forget(_ count: UInt64, into sink: inout some EventSink) {
        reconstruction.lose(.ftraceBuffer, count, into: &sink)
        reconstruction.forget(into: &sink)
    }

    /// One event; `arguments` is memory for its arguments, and `run` gets the facts from a mark.
    mutating func take(
        _ event: RawEvent, in text: TraceText, by arguments: inout Arguments, run: inout RunInfo,
        into sink: inout some EventSink
    ) {
        count += 1
        lose(event.lost, into: &sink)
        // Number, flags, depths and task: every event begins with them.
        guard event.data.count >= 8 else { return }
        let common = text.word(at: event.data.lowerBound)
        guard let format = formats[Int(common & 0xffff)] else { return }
        let tid = UInt32(truncatingIfNeeded: common >> 32)
        if let comm = format.comm.flatMap({ Comm(at: $0, of: event.data, in: text) }) {
            if comms.count >= Self.commLimit { comms = [:] }
            comms[tid] = comm
            latest = (tid, comm)
        } else if tid != latest.tid {
            latest = (tid, comms[tid] ?? .nameless)
        }
        var head = EventHead()
        (head.tid, head.comm, head.time) = (tid, latest.comm, event.time)
        head.isInterrupt = common >> 16 & Self.interruptFlags != 0
        if format.comm != nil { head.tgid = process?(tid, latest.comm) }
        switch format.name {
        case .systemCall: break
        case .marker:
            guard let begin = format.list, begin < event.data.count else { return }
            let words = text[event.data.lowerBound + begin..<event.data.upperBound].prefix { $0 != 0 && $0 != 0x0a }
            mark.read(text, words.startIndex..<words.endIndex, at: event.time, into: &run)
        case .stack:
            _ = reconstruction.take(.stack, head, Arguments(), line: count, into: &sink)
            if reconstruction.stackOwner != nil { readStack(format, event.data, in: text, into: &sink) }
            reconstruction.endStack()
        default:
            formats.read(format, event.data, in: text, into: &arguments)
            if let caller = format.caller, caller + 8 <= event.data.count {
                let address = text.word(at: event.data.lowerBound + caller)
                arguments.isFutexCall = symbols.function(at: address)?.isFutexCall
            } else if unlocksAreOwn {
                arguments.isFutexCall = true
            }
            if !reconstruction.take(format.name, head, arguments, line: count, into: &sink) { incomplete.add(count) }
        }
    }

    private mutating func readStack(
        _ format: EventFormats.Format, _ data: Range<Int>, in text: TraceText, into sink: inout some EventSink
    ) {
        guard let list = format.list else { return }
        var position = data.lowerBound + list
        var left = UInt64.max
        if let count = format.count {
            // The format comes from the file, and may name a place behind the event.
            guard count + 4 <= data.count else { return }
            left = text.word(at: data.lowerBound + count, count: 4)
        }
        while left > 0, position + 8 <= data.upperBound {
            let function = symbols.function(at: text.word(at: position))
            reconstruction.frame(function?.frame.function ?? 0, function?.frame.kind ?? .function, into: &sink)
            (left, position) = (left - 1, position + 8)
        }
    }
}

/// The kernel's symbols, read when the first address is to be named.
struct LazySymbols {
    private enum State { case unread, read, damaged(String) }

    private let read: () throws -> KernelSymbols?
    private var symbols: KernelSymbols?
    private var state = State.unread

    init(_ read: @escaping () throws -> KernelSymbols?) { self.read = read }

    /// Why functions have no names; nil when they have, or were not asked for.
    var damage: String? { if case .damaged(let message) = state { message } else { nil } }

    mutating func function(at address: UInt64) -> KernelSymbols.Function? {
        if case .unread = state {
            do {
                symbols = try read()
                state = .read
            } catch {
                state = .damaged((error as? SourceError)?.message ?? "\(error)")
            }
        }
        return symbols?.function(at: address)
    }
}

extension Comm {
    /// A text of an event, whose place and length are in the field at `offset`; nil when it is not inside the event.
    fileprivate init?(at offset: Int, of data: Range<Int>, in text: TraceText) {
        guard offset + 4 <= data.count else { return nil }
        let place = text.word(at: data.lowerBound + offset, count: 4)
        let (begin, length) = (Int(place & 0xffff), Int(place >> 16))
        guard length > 0, begin + length <= data.count else { return nil }
        let range = data.lowerBound + begin..<data.lowerBound + begin + length
        self.init(text, range.lowerBound..<(text.first("\0", in: range) ?? range.upperBound))
    }
}

/// The processor whose event comes next.
struct Turn {
    /// In the list of processors.
    let place: Int
    /// Of its event.
    let time: UInt64
    /// The time from which the next event comes from another processor. Where times are equal, the first processor in
    /// the list comes first.
    private(set) var end = UInt64.max

    /// Nil when there are no events left.
    init?<Input>(of processors: [ProcessorEvents<Input>]) {
        var first: (place: Int, time: UInt64)?
        for place in processors.indices {
            guard let time = processors[place].event?.time else { continue }
            if first.map({ time < $0.time }) ?? true { first = (place, time) }
        }
        guard let first else { return nil }
        (place, time) = first
        for other in processors.indices where other != place {
            guard let time = processors[other].event?.time else { continue }
            end = min(end, other > place && time < .max ? time + 1 : time)
        }
    }
}

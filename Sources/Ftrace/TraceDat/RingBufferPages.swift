// SPDX-License-Identifier: Apache-2.0

// The pages of the kernel's ring buffer, from any source. A page starts with a time and a length; then come events,
// each with the time since the one before (include/linux/ring_buffer.h). Damage costs a page, or the rest of the
// processor's pages, and is counted.

internal import Events

/// An event, at its place among the bytes in memory.
struct RawEvent {
    var time: UInt64
    /// Number, flags, task and arguments.
    var data: Range<Int>
    /// Events that were lost before it.
    var lost: UInt64 = 0
}

/// Where the pages of one processor come from.
protocol PageInput {
    associatedtype Failure: Error
    /// Bytes of a page.
    var pageBytes: Int { get }
    /// Replaces `bytes` with the next whole pages; false when there are none. Damage is added to `damage`.
    mutating func fill(_ bytes: inout [UInt8], damage: inout PageDamage) throws(Failure) -> Bool
}

/// Parts of the pages of one processor that could not be read.
struct PageDamage {
    /// The first reason.
    private(set) var reason: String?
    /// Places since the last call of `takeCount`, each of which counts as one lost event.
    private var count: UInt64 = 0

    mutating func lose(_ reason: String) {
        count &+= 1
        if self.reason == nil { self.reason = reason }
    }

    mutating func takeCount() -> UInt64 {
        defer { count = 0 }
        return count
    }
}

/// The events of one processor, in the order in which it wrote them.
struct ProcessorEvents<Input: PageInput> {
    var input: Input
    /// Whole pages, and the padding of `TraceText`; or nothing.
    private var bytes: [UInt8] = []
    /// Where the page after this one begins.
    private var nextPage = 0
    private var page = RingBufferPage()
    /// Events lost before the next event, or after the last one.
    private(set) var lost: UInt64 = 0
    /// The event that comes next; nil when the input has none.
    private(set) var event: RawEvent?
    private(set) var damage = PageDamage()

    /// Moves to the first event.
    init(_ input: Input) throws(Input.Failure) {
        self.input = input
        try advance()
    }

    /// For an input that has no page yet.
    init(empty input: Input) { self.input = input }

    /// Continues after the input had no more pages.
    mutating func resume() throws(Input.Failure) {
        if event == nil { try advance() }
    }

    /// Events were lost before the event that comes next.
    var isAfterLoss: Bool { event.map { $0.lost > 0 } ?? false }

    /// What was lost before the event that comes next, once.
    mutating func takeLost() -> UInt64 {
        defer { event?.lost = 0 }
        return event?.lost ?? 0
    }

    /// Passes on the next event and those after it that are before `end`, at most as many as are left.
    @inline(__always)
    mutating func take(
        before end: UInt64, atMost left: inout Int, _ body: (RawEvent, TraceText) -> Void
    ) throws(Input.Failure) {
        var isFirst = true
        while left > 0, let first = event, isFirst || first.time < end {
            isFirst = false
            let held = bytes
            // Only events of this page.
            TraceText.reading(padded: held) { text in
                var next = first
                repeat {
                    body(next, text)
                    left -= 1
                    event = page.next(in: text)
                    guard let event else { return }
                    next = event
                } while left > 0 && next.time < end
            }
            if event == nil { try advance() }
        }
    }

    /// The first event of the next page that has one.
    private mutating func advance() throws(Input.Failure) {
        repeat {
            if page.isDamaged {
                page.isDamaged = false
                damage.lose("a page holds what is no event")
            }
            var isThere = nextPage + TraceText.padding < bytes.count
            if !isThere { isThere = try fill() }
            lost &+= damage.takeCount()
            guard isThere else {
                event = nil
                return
            }
            let held = bytes
            let begin = nextPage
            nextPage += input.pageBytes
            let missed = TraceText.reading(padded: held) { page.begin(in: $0, begin..<begin + input.pageBytes) }
            lost &+= missed
            event = TraceText.reading(padded: held) { page.next(in: $0) }
        } while event == nil
        event?.lost = lost
        lost = 0
    }

    private mutating func fill() throws(Input.Failure) -> Bool {
        nextPage = 0
        let isFilled = try input.fill(&bytes, damage: &damage)
        if isFilled { TraceText.pad(&bytes) } else { bytes.removeAll() }
        return isFilled
    }
}

/// One page, while its events are looked at.
private struct RingBufferPage {
    /// Bytes before the first event: the page's time, and the length of its events with two bits about losses.
    static let headBytes = 16

    private var position = 0
    private var end = 0
    private var time: UInt64 = 0
    /// The rest of the page cannot be read.
    var isDamaged = false

    /// Moves to the page in `range`; returns the number of events lost before it, 1 where the kernel does not give the
    /// number.
    mutating func begin(in text: TraceText, _ range: Range<Int>) -> UInt64 {
        time = text.word(at: range.lowerBound)
        let commit = text.word(at: range.lowerBound + 8)
        position = range.lowerBound + Self.headBytes
        end = position + Int(commit & 0x7ff_ffff)
        // The kernel hands out no page without a time.
        guard end <= range.upperBound, time != 0 || commit != 0 else {
            (end, isDamaged) = (position, true)
            return 0
        }
        guard commit & 1 << 31 != 0 else { return 0 }
        // The count follows the last event, if there is room.
        guard commit & 1 << 30 != 0, end + 8 <= range.upperBound else { return 1 }
        return max(1, text.word(at: end))
    }

    /// The next event of the page; nil behind the last.
    @inline(__always)
    mutating func next(in text: TraceText) -> RawEvent? {
        while position &+ 4 <= end {
            let words = text.word(at: position)
            let length = Int(words & 31)
            let delta = words >> 5 & 0x7ff_ffff
            let data: Range<Int>
            switch length {
            case 1...28:
                time &+= delta
                data = position &+ 4..<position &+ 4 &+ length &* 4
            case 0:
                time &+= delta
                // Its own four bytes are counted; it ends where the next word begins.
                let size = Int(words >> 32)
                guard size >= 4 else { return stop() }
                data = position &+ 8..<position &+ 8 &+ (size - 1) & ~3
            case 29:
                // The unused rest of the page, or an event that was discarded.
                time &+= delta
                guard delta != 0 else {
                    position = end
                    return nil
                }
                position &+= 4 &+ Int(words >> 32)
                continue
            case 30:
                time &+= (words >> 32) << 27 | delta
                position &+= 8
                continue
            default:
                // Its highest five bits are missing in such an event.
                time = time & 0xf8 << 56 | (words >> 32) << 27 | delta
                position &+= 8
                continue
            }
            guard data.upperBound <= end else { return stop() }
            position = data.upperBound
            return RawEvent(time: time, data: data)
        }
        return nil
    }

    private mutating func stop() -> RawEvent? {
        (position, isDamaged) = (end, true)
        return nil
    }
}

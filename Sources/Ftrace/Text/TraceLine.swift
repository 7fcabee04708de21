// SPDX-License-Identifier: Apache-2.0

// What is known of one line of a trace before the lines around it are: its event, or that it is something else.

/// What one line says.
struct TraceLine: Sendable {
    enum Meaning {
        /// Nothing that could be known without reading it again.
        case other
        /// A line of a trace with an event that is not needed.
        case unneeded
        /// What looks like a frame, with the hash of its function as its only value.
        case frame(Reconstruction.FrameKind, isOfPerf: Bool)
        case event(EventName)
        /// A line that is too long to be kept.
        case overlong
    }

    var head = EventHead()
    var meaning = Meaning.other
    /// The hash of its event.
    var hash = EventHash()
    /// Which values it has, as `Arguments` packs them.
    var keys: UInt32 = 0
    /// How many arguments it has, needed or not.
    var words: UInt8 = 0
    var beginsWithDigit = false
    /// No line that is kept is longer, and something stands behind a prefix.
    private var prefixCount: UInt16 = 0
    /// What stands before it, as `Origin` has it; 0 where it is no line of a trace.
    var origin: UInt32 = 0
    private var begin: UInt32
    private var end: UInt32
    /// Lines before it in its block.
    let number: UInt32
    private let first: UInt32

    @inline(__always)
    init(range: Range<Int>, number: Int, firstValue: Int) {
        (begin, end) = (UInt32(range.lowerBound), UInt32(range.upperBound))
        (self.number, first) = (UInt32(number), UInt32(firstValue))
    }

    /// Its bytes without its end.
    var range: Range<Int> { Int(begin)..<Int(end) }
    /// How many of them a log has put before the line of the trace.
    var prefix: Int {
        get { Int(prefixCount) }
        set { prefixCount = UInt16(newValue) }
    }
    /// A line with a task and a time may begin with "#", and so may a prefix. It is no comment if it has a needed event
    /// that is no marker, or no event's name; nor is a frame.
    var isNoComment: Bool {
        switch meaning {
        case .event(let name): name != .marker
        case .other, .frame: true
        case .unneeded, .overlong: false
        }
    }
    /// It is the entry or the end of a function.
    var isOfFunction: Bool {
        switch meaning {
        case .event(.enter), .event(.leave): true
        default: false
        }
    }
    /// It has a task and a time.
    var isHead: Bool {
        if case .frame = meaning { return false }
        return origin != 0
    }
    var firstValue: Int { Int(first) }
}

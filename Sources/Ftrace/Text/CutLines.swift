// SPDX-License-Identifier: Apache-2.0

// Lines that were cut at their end by a terminal, a field or a buffer with a limited number of columns. A line that
// ends exactly behind an argument looks whole: "fs_unlock: (folio_unlock+0x4/0x20) page=0xfffff124802cb600
// mapping=0x0". But in one recording an event always has the same number of arguments, and a call site always has the
// same text. So a line with less than another line of its event was cut.
//
// After one cut line, whole lines may be missing. After several that end in the same column, none are missing: only the
// text behind that column is. Where all lines of an event end exactly behind the same argument, the cut is not noticed.

import Events

/// The largest number of arguments that the lines of each event have, in one trace.
struct CutLines {
    /// Indexed by `EventName.place`: the largest number of arguments of a line, and how many lines had that number.
    private var most = EventName.Places<(words: UInt8, lines: UInt64)>(repeating: (0, 0))
    /// For lines that end with the call site of a lookup, "caller=get_futex_key+0x18d/0x2c0": the columns of the
    /// longest such text, and how many lines had it.
    private var place: (columns: Int, lines: UInt64) = (0, 0)
    /// Column in which the newest cut line ended.
    private var cutColumn = 0

    /// Whether a cut line lacks only the numbers of the zero pages ("base=… zero=… hugezero=…"), so that its
    /// observation can be used: it ends in the same column as the cut line before it, or behind "base=…".
    mutating func isCutInColumn(_ name: EventName, _ arguments: borrowing Arguments, columns: Int) -> Bool {
        defer { cutColumn = columns }
        guard case .unlock = name, arguments[.zero] == nil, columns == cutColumn || arguments[.base] != nil else {
            return false
        }
        return arguments.isFutexCall == true && arguments[.page] != nil
            && arguments[.mapping] != nil && arguments[.reserved] != nil && arguments[.swapcache] != nil
            && arguments[.swapback] != nil && arguments[.large] != nil
    }

    /// Whether this line was cut, and how many earlier lines were cut that were accepted as whole.
    @inline(__always)
    mutating func judge(
        _ name: EventName, _ arguments: borrowing Arguments, _ text: TraceText, _ range: Range<Int>
    ) -> (isCut: Bool, before: UInt64) {
        if arguments.isDamaged { return (true, 0) }
        guard let place = name.place else { return (false, 0) }
        let words = arguments.wordCount
        if words != most[place].words {
            if words < most[place].words { return (true, 0) }
            let before = most[place].lines
            most[place] = (words, 1)
            if before > 0 { return (false, before) }
        } else {
            most[place].lines &+= 1
        }
        guard case .unlock = name, arguments.isFutexCall == true, arguments[.zero] == nil else { return (false, 0) }
        return arguments[.base] == nil ? judgePlace(text, range) : (true, 0)
    }

    /// The same for the unlock of a lookup: where the line ends with the call site, the length of that text decides.
    @inline(never)
    private mutating func judgePlace(_ text: TraceText, _ range: Range<Int>) -> (isCut: Bool, before: UInt64) {
        let word = text[range].reversed().prefix { $0 != 0x20 }
        guard word.reversed().starts(with: "caller=".utf8) else { return (false, 0) }
        if word.count < place.columns { return (true, 0) }
        let before = word.count > place.columns ? place.lines : 0
        place = (word.count, word.count > place.columns ? 1 : place.lines + 1)
        return (false, before)
    }
}

// SPDX-License-Identifier: Apache-2.0

// Lines that were cut at their end, by a terminal, a field or a buffer with a limited number of columns. Such a line
// looks whole where it ends behind an argument. But the same recording gives an event the same arguments each time, and
// the place of a call is the same text each time: what has less than others of its event was cut, and so were the lines
// before the first that has more. One cut line may mean that lines behind it are missing, too. Several that end in the same
// column do not: there only what stands behind that column is missing. Where all lines of an event end exactly behind the
// same argument, nothing shows that there was another one.

import Events

/// What the lines of one trace have, so that those with less are known.
struct CutLines {
    /// By the places of events: the largest number of arguments that one had, and how many lines had that many.
    private var most = [UInt8](repeating: 0, count: EventName.placeCount)
    private var lines = [UInt64](repeating: 0, count: EventName.placeCount)
    /// Columns of the place of the lookup's own call where a line ends with it, and how many lines had that many.
    private var place: (columns: Int, lines: UInt64) = (0, 0)
    /// Of the newest line that was cut.
    private var cutColumn = 0

    /// Whether a line that was cut ends where another one did, or at its last argument but one or two, behind all that an
    /// observation needs: what is missing are the numbers of the zero pages.
    mutating func isCutInColumn(_ name: EventName, _ arguments: borrowing Arguments, columns: Int) -> Bool {
        defer { cutColumn = columns }
        guard case .unlock = name, arguments[.zero] == nil, columns == cutColumn || arguments[.base] != nil else {
            return false
        }
        return arguments.isFutexCall == true && arguments[.page] != nil
            && arguments[.mapping] != nil && arguments[.reserved] != nil && arguments[.swapcache] != nil
            && arguments[.swapback] != nil && arguments[.large] != nil
    }

    /// Whether the line of an event is not whole, and how many lines before it are not, which were taken for whole.
    @inline(__always)
    mutating func judge(
        _ name: EventName, _ arguments: borrowing Arguments, _ text: TraceText, _ range: Range<Int>
    ) -> (isCut: Bool, before: UInt64) {
        if arguments.isDamaged { return (true, 0) }
        guard let place = name.place else { return (false, 0) }
        if arguments.wordCount < most[place] { return (true, 0) }
        let before = arguments.wordCount > most[place] ? learn(arguments.wordCount, at: place) : 0
        if before > 0 { return (false, before) }
        lines[place] &+= 1
        guard case .unlock = name, arguments.isFutexCall == true, arguments[.zero] == nil else { return (false, 0) }
        return arguments[.base] == nil ? judgePlace(text, range) : (true, 0)
    }

    /// Returns the number of lines that had fewer.
    @inline(never)
    private mutating func learn(_ count: UInt8, at place: Int) -> UInt64 {
        let before = lines[place]
        (most[place], lines[place]) = (count, before > 0 ? 1 : 0)
        return before
    }

    /// Of an unlock by the lookup whose line may end with the place of the call.
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

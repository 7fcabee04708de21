// SPDX-License-Identifier: Apache-2.0

// What stands around the lines of a trace and is none of it: what a console or a log puts before each line, and
// what the kernel prints where events were lost.

enum Console {
    /// "CPU:1 [LOST 12 EVENTS]", "CPU:1 [12 EVENTS DROPPED]", "[12 events lost]": how many; 1 where the
    /// kernel does not say.
    static func lost(_ text: Slice<TraceText>) -> UInt64? {
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
    static func removed(from bytes: TraceText, _ range: Range<Int>) -> Range<Int> {
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
            guard isConsole || lost(bytes[begin..<range.upperBound]) == nil else { break }
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
}

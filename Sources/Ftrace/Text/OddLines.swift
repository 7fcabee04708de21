// SPDX-License-Identifier: Apache-2.0

// Lines of a trace that are events, but whose name of the task is doubtful, is cut, or follows a prefix without a
// blank. Such as "console.txt:app 218 [001] 907.507163: futexscope:fs_pin: …", where `grep -H` was run on a text of
// perf.

import Events

extension FtraceReader {
    /// The head of an event where it is not exactly as the kernel prints it: its name, its number or its time. Nil
    /// where the event is not used.
    @inline(never)
    mutating func correctedHead(
        _ name: EventName, _ head: EventHead, _ text: TraceText, _ range: Range<Int>, into sink: inout some EventSink
    ) -> EventHead? {
        var head = head
        if head.oddities.contains(.isNameDoubtful) { doubtfulNames.add(line) }
        if head.oddities.contains(.isCount) { (reconstruction.counts, run.hasCountsForTimes) = (true, true) }
        // Lines of perf and lines with columns are not in one text. So this is the rest of a line that was cut.
        if head.oddities.contains(.isPerf), isInColumns {
            loseCut(text, range, into: &sink)
            return nil
        }
        // perf prints -1 for every task that has ended, so two such events may be of two tasks.
        if head.oddities.contains(.isPerf), head.tid == .max {
            unknownTasks.add(line)
            if case .detach = name { lose(1, into: &sink) }
            return nil
        }
        // In a text without repeated blanks, no name has all its columns.
        if !isInColumns { head.oddities.remove(.isNameShort) }
        // A name of perf has no columns, so this line may be the rest of a cut line before it.
        let isBehindOther = doubt == .before || foreignLine + 1 == line
        let isRest = head.oddities.contains(.isPerf) && isBehindOther
        if head.oddities.contains(.isTabbed), !isBehindOther { head.oddities.remove(.isNameShort) }
        if head.oddities.contains(.isPerf) { takePerfName(&head, text, range, isWhole: !isRest, into: &sink) }
        if doubt == .shrunk || isRest {
            head.oddities.insert(.isNameShort)
        }
        return head
    }

    /// Decides where a name of perf begins. In "console.txt:app 218 [001] …" the mark ends a prefix, which names the
    /// place of the line, unless another line has a name without a mark: then the text has no prefixes, and the mark is
    /// a part of the name. `isWhole` says that the line is not the rest of another one.
    mutating func takePerfName(
        _ head: inout EventHead, _ text: TraceText, _ range: Range<Int>, isWhole: Bool, into sink: inout some EventSink
    ) {
        if head.oddities.contains(.isNameMarked) {
            guard !perfNames.areBare else { return }
            head.comm = .nameless
            guard let read = LineHead(text, range), read.begin < read.time,
                let mark = (read.begin..<read.time).first(where: { text[$0].isMark })
            else { return }
            let prefix = range.lowerBound..<mark + 1
            if origins.isChange(text, prefix, number: line, isFrame: false, isLoose: true, extends: true) {
                beginElsewhere(into: &sink)
            }
        } else if !head.oddities.contains(.isNameDoubtful) {
            if isWhole { perfNames.areBare = true }
        } else if head.comm == .nameless, !perfNames.areGlued {
            // Longer than a name can be, and without a blank or a mark: each name has a prefix that nothing ends, so no
            // name is known.
            let read = LineHead(text, range)
            perfNames.areGlued =
                read.map { read in
                    text[read.begin..<min(read.begin + 16, range.upperBound)].allSatisfy { $0 > 0x20 && !$0.isMark }
                } ?? false
        }
        if perfNames.areGlued { head.comm = .nameless }
    }
}

// SPDX-License-Identifier: Apache-2.0

// Lines of a trace that are events, but whose name of the task is doubtful, cut or glued to what stands before it.

import Events

extension FtraceReader {
    /// Takes an event whose head is unusual: names, numbers or times that are not what the kernel prints.
    @inline(never)
    mutating func takeOdd(
        _ name: EventName, _ head: EventHead, _ arguments: borrowing Arguments, _ text: TraceText, _ range: Range<Int>,
        into sink: inout some EventSink
    ) {
        var head = head
        if head.oddities.contains(.isNameDoubtful) { doubtfulNames.add(line) }
        if head.oddities.contains(.isCount) { (reconstruction.counts, run.hasCountsForTimes) = (true, true) }
        // Texts of other programs have columns, so that this is the rest of a line that was cut.
        if head.oddities.contains(.isPerf), isInColumns { return loseCut(text, range, into: &sink) }
        // Several tasks have that number at once, so that nothing of one is a fact about the next.
        if head.oddities.contains(.isPerf), head.tid == .max {
            unknownTasks.add(line)
            if case .detach = name { lose(1, into: &sink) }
            return
        }
        // In a text that has lost its blanks no name has all its columns.
        if !isInColumns { head.oddities.remove(.isNameShort) }
        // Names of perf have no columns: this line may be the rest of the one before it.
        let isBehindOther = doubt == .before || foreignLine + 1 == line
        let isRest = head.oddities.contains(.isPerf) && isBehindOther
        if head.oddities.contains(.isTabbed), !isBehindOther { head.oddities.remove(.isNameShort) }
        if head.oddities.contains(.isPerf) { takePerfName(&head, text, range, isWhole: !isRest, into: &sink) }
        if doubt == .shrunk || isRest {
            head.oddities.insert(.isNameShort)
        }
        take(name, head, arguments, text, range, into: &sink)
    }

    /// A name of perf has no columns. Lines with a name and nothing else say that nothing stands before the others, so
    /// that a mark is a part of a name; else what ends with it names the place of the line.
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
            // Longer than a name, without a blank or a mark: something stands before all of them.
            let read = LineHead(text, range)
            perfNames.areGlued =
                read.map { read in
                    text[read.begin..<min(read.begin + 16, range.upperBound)].allSatisfy { $0 > 0x20 && !$0.isMark }
                } ?? false
        }
        if perfNames.areGlued { head.comm = .nameless }
    }
}

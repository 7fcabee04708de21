// SPDX-License-Identifier: Apache-2.0

// Lines of a text that are no events: comments of ftrace, notices of lost lines, and lines of other programs. Also the
// list of omissions that is reported at the end.

public import Events

extension FtraceReader {
    /// Takes a line without a head: a notice of a loss, the begin of a dump, or any other line of a console.
    mutating func other(_ text: TraceText, _ range: Range<Int>, into sink: inout some EventSink) {
        // The prefix that all lines have is not a part of the notice.
        let isWhole = prefix.begins(text, range)
        switch Notice(text[range], behind: isWhole ? min(prefix.count ?? 0, range.count) : 0) {
        case .lostEvents(let count):
            leaveStack()
            reconstruction.lose(.ftraceBuffer, count, into: &sink)
            reconstruction.forget(into: &sink)
        case .lostLines(let count):
            leaveStack()
            lose(count, into: &sink)
        case .begin:
            leaveStack()
            cuts = CutLines()
            reconstruction.beginAgain(into: &sink)
            copies.begin()
            dumpLine = line
        case .nothing:
            if Notice.isRule(text[range]), dumpLine + 1 < line, heads > 0 { doubt = .rule(line: line) }
            // The function graph tracer prints an event as a comment without its task: "/* fs_pin: (…) … */".
            if text.find("/* fs_", in: range) != nil { loseCut(text, range, into: &sink) }
        case nil:
            for words: StaticString in ["# tracer: ", "##### CPU ", "# entries-in-buffer/"] {
                if let place = text.find(words, in: range) {
                    return comment(text, place..<range.upperBound, into: &sink)
                }
            }
            leaveStack()
            // An event of the recipe whose task was cut away: "12.345678: fs_pin: (…) …".
            if text.find(": fs_", in: range) ?? text.find(":fs_", in: range) != nil {
                return loseCut(text, range, into: &sink)
            }
            foreign.add(line)
            foreignLine = line
            // A line without the usual prefix is the rest of a line that was cut, or a line of another program. Or it
            // is the first half of a line whose task's name has a line end in it; the next line shows that.
            if !isWhole { doubt = .newest }
        }
    }

    /// Takes a line that begins with "#": a comment of ftrace, of trace-cmd or of perf, or a notice of a loss.
    mutating func comment(_ bytes: TraceText, _ range: Range<Int>, into sink: inout some EventSink) {
        let text = bytes[range]
        if text.starts(with: "# tracer: ".utf8) {
            tracer = String(decoding: text.dropFirst(10).prefix(32), as: UTF8.self)
            leaveStack()
            cuts = CutLines()
            reconstruction.beginAgain(into: &sink)
            copies.begin()
        } else if text.starts(with: "# entries-in-buffer/entries-written: ".utf8) {
            var scanner = Scanner(bytes: bytes, position: range.lowerBound + 37, end: range.upperBound)
            guard let kept = scanner.decimal(), scanner.take("/"), let written = scanner.decimal(), written > kept
            else { return }
            isOverrunCounted = true
            reconstruction.lose(.ftraceBuffer, written - kept, into: &sink)
        } else if text.starts(with: "##### CPU ".utf8) {
            // "##### CPU 1 buffer started ####": older events of this processor were overwritten.
            if !isOverrunCounted { reconstruction.lose(.ftraceBuffer, into: &sink) }
            reconstruction.forget(into: &sink)
        } else if text.elementsEqual("# ========".utf8) {
            // A header of perf is at the begin of the text only. Behind an event, "# ========" can be the name of a
            // task.
            isInPerfHeader = line == 1
        } else if !isInPerfHeader || !PerfHeader.read(text, into: &run), range.count > 2,
            let head = LineHead(bytes, (range.lowerBound + 2)..<range.upperBound),
            reconstruction.names.event(EventName.hash(bytes, head.name)) == .marker
        {
            mark.read(bytes, head.arguments..<range.upperBound, at: head.event.time, into: &run)
        } else if !isInPerfHeader, let count = Notice.comment(text) {
            leaveStack()
            lose(count, into: &sink)
        }
    }

    // MARK: Omissions

    public var omissions: [Omission] {
        var all = [foreign, incomplete, unknownTasks, notUnderstood, doubtfulNames, copies.places].flatMap { places in
            places.omissions(of: name).map { omission in
                // An event without all its arguments may have been an observation.
                Omission(place: omission.place, what: omission.what, hidesObservations: places.what == incomplete.what)
            }
        }
        func add(_ what: String) { all.append(Omission(place: name, what: what)) }
        if copies.others > 0 {
            add(
                "the second copy has \(counted(copies.others, "event")) that the first one lacks: a loss of the first one"
            )
        }
        if overlong > 0 {
            add("\(counted(overlong, "line")) of more than 64 KiB \(noun(overlong, "was", "were")) skipped")
        }
        if linesLost > 0 {
            add(
                "\(counted(linesLost, "line")) \(noun(linesLost, "was", "were")) lost before the text was written: lookups and operations in progress then are dropped"
            )
        }
        var origins = origins
        if let summary = origins.summary(to: line) { add(summary) }
        all += mark.omissions(of: name)
        if isOver {
            all += reconstruction.omissions(
                of: name, processes: "there is no column for processes", isWhole: mark.isRead)
        }
        return all
    }

    /// The error for a text without any event of the recipe. `part` is the part that was read, such as "the first 64
    /// MiB".
    func nothingKnown(_ part: String) -> SourceError {
        TextRefusal(
            name: name, line: max(line, 1), part: part, isEmpty: bytesRead == 0 && bytesInAll ?? 0 == 0, tracer: tracer,
            systemCalls: systemCalls, heads: heads, damaged: incomplete.omissions(of: name).first
        ).error
    }
}

// SPDX-License-Identifier: Apache-2.0

// Lines of a text that are no events: those of other programs, comments, and what is missing at the end.

public import Events

extension FtraceReader {
    /// What has no head: a loss, the begin of a dump, or whatever else a console shows.
    mutating func other(_ text: TraceText, _ range: Range<Int>, into sink: inout some EventSink) {
        // What stands before each line says nothing of this one.
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
            // The function graph tracer puts events into comments, without their task.
            if text.find("/* fs_", in: range) != nil { loseCut(text, range, into: &sink) }
        case nil:
            for words: StaticString in ["# tracer: ", "##### CPU ", "# entries-in-buffer/"] {
                if let place = text.find(words, in: range) {
                    return comment(text, place..<range.upperBound, into: &sink)
                }
            }
            leaveStack()
            // An event of the recipe whose task is not there.
            if text.find(": fs_", in: range) ?? text.find(":fs_", in: range) != nil {
                return loseCut(text, range, into: &sink)
            }
            foreign.add(line)
            foreignLine = line
            // The rest of a line that was cut, or the lines around it are not the kernel's alone. Or a task's name has
            // a line end in it, which the next line will show.
            if !isWhole { doubt = .newest }
        }
    }

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
            // A processor's buffer begins here and had been longer.
            if !isOverrunCounted { reconstruction.lose(.ftraceBuffer, into: &sink) }
            reconstruction.forget(into: &sink)
        } else if text.elementsEqual("# ========".utf8) {
            // A header of perf begins with the text itself: behind any event this can be the name of a task.
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
                // What such an event says is not known.
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

    func nothingKnown(_ part: String) -> SourceError {
        TextRefusal(
            name: name, line: max(line, 1), part: part, isEmpty: bytesRead == 0 && bytesInAll ?? 0 == 0, tracer: tracer,
            systemCalls: systemCalls, heads: heads, damaged: incomplete.omissions(of: name).first
        ).error
    }
}

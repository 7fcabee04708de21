// SPDX-License-Identifier: Apache-2.0

// Detaches in the trace, and the functions in which their task was. Many of these functions are operations, which are
// counted and reported as in a live run.

import Events

extension Reconstruction {
    mutating func detach(
        _ place: Int, _ arguments: borrowing Arguments, line: UInt64, into sink: inout some EventSink
    ) -> Bool {
        guard let page = arguments[.page], let index = arguments[.index] else { return false }
        // A line that was cut before "large=" may end within the number of the inode.
        guard !mayLackLines || arguments[.large] != nil else {
            lose(.ftraceBuffer, into: &sink)
            return false
        }
        let pages = arguments.isSet(.large) ? arguments[.order].flatMap { $0 < 20 ? UInt32(1) << $0 : nil } ?? 1 : 1
        let magic = UInt32(truncatingIfNeeded: arguments[.magic] ?? 0)
        let references = arguments[.referenc].map(Int32.init(truncatingIfNeeded:))
        if let references {
            // As in bpf/detach.h: the page cache has one reference for each base page, and the remover has one more.
            // Any further one is that of another task.
            let isHugetlb = magic == FileSystemMagic.hugetlbfs
            if references <= 2 || (!isHugetlb && Int64(references) <= Int64(pages) + 1) { return true }
        }
        let isSized = arguments[.size] != nil && magic != 0
        store(
            place, key: page, isNumber: false, line: line,
            file: FileID(
                device: UInt32(truncatingIfNeeded: arguments[.dev] ?? 0), inode: arguments[.inode] ?? 0),
            magic: isSized ? magic : 0, index: index, size: isSized ? arguments[.size] ?? 0 : 0, pages: pages,
            references: references ?? 0)
        return true
    }

    /// A detach by the kernel's tracepoint mm_filemap_delete_from_page_cache, which shows neither the size of the file
    /// nor its file system.
    mutating func removal(_ place: Int, _ arguments: borrowing Arguments, line: UInt64) -> Bool {
        guard let number = arguments[.pfn], number < 1 << 52, let offset = arguments[.ofs],
            let device = arguments[.dev].flatMap(UInt32.init(exactly:)), let inode = arguments[.inode]
        else { return false }
        let pages = arguments[.order].flatMap { $0 < 20 ? UInt32(1) << $0 : nil } ?? 1
        for index in tasks.states[place].functions.indices {
            tasks.states[place].functions[index].pages &+= UInt64(pages)
        }
        store(
            place, key: number, isNumber: true, line: line, file: FileID(device: device, inode: inode), magic: 0,
            index: offset / RunInfo.usualPageBytes, size: 0, pages: pages, references: 0)
        return true
    }

    private mutating func store(
        _ place: Int, key: UInt64, isNumber: Bool, line: UInt64, file: FileID, magic: UInt32, index: UInt64,
        size: UInt64, pages: UInt32, references: Int32
    ) {
        seen.detaches += 1
        totals.detaches &+= 1
        if references > 0 { totals.detachesHeld &+= 1 }
        for index in tasks.states[place].functions.indices { tasks.states[place].functions[index].detaches &+= 1 }
        let task = tasks.states[place]
        let operation = task.operation
        let detach = Detach(
            time: time, page: PageID(rawValue: key), culprit: task.identity, file: file, magic: magic, index: index,
            fileSize: size, pages: pages, references: references, via: .pageCache, scope: operation?.kind,
            hole: task.hole, landmarks: task.landmarks(names), stackIsNamed: false)
        var slot = DetachTable.Slot(key: key, line: line, detach: detach)
        slot.operation = operation.map { names[$0.function].landmark } ?? []
        slot.knowsFunctions = task.knowsFunctions
        let stored = detaches.store(slot, isNumber: isNumber)
        tasks.states[place].detach = stored
        tasks.states[place].underWay = stored
        latestDetach = (stored, line)
        let entry = (operation ?? task.functions.first)?.line ?? 0
        tasks.states[place].await(TaskState.PendingDetach(place: stored, line: line, entry: entry))
    }

    /// The first event of the task after a detach: by now the page has lost its mapping.
    mutating func endDetach(_ place: Int, _ name: EventName, line: UInt64) {
        if case .stack = name { return }
        let stored = tasks.states[place].underWay
        tasks.states[place].underWay = nil
        guard let stored, var slot = detaches[stored], slot.detach.culprit.tid == tasks.states[place].identity.tid
        else { return }
        slot.next = line
        detaches[stored] = slot
    }

    mutating func enter(
        _ place: Int, _ id: FunctionID, _ arguments: borrowing Arguments, line: UInt64, into sink: inout some EventSink
    ) -> Bool {
        seen.functions += 1
        hasFunctions = true
        let function = names[id]
        landmarksEntered.formUnion(function.landmark)
        if tasks.states[place].functions.isEmpty {
            tasks.states[place].knowsFunctions = true
            tasks.states[place].stopWaiting()
        }
        forgetFinished(place, before: function, into: &sink)
        var open = OpenFunction(function: id, kind: function.operation?.kind, start: time, line: line, era: era)
        switch function.operation {
        case .kind?, nil: break
        case .fallocate?:
            guard let mode = arguments[.mode], let offset = arguments[.offset], let length = arguments[.length]
            else { return false }
            if mode & 0x02 != 0 {
                open.kind = .holePunch
                let (end, overflows) = offset.addingReportingOverflow(length)
                open.hole = overflows || offset > end ? nil : offset..<end
            } else if mode & 0x38 != 0 {
                open.kind = .fallocateOther
            }
        case .fadvise?:
            if arguments[.advice] == 4 { open.kind = .fadvise }
        }
        // A file system may be on top of another one, so a function can be entered once more within itself. A third
        // entry shows that a return was missed.
        if tasks.states[place].functions.count(where: { $0.function == id }) > 1,
            let stale = tasks.states[place].functions.firstIndex(where: { $0.function == id })
        {
            tasks.states[place].functions.removeSubrange(stale...)
            lose(.returnMissed, into: &sink)
        }
        guard tasks.states[place].functions.count < TaskTable.depthLimit else {
            lose(.operationTable, into: &sink)
            return true
        }
        tasks.states[place].functions.append(open)
        if let kind = open.kind, kind.isReportedInTime {
            sink.take(Activity(time: time, kind: kind, task: tasks.states[place].identity, durationNs: nil))
        }
        return true
    }

    mutating func leave(_ place: Int, _ id: FunctionID, into sink: inout some EventSink) {
        seen.functions += 1
        hasFunctions = true
        guard let index = tasks.states[place].functions.lastIndex(where: { $0.function == id }) else {
            // The task entered it before the trace began, or the line of its entry is missing. In the latter case, the
            // functions that seem to be open may have ended in missing lines too.
            if tasks.states[place].functions.isEmpty {
                tasks.states[place].knowsFunctions = true
                leaveUnseen(place, id, into: &sink)
            } else if mayLackLines {
                tasks.states[place].forgetFunctions()
                loseUnmarked(into: &sink)
            }
            return
        }
        let open = tasks.states[place].functions[index]
        let missed = tasks.states[place].functions.count - index - 1
        tasks.states[place].functions.removeSubrange(index...)
        lose(.returnMissed, UInt64(missed), into: &sink)
        for pending in tasks.states[place].leave(enteredAt: open.line, isWhole: missed == 0) {
            guard var slot = detaches[pending.place], slot.line == pending.line else { continue }
            slot.confirmed.formUnion(names[id].landmark)
            if pending.entry == open.line { slot.isConfirmed = true }
            detaches[pending.place] = slot
        }
        guard let kind = open.kind else { return }
        let duration = open.era == era && time > open.start && !counts ? time - open.start : 0
        // One operation may consist of several functions within each other; the outermost one counts.
        if !tasks.states[place].functions.contains(where: { $0.kind == kind }) {
            var sum = totals.activities[kind] ?? Totals.ActivityTotals(operations: 0, pages: 0, durationNs: 0)
            sum.operations &+= 1
            sum.pages &+= open.pages
            sum.durationNs &+= duration
            totals.activities[kind] = sum
        }
        guard kind.isReportedInTime || open.detaches > 0 else { return }
        sink.take(
            Activity(
                time: time, kind: kind, task: tasks.states[place].identity, durationNs: duration, pages: open.pages))
    }
}

extension Reconstruction {
    /// An operation that a system call requests cannot begin within another operation. If it seems to, the ends of the
    /// others are missing, and they are forgotten.
    private mutating func forgetFinished(_ place: Int, before function: KnownFunction, into sink: inout some EventSink)
    {
        guard !tasks.states[place].functions.isEmpty, let request = function.operation, request.isOfSystemCall else {
            return
        }
        let isWithinOther = tasks.states[place].functions.contains { open in
            names[open.function].operation.map { $0 != request } ?? false
        }
        guard isWithinOther else { return }
        lose(.returnMissed, UInt64(tasks.states[place].functions.count), into: &sink)
        tasks.states[place].forgetFunctions()
        tasks.states[place].knowsFunctions = true
    }

    /// The end of a function whose entry was not seen: the task was in it at all detaches since its last function
    /// ended.
    private mutating func leaveUnseen(_ place: Int, _ id: FunctionID, into sink: inout some EventSink) {
        landmarksEntered.formUnion(names[id].landmark)
        for pending in tasks.states[place].pending {
            guard var slot = detaches[pending.place], slot.line == pending.line else { continue }
            let wasContradicted = slot.contradictsEnds
            slot.left.formUnion(names[id].landmark)
            detaches[pending.place] = slot
            if mayLackLines, slot.contradictsEnds, !wasContradicted { lose(.ftraceBuffer, into: &sink) }
        }
    }
}

extension KernelFunction.Operation {
    /// A system call requests it, and the kernel never begins it within another operation.
    fileprivate var isOfSystemCall: Bool {
        switch self {
        case .fallocate, .fadvise, .kind(.truncate), .kind(.dropCaches): true
        case .kind: false
        }
    }
}

extension ActivityKind {
    /// It is rare or long, so its start is reported too.
    fileprivate var isReportedInTime: Bool { self == .dropCaches || self == .reclaim || self == .memoryFailure }
}

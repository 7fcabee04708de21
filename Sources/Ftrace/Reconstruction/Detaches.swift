// SPDX-License-Identifier: Apache-2.0

// Detaches in the text, with the stack below them and the functions that their task was in; and the
// operations that these functions are, which are counted and told as they are live.

import Events

extension Reconstruction {
    mutating func detach(_ place: Int, _ arguments: borrowing Arguments, line: UInt64) -> Bool {
        guard let page = arguments[.page], let index = arguments[.index] else { return false }
        let pages = arguments.isSet(.large) ? arguments[.order].flatMap { $0 < 20 ? UInt32(1) << $0 : nil } ?? 1 : 1
        let magic = UInt32(truncatingIfNeeded: arguments[.magic] ?? 0)
        let references = arguments[.referenc].map(Int32.init(truncatingIfNeeded:))
        if let references {
            // As on the kernel side: the cache holds one for each base page and the remover one more.
            let isHugetlb = magic == FileSystemMagic.hugetlbfs
            if references <= 2 || (!isHugetlb && Int64(references) <= Int64(pages) + 1) { return true }
        }
        let isSized = arguments[.size] != nil && magic != 0
        store(
            place, key: page, line: line,
            file: FileID(
                device: UInt32(truncatingIfNeeded: arguments[.dev] ?? 0), inode: arguments[.inode] ?? 0),
            magic: isSized ? magic : 0, index: index, size: isSized ? arguments[.size] ?? 0 : 0, pages: pages,
            references: references ?? 0)
        return true
    }

    /// The kernel's own tracepoint, which says neither how long the file was nor what file system it is on.
    mutating func removal(_ place: Int, _ arguments: borrowing Arguments, line: UInt64) -> Bool {
        guard let number = arguments[.pfn], number < 1 << 52, let offset = arguments[.ofs],
            let device = arguments[.dev].flatMap(UInt32.init(exactly:)), let inode = arguments[.inode]
        else { return false }
        let pages = arguments[.order].flatMap { $0 < 20 ? UInt32(1) << $0 : nil } ?? 1
        for index in tasks.states[place].functions.indices {
            tasks.states[place].functions[index].pages &+= UInt64(pages)
        }
        store(
            place, key: number, line: line, file: FileID(device: device, inode: inode), magic: 0,
            index: offset / RunInfo.usualPageBytes, size: 0, pages: pages, references: 0)
        return true
    }

    private mutating func store(
        _ place: Int, key: UInt64, line: UInt64, file: FileID, magic: UInt32, index: UInt64, size: UInt64,
        pages: UInt32, references: Int32
    ) {
        seen.detaches += 1
        totals.detaches &+= 1
        if references > 0 { totals.detachesHeld &+= 1 }
        for index in tasks.states[place].functions.indices { tasks.states[place].functions[index].detaches &+= 1 }
        let task = tasks.states[place]
        let detach = Detach(
            time: time, page: PageID(rawValue: key), culprit: task.identity, file: file, magic: magic, index: index,
            fileSize: size, pages: pages, references: references, via: .pageCache, scope: task.scope, hole: task.hole,
            landmarks: task.landmarks(names), stackIsNamed: false)
        tasks.states[place].detach = detaches.store(DetachTable.Slot(key: key, line: line, detach: detach))
    }

    /// One line of a stack, by the hash of its function; nothing where it belongs to no detach.
    mutating func frame(_ hash: UInt64, _ kind: FrameKind) {
        guard let owner = stackOwner, var slot = detaches[owner.place], slot.line < owner.line else { return }
        switch kind {
        case .hidden: slot.stack = .partial
        case .entry:
            // From here on the functions that were seen to be entered add nothing.
            if case .none = slot.stack { slot.stack = .whole }
        case .function: break
        }
        slot.stackLandmarks.formUnion(names.landmark(hash))
        detaches[owner.place] = slot
    }

    mutating func endStack() { stackOwner = nil }

    /// What a frame says of the stack itself.
    enum FrameKind {
        case function
        /// The way from user space, or the begin of a kernel thread.
        case entry
        /// A return that a probe has taken the place of.
        case hidden
    }

    mutating func enter(
        _ place: Int, _ id: FunctionID, _ arguments: borrowing Arguments, into sink: inout some EventSink
    ) -> Bool {
        seen.functions += 1
        let function = names[id]
        var open = OpenFunction(function: id, kind: function.operation?.kind, start: time)
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
        // A file system may lie on another one, so that a function is entered from within itself; but not
        // twice: then a return was missed.
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
        if let kind = open.kind, kind.isToldInTime {
            sink.take(Activity(time: time, kind: kind, task: tasks.states[place].identity, durationNs: nil))
        }
        return true
    }

    mutating func leave(_ place: Int, _ id: FunctionID, into sink: inout some EventSink) {
        seen.functions += 1
        guard let index = tasks.states[place].functions.lastIndex(where: { $0.function == id }) else { return }
        let open = tasks.states[place].functions[index]
        let missed = tasks.states[place].functions.count - index - 1
        tasks.states[place].functions.removeSubrange(index...)
        lose(.returnMissed, UInt64(missed), into: &sink)
        guard let kind = open.kind else { return }
        let duration = time > open.start ? time - open.start : 0
        // One operation may show as several functions within each other.
        if !tasks.states[place].functions.contains(where: { $0.kind == kind }) {
            var sum = totals.activities[kind] ?? Totals.ActivityTotals(operations: 0, pages: 0, durationNs: 0)
            sum.operations &+= 1
            sum.pages &+= open.pages
            sum.durationNs &+= duration
            totals.activities[kind] = sum
        }
        guard kind.isToldInTime || open.detaches > 0 else { return }
        sink.take(
            Activity(
                time: time, kind: kind, task: tasks.states[place].identity, durationNs: duration, pages: open.pages))
    }
}

extension ActivityKind {
    /// Rare or long, so that its begin is worth an event.
    fileprivate var isToldInTime: Bool { self == .dropCaches || self == .reclaim || self == .memoryFailure }
}

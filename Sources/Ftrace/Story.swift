// From events of the text to events of futexscope, task by task: a pin begins a pass, the function's own
// unlock of a page without a mapping is an observation, and the detach of that page is told right before
// the lookup that met it. What the text leaves out stays unknown.

import Events

/// What one trace tells, event by event.
struct Story {
    let names: KnownNames
    private let showsKernelAddresses: Bool
    private let tellsAll: Bool
    private var tasks = TaskTable()
    private var detaches = DetachTable()
    /// Address of the first page's structure, once an event has said it.
    private var pageBase: UInt64?
    private(set) var totals = Totals()
    private(set) var seen = Seen()
    private var firstTime: UInt64?
    /// Of the newest event.
    private(set) var time: UInt64 = 0
    private var stackOwner: (place: Int, line: UInt64)?

    /// What sorts of events there were, to say at the end what was missing.
    struct Seen {
        var lookups: UInt64 = 0
        var pins: UInt64 = 0
        var unlocks: UInt64 = 0
        var detaches: UInt64 = 0
        var functions: UInt64 = 0
        /// Unlocks that may be the function's own or not.
        var doubtfulUnlocks: UInt64 = 0
        var hasProcesses = false
        var isAny: Bool { lookups > 0 || pins > 0 || unlocks > 0 || detaches > 0 || functions > 0 }
    }

    init(showsKernelAddresses: Bool, tellsAll: Bool) {
        names = KnownNames()
        self.showsKernelAddresses = showsKernelAddresses
        self.tellsAll = tellsAll
        totals.lookups = 0
    }

    /// Events are missing from here on backwards: nothing that was open can be trusted.
    mutating func forget() {
        tasks.removeAll()
        stackOwner = nil
    }

    /// Another trace begins, with times of its own.
    mutating func beginAgain() {
        forget()
        detaches.removeAll()
    }

    mutating func lose(_ stage: Loss.Stage, _ count: UInt64 = 1, into events: inout [Event]) {
        guard count > 0 else { return }
        events.append(.lost(Loss(time: time, stage: stage, count: count)))
    }

    /// One event. False when an argument is missing without which it says nothing.
    mutating func take(
        _ name: EventName, _ head: LineHead, _ bytes: [UInt8], to end: Int, line: UInt64, into events: inout [Event]
    ) -> Bool {
        time = head.time
        if firstTime == nil { firstTime = time }
        guard let place = tasks.place(of: head.tid) else {
            lose(.lookupTable, into: &events)
            return true
        }
        identify(place, head, bytes)
        if name == .stack {
            stackOwner = tasks[place].detach.map { ($0, line) }
            tasks[place].detach = nil
            return true
        }
        tasks[place].detach = nil
        let arguments = Arguments(bytes, from: head.arguments, to: end)
        switch name {
        case .lookup: return beginLookup(place, arguments, line: line, into: &events)
        case .lookupReturn: return endLookup(place, arguments, line: line, into: &events)
        case .pin: return beginPin(place, arguments, line: line, into: &events)
        case .pinReturn: return endPin(place, arguments)
        case .lockWait: waitForLock(place, isInterrupt: head.isInterrupt)
        case .unlock: return unlock(place, arguments, isInterrupt: head.isInterrupt, line: line, into: &events)
        case .detach: return detach(place, arguments, line: line)
        case .removal: return removal(place, arguments, bytes, head.arguments..<end, line: line)
        case .enter(let function): return enter(place, function, arguments, into: &events)
        case .leave(let function): leave(place, function, into: &events)
        case .stack, .marker, .systemCall: break
        }
        return true
    }

    /// The end of the text: lookups that go round still, and the sums.
    mutating func end(into events: inout [Event]) {
        for task in tasks.unfinished {
            guard let lookup = task.lookup, lookup.passes > 1 else { continue }
            events.append(.progress(told(lookup, of: task.identity, result: nil)))
        }
        totals.durationNs = firstTime.map { time > $0 ? time - $0 : 0 } ?? 0
        totals.isFinal = true
        events.append(.totals(totals))
    }

    private mutating func identify(_ place: Int, _ head: LineHead, _ bytes: [UInt8]) {
        if let tgid = head.tgid {
            tasks[place].identity.pid = tgid
            seen.hasProcesses = true
        }
        var (low, high) = (UInt64(0), UInt64(0))
        var position = 0
        for index in head.comm where position < 15 {
            let byte = UInt64(bytes[index])
            if position < 8 { low |= byte << UInt64(position * 8) } else { high |= byte << UInt64(position * 8 - 64) }
            position += 1
        }
        tasks[place].identity.comm = Comm(low: low, high: high)
    }

    /// As the user sees it.
    private func id(_ page: UInt64) -> PageID {
        if showsKernelAddresses { return PageID(rawValue: page) }
        // Mixed, so that nobody takes it for an address; the text itself hides nothing.
        var mixed = (page ^ (page >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return PageID(rawValue: mixed ^ (mixed >> 31))
    }
}

// MARK: - Lookups

extension Story {
    private mutating func beginLookup(
        _ place: Int, _ arguments: Arguments, line: UInt64, into events: inout [Event]
    ) -> Bool {
        if tasks[place].lookup != nil { lose(.returnMissed, into: &events) }
        tasks[place].lookup = nil
        // No lookup is made from within these.
        tasks[place].functions.removeAll(keepingCapacity: true)
        guard let address = arguments[.uaddr] else { return false }
        let isShared: Bool
        if let truth = arguments[.fshared] {
            isShared = truth & 0xff != 0
        } else if let flags = arguments[.flags] {
            isShared = flags & 0x10 != 0
        } else {
            return false
        }
        guard isShared else { return true }
        seen.lookups += 1
        totals.lookups = (totals.lookups ?? 0) &+ 1
        tasks[place].lookup = OpenLookup(
            start: time, address: address, flags: arguments.isSet(.write) ? [.timed, .write] : [.timed], line: line)
        return true
    }

    private mutating func beginPin(
        _ place: Int, _ arguments: Arguments, line: UInt64, into events: inout [Event]
    ) -> Bool {
        guard let address = arguments[.address], let flags = arguments[.flags] else { return false }
        seen.pins += 1
        guard var lookup = tasks[place].lookup, address == lookup.address & ~4095 else { return true }
        // A second try whose first one is not there belongs to a pass that cannot be followed.
        guard flags & 1 != 0 || lookup.passes > 0 else { return true }
        lookup.isPinning = true
        lookup.isPinned = false
        lookup.flags.remove(.pinFailed)
        if flags & 1 != 0 {
            if lookup.passes > 0 { countRetry(&lookup, of: place, into: &events) }
            lookup.passes &+= 1
            lookup.passLine = line
            lookup.pinned = nil
            lookup.mappingAtPin = nil
            lookup.isUnlocked = false
            lookup.isSwizzled = false
        } else {
            lookup.flags.insert(.readOnly)
        }
        tasks[place].lookup = lookup
        // A loop is told at passes 2, 4, 8, 16 …, as it is live.
        if flags & 1 != 0, lookup.passes > 1, lookup.passes & (lookup.passes - 1) == 0 {
            events.append(.progress(told(lookup, of: tasks[place].identity, result: nil)))
        }
        return true
    }

    private mutating func endPin(_ place: Int, _ arguments: Arguments) -> Bool {
        guard let result = arguments[.ret] else { return false }
        guard tasks[place].lookup?.isPinning == true else { return true }
        tasks[place].lookup?.isPinning = false
        guard Int32(truncatingIfNeeded: result) > 0 else {
            tasks[place].lookup?.flags.insert(.pinFailed)
            return true
        }
        tasks[place].lookup?.isPinned = true
        if let page = arguments[.page], page != 0 {
            tasks[place].lookup?.pinned = page
            tasks[place].lookup?.mappingAtPin = arguments[.mapping]
        }
        return true
    }

    private mutating func waitForLock(_ place: Int, isInterrupt: Bool) {
        guard let lookup = tasks[place].lookup, lookup.isPinned, !lookup.isPinning, !lookup.isUnlocked, !isInterrupt
        else { return }
        tasks[place].lookup?.lockWaits &+= 1
    }

    /// Why the last pass went back. A mapping without an inode looks like one that changed; the text has
    /// nothing to tell them apart, and only the second has ever been seen.
    private mutating func countRetry(_ lookup: inout OpenLookup, of place: Int, into events: inout [Event]) {
        if lookup.isUnlocked {
            if lookup.isSwizzled {
                lookup.retries.swizzled &+= 1
                totals.retries.swizzled &+= 1
            } else {
                lookup.retries.noMapping &+= 1
                totals.retries.noMapping &+= 1
            }
            return
        }
        lookup.retries.mappingChanged &+= 1
        totals.retries.mappingChanged &+= 1
        guard let page = lookup.pinned else { return }
        // A tail page is not known by its head here, and then nothing is found.
        lookup.page = ask(page, PageFacts(page: id(page)), for: &lookup, into: &events)
    }

    private mutating func unlock(
        _ place: Int, _ arguments: Arguments, isInterrupt: Bool, line: UInt64, into events: inout [Event]
    ) -> Bool {
        seen.unlocks += 1
        if let base = arguments[.base] { pageBase = base }
        guard let page = arguments[.page] else { return false }
        guard var lookup = tasks[place].lookup, lookup.isPinned, !lookup.isPinning, !lookup.isUnlocked, !isInterrupt
        else { return true }
        let isLarge = arguments.isSet(.large)
        let pages = isLarge ? arguments[.order].flatMap { $0 < 20 ? UInt64(1) << $0 : nil } : 1
        if let isOwn = arguments.isFutexCall {
            guard isOwn else { return true }
        } else if let pinned = lookup.pinned {
            // By the page then: the pinned one, or the head of those among which it is.
            guard let offset = Self.offset(of: pinned, in: page), offset < pages ?? 1 else { return true }
        } else {
            seen.doubtfulUnlocks += 1
            return true
        }
        guard let mapping = arguments[.mapping] else { return false }
        lookup.isUnlocked = true
        if mapping != 0 {
            lookup.isSwizzled = true
            tasks[place].lookup = lookup
            return true
        }
        lookup.observations &+= 1
        totals.observations &+= 1
        var facts = PageFacts(page: id(page))
        if arguments.isSet(.reserved) { facts.facts.insert(.reserved) }
        if arguments.isSet(.swapcache), arguments.isSet(.swapback) { facts.facts.insert(.swapCache) }
        if isLarge { facts.facts.insert(.large) }
        // The mapping of a tail page is another field.
        if lookup.mappingAtPin == 0, lookup.pinned == page { facts.facts.insert(.nullAtPin) }
        if isZeroPage(page, arguments) { facts.facts.insert(.zeroPage) }
        lookup.isSwizzled = facts.facts.contains(.swapCache)
        lookup.page = ask(page, facts, pages: pages, for: &lookup, into: &events)
        tasks[place].lookup = lookup
        return true
    }

    private static func offset(of page: UInt64, in head: UInt64) -> UInt64? {
        let size = UInt64(DetachTable.pageStructureSize)
        guard page >= head, (page - head) % size == 0 else { return nil }
        return (page - head) / size
    }

    /// Whether this is the very page that the kernel maps where nothing was written yet. It has had no
    /// mapping since the kernel came up.
    private func isZeroPage(_ page: UInt64, _ arguments: Arguments) -> Bool {
        guard let base = arguments[.base], let number = Self.offset(of: page, in: base) else { return false }
        return number == arguments[.zero] || (arguments[.hugezero] != UInt64.max && number == arguments[.hugezero])
    }

    /// Fills in what the table knows of the page, and tells its detach once.
    private mutating func ask(
        _ page: UInt64, _ facts: PageFacts, pages: UInt64? = 1, for lookup: inout OpenLookup,
        into events: inout [Event]
    ) -> PageFacts {
        var facts = facts
        var answer = detaches.ask(page, since: lookup.passLine)
        if case .found = answer {
        } else if let base = pageBase, let number = Self.offset(of: page, in: base) {
            let byNumber = detaches.ask(number, since: lookup.passLine)
            if case .empty = byNumber {} else { answer = byNumber }
        }
        switch answer {
        case .empty: facts.slot = .empty
        case .otherPage: facts.slot = .otherPage
        case .stale: facts.slot = .stale
        case .found(let place):
            guard var slot = detaches[place] else { break }
            var detach = slot.settled
            detach.page = facts.page
            facts.slot = .found
            facts.detachTime = detach.time
            facts.index = detach.index
            locate(&facts, pinned: lookup.pinned, head: page, pages: pages, in: &detach)
            guard slot.toldTo != lookup.id else { break }
            slot.toldTo = lookup.id
            detaches[place] = slot
            events.append(.detach(detach))
        }
        return facts
    }

    /// Which page of a large folio was looked up. Where the text does not say, neither does the detach
    /// say anything that depends on it.
    private func locate(
        _ facts: inout PageFacts, pinned: UInt64?, head: UInt64, pages: UInt64?, in detach: inout Detach
    ) {
        guard pages != 1 else { return }
        // hugetlbfs counted in huge pages up to 6.6.
        let isCounted = detach.magic != 0x9584_58f6 || detach.index == 0
        if isCounted, let pinned, let offset = Self.offset(of: pinned, in: head), offset < pages ?? 0 {
            facts.index = detach.index &+ offset
            return
        }
        detach.hole = nil
        let first = detach.index
        let last = first &+ (pages ?? 1 << 20) &- 1
        let sizeInPages = detach.fileSize / 4096 &+ (detach.fileSize % 4096 == 0 ? 0 : 1)
        // The file ends before all of them, behind all of them, or it cannot be told.
        if !isCounted || (first < sizeInPages && last >= sizeInPages) { (detach.magic, detach.fileSize) = (0, 0) }
    }

    private mutating func endLookup(
        _ place: Int, _ arguments: Arguments, line: UInt64, into events: inout [Event]
    ) -> Bool {
        guard let value = arguments[.ret] else { return false }
        guard var lookup = tasks[place].lookup else { return true }
        tasks[place].lookup = nil
        let result = Int32(truncatingIfNeeded: value)
        lookup.flags.insert(.returned)
        countResult(&lookup, result, into: &events)
        if tellsAll || lookup.observations > 0 || lookup.passes > 1 {
            events.append(.lookup(told(lookup, of: tasks[place].identity, result: result)))
        }
        return true
    }

    private mutating func countResult(_ lookup: inout OpenLookup, _ result: Int32, into events: inout [Event]) {
        guard result < 0 else { return }
        if lookup.flags.contains(.pinFailed) {
            totals.failedPin &+= 1
        } else if result != -14 || lookup.address >> 63 != 0 || lookup.passes == 0 {
            totals.failedOther &+= 1
        } else if lookup.isUnlocked {
            lookup.flags.insert(.failedUnmapped)
            totals.failedUnmapped &+= 1
        } else if let mapping = lookup.mappingAtPin, mapping & 1 != 0 {
            lookup.flags.insert(.failedReadOnly)
            totals.failedReadOnly &+= 1
        } else if lookup.flags.contains(.readOnly) {
            // Anonymous and read-only, or without a mapping and its unlock was not recorded.
            totals.failedOther &+= 1
        } else {
            lose(.observationMissed, into: &events)
        }
    }

    private func told(_ lookup: OpenLookup, of task: TaskIdentity, result: Int32?) -> Lookup {
        Lookup(
            time: time, start: lookup.start, victim: task, uid: 0, address: lookup.address, passes: lookup.passes,
            observations: lookup.observations, retries: lookup.retries, result: result, flags: lookup.flags,
            lockWaits: lookup.lockWaits, page: lookup.page)
    }
}

extension PageFacts {
    /// A page of which nothing is known yet.
    fileprivate init(page: PageID) {
        self.init(
            page: page, file: FileID(device: 0, inode: 0), index: 0, fileSize: 0, magic: 0, facts: [], mode: 0,
            slot: .notAsked, detachTime: 0)
    }
}

// MARK: - Detaches and operations

extension Story {
    private mutating func detach(_ place: Int, _ arguments: Arguments, line: UInt64) -> Bool {
        guard let page = arguments[.page], let index = arguments[.index] else { return false }
        let pages = arguments.isSet(.large) ? arguments[.order].flatMap { $0 < 20 ? UInt32(1) << $0 : nil } ?? 1 : 1
        let magic = UInt32(truncatingIfNeeded: arguments[.magic] ?? 0)
        let references = arguments[.referenc].map(Int32.init(truncatingIfNeeded:))
        if let references {
            // As on the kernel side: the cache holds one for each base page and the remover one more.
            let isHugetlb = magic == 0x9584_58f6
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

    /// The kernel's own tracepoint: "dev 254:16 ino c pfn=0x18d7c ofs=4096 order=0". It says neither how
    /// long the file was nor what file system it is on.
    private mutating func removal(
        _ place: Int, _ arguments: Arguments, _ bytes: [UInt8], _ range: Range<Int>, line: UInt64
    ) -> Bool {
        var scanner = Scanner(bytes: bytes, position: range.lowerBound, end: range.upperBound)
        guard let number = arguments[.pfn], number < 1 << 52, let offset = arguments[.ofs],
            scanner.word("dev"), let major = scanner.decimal(), scanner.take(":"), let minor = scanner.decimal(),
            major < 1 << 12, minor < 1 << 20, scanner.skipBlanks(), scanner.word("ino"),
            let inode = scanner.hexadecimal()
        else { return false }
        let pages = arguments[.order].flatMap { $0 < 20 ? UInt32(1) << $0 : nil } ?? 1
        for index in tasks[place].functions.indices { tasks[place].functions[index].pages &+= UInt64(pages) }
        store(
            place, key: number, line: line, file: FileID(device: UInt32(major << 20 | minor), inode: inode), magic: 0,
            index: offset / 4096, size: 0, pages: pages, references: 0)
        return true
    }

    private mutating func store(
        _ place: Int, key: UInt64, line: UInt64, file: FileID, magic: UInt32, index: UInt64, size: UInt64,
        pages: UInt32, references: Int32
    ) {
        seen.detaches += 1
        totals.detaches &+= 1
        if references > 0 { totals.detachesHeld &+= 1 }
        for index in tasks[place].functions.indices { tasks[place].functions[index].detaches &+= 1 }
        let task = tasks[place]
        let detach = Detach(
            time: time, page: PageID(rawValue: key), culprit: task.identity, file: file, magic: magic, index: index,
            fileSize: size, pages: pages, references: references, via: .pageCache, scope: task.scope, hole: task.hole,
            landmarks: task.landmarks(names), stackIsNamed: false)
        tasks[place].detach = detaches.store(DetachTable.Slot(key: key, line: line, detach: detach))
    }

    /// One line of a stack. Returns false when it belongs to no detach.
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

    private mutating func enter(
        _ place: Int, _ id: FunctionID, _ arguments: Arguments, into events: inout [Event]
    ) -> Bool {
        seen.functions += 1
        let function = names[id]
        var open = OpenFunction(function: id, kind: function.kind, start: time)
        switch function.role {
        case .plain: break
        case .fallocate:
            guard let mode = arguments[.mode], let offset = arguments[.offset], let length = arguments[.length]
            else { return false }
            if mode & 0x02 != 0 {
                open.kind = .holePunch
                let (end, overflows) = offset.addingReportingOverflow(length)
                open.hole = overflows || offset > end ? nil : offset..<end
            } else if mode & 0x38 != 0 {
                open.kind = .fallocateOther
            }
        case .fadvise:
            if arguments[.advice] == 4 { open.kind = .fadvise }
        }
        // A file system may lie on another one, so that a function is entered from within itself; but not
        // twice: then a return was missed.
        if tasks[place].functions.count(where: { $0.function == id }) > 1,
            let stale = tasks[place].functions.firstIndex(where: { $0.function == id })
        {
            tasks[place].functions.removeSubrange(stale...)
            lose(.returnMissed, into: &events)
        }
        guard tasks[place].functions.count < TaskTable.depthLimit else {
            lose(.operationTable, into: &events)
            return true
        }
        tasks[place].functions.append(open)
        if let kind = open.kind, kind.isToldInTime {
            events.append(.activity(Activity(time: time, kind: kind, task: tasks[place].identity, durationNs: nil)))
        }
        return true
    }

    private mutating func leave(_ place: Int, _ id: FunctionID, into events: inout [Event]) {
        seen.functions += 1
        guard let index = tasks[place].functions.lastIndex(where: { $0.function == id }) else { return }
        let open = tasks[place].functions[index]
        let missed = tasks[place].functions.count - index - 1
        tasks[place].functions.removeSubrange(index...)
        lose(.returnMissed, UInt64(missed), into: &events)
        guard let kind = open.kind else { return }
        let duration = time > open.start ? time - open.start : 0
        // One operation may show as several functions within each other.
        if !tasks[place].functions.contains(where: { $0.kind == kind }) {
            var sum = totals.activities[kind] ?? Totals.ActivityTotals(operations: 0, pages: 0, durationNs: 0)
            sum.operations &+= 1
            sum.pages &+= open.pages
            sum.durationNs &+= duration
            totals.activities[kind] = sum
        }
        guard kind.isToldInTime || open.detaches > 0 else { return }
        events.append(
            .activity(
                Activity(
                    time: time, kind: kind, task: tasks[place].identity, durationNs: duration, pages: open.pages)))
    }
}

extension ActivityKind {
    /// Rare or long, so that its begin is worth an event.
    fileprivate var isToldInTime: Bool { self == .dropCaches || self == .reclaim || self == .memoryFailure }
}

extension Scanner {
    /// Exactly this word and the blanks behind it.
    mutating func word(_ text: String) -> Bool {
        let length = text.utf8.count
        guard position + length < end, bytes[position..<position + length].elementsEqual(text.utf8) else { return false }
        position += length
        return skipBlanks()
    }
}

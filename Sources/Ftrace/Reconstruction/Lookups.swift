// SPDX-License-Identifier: Apache-2.0

// Lookups in the text: a pin begins a pass, the function's own unlock of a page without a mapping is an
// observation, and the detach of that page is told right before the lookup that met it.

import Events

extension Reconstruction {
    mutating func beginLookup(
        _ place: Int, _ arguments: borrowing Arguments, line: UInt64, into sink: inout some EventSink
    ) -> Bool {
        if tasks.states[place].lookup.isOpen { lose(.returnMissed, into: &sink) }
        tasks.states[place].lookup.isOpen = false
        // No lookup is made from within these.
        if !tasks.states[place].functions.isEmpty { tasks.states[place].functions.removeAll(keepingCapacity: true) }
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
        tasks.states[place].lookup.begin(
            at: time, address: address, flags: arguments.isSet(.write) ? [.timed, .write] : [.timed], line: line)
        return true
    }

    mutating func beginPin(
        _ place: Int, _ arguments: borrowing Arguments, line: UInt64, into sink: inout some EventSink
    ) -> Bool {
        guard let address = arguments[.address], let flags = arguments[.flags] else { return false }
        seen.pins += 1
        guard tasks.states[place].lookup.isOpen, address == tasks.states[place].lookup.address & ~4095 else {
            return true
        }
        let passes = tasks.states[place].lookup.passes
        guard flags & 1 != 0 else {
            // Without its first try it belongs to a pass that cannot be followed.
            if passes > 0 { tasks.states[place].lookup.tryReadOnly() }
            return true
        }
        if passes > 0 {
            var lookup = tasks.states[place].lookup
            countRetry(&lookup, of: place, into: &sink)
            tasks.states[place].lookup = lookup
        }
        tasks.states[place].lookup.beginPass(at: line)
        // A loop is told at passes 2, 4, 8, 16 …, as it is live.
        if passes > 0, passes & (passes + 1) == 0 {
            let lookup = tasks.states[place].lookup
            sink.take(told(lookup, of: tasks.states[place].identity, result: nil), isProgress: true)
        }
        return true
    }

    mutating func endPin(_ place: Int, _ arguments: borrowing Arguments) -> Bool {
        guard let result = arguments[.ret] else { return false }
        guard tasks.states[place].lookup.isOpen, tasks.states[place].lookup.isPinning else { return true }
        tasks.states[place].lookup.isPinning = false
        guard Int32(truncatingIfNeeded: result) > 0 else {
            tasks.states[place].lookup.flags.insert(.pinFailed)
            return true
        }
        tasks.states[place].lookup.isPinned = true
        if let page = arguments[.page], page != 0 {
            tasks.states[place].lookup.pinned = page
            tasks.states[place].lookup.mappingAtPin = arguments[.mapping]
        }
        return true
    }

    mutating func waitForLock(_ place: Int, isInterrupt: Bool) {
        guard tasks.states[place].lookup.isWaitingForUnlock, !isInterrupt else { return }
        tasks.states[place].lookup.lockWaits &+= 1
    }

    /// Why the last pass went back. A mapping without an inode looks like one that changed; the text has
    /// nothing to tell them apart, and only the second has ever been seen.
    private mutating func countRetry(_ lookup: inout OpenLookup, of place: Int, into sink: inout some EventSink) {
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
        lookup.page = ask(page, PageFacts(page: id(page)), for: &lookup, into: &sink)
    }

    mutating func unlock(
        _ place: Int, _ arguments: borrowing Arguments, isInterrupt: Bool, line: UInt64, into sink: inout some EventSink
    ) -> Bool {
        seen.unlocks += 1
        if let base = arguments[.base] { pageBase = base }
        guard let page = arguments[.page] else { return false }
        guard tasks.states[place].lookup.isWaitingForUnlock, !isInterrupt else { return true }
        var lookup = tasks.states[place].lookup
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
            tasks.states[place].lookup = lookup
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
        lookup.page = ask(page, facts, pages: pages, for: &lookup, into: &sink)
        tasks.states[place].lookup = lookup
        return true
    }

    private static func offset(of page: UInt64, in head: UInt64) -> UInt64? {
        let size = UInt64(DetachTable.pageStructureSize)
        guard page >= head, (page - head) % size == 0 else { return nil }
        return (page - head) / size
    }

    /// Whether this is the very page that the kernel maps where nothing was written yet. It has had no
    /// mapping since the kernel came up.
    private func isZeroPage(_ page: UInt64, _ arguments: borrowing Arguments) -> Bool {
        guard let base = arguments[.base], let number = Self.offset(of: page, in: base) else { return false }
        return number == arguments[.zero] || (arguments[.hugezero] != UInt64.max && number == arguments[.hugezero])
    }

    /// Fills in what the table knows of the page, and tells its detach once.
    private mutating func ask(
        _ page: UInt64, _ facts: PageFacts, pages: UInt64? = 1, for lookup: inout OpenLookup,
        into sink: inout some EventSink
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
            sink.take(detach)
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
        let isCounted = detach.magic != FileSystemMagic.hugetlbfs || detach.index == 0
        if isCounted, let pinned, let offset = Self.offset(of: pinned, in: head), offset < pages ?? 0 {
            facts.index = detach.index &+ offset
            return
        }
        detach.hole = nil
        let first = detach.index
        let last = first &+ (pages ?? 1 << 20) &- 1
        let pageBytes = RunInfo.usualPageBytes
        let sizeInPages = detach.fileSize / pageBytes &+ (detach.fileSize % pageBytes == 0 ? 0 : 1)
        // The file ends before all of them, behind all of them, or it cannot be told.
        if !isCounted || (first < sizeInPages && last >= sizeInPages) { (detach.magic, detach.fileSize) = (0, 0) }
    }

    mutating func endLookup(
        _ place: Int, _ arguments: borrowing Arguments, line: UInt64, into sink: inout some EventSink
    ) -> Bool {
        guard let value = arguments[.ret] else { return false }
        let result = Int32(truncatingIfNeeded: value)
        guard tasks.states[place].lookup.isOpen else { return true }
        tasks.states[place].lookup.isOpen = false
        let isTold = tellsAll || tasks.states[place].lookup.metSomething
        // Most meet nothing and are large: nobody needs to move those.
        guard isTold || result < 0 else { return true }
        var lookup = tasks.states[place].lookup
        lookup.flags.insert(.returned)
        countResult(&lookup, result, into: &sink)
        if isTold { sink.take(told(lookup, of: tasks.states[place].identity, result: result), isProgress: false) }
        return true
    }

    private mutating func countResult(_ lookup: inout OpenLookup, _ result: Int32, into sink: inout some EventSink) {
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
            lose(.observationMissed, into: &sink)
        }
    }

    func told(_ lookup: OpenLookup, of task: TaskIdentity, result: Int32?) -> Lookup {
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

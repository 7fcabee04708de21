// SPDX-License-Identifier: Apache-2.0

// Lookups in the trace. A pin begins a pass. The unlock of a page without a mapping by get_futex_key() itself is an
// observation. The detach of that page is reported directly before the lookup that met it. A retry is counted only if a
// fact shows it. A lookup whose events are in an impossible order is dropped and counted as a loss.

import Events

extension Reconstruction {
    /// The entry into get_futex_key(). False when an argument is missing; the same for all events below.
    mutating func beginLookup(
        _ place: Int, _ arguments: borrowing Arguments, line: UInt64, into sink: inout some EventSink
    ) -> Bool {
        if tasks.states[place].lookup.isOpen { endUnseen(tasks.states[place], into: &sink) }
        tasks.states[place].lookup.isOpen = false
        tasks.states[place].isNotFollowed = true
        // No lookup begins within a function that detaches pages, so the ends of these are missing.
        if !tasks.states[place].functions.isEmpty { tasks.states[place].forgetFunctions() }
        tasks.states[place].stopWaiting()
        guard let address = arguments[.uaddr] else { return false }
        let isShared: Bool
        if let truth = arguments[.fshared] {
            isShared = truth & 0xff != 0
        } else if let flags = arguments[.flags] {
            isShared = flags & 0x10 != 0
        } else {
            return false
        }
        guard isShared, wanted.admits(victim: tasks.states[place].identity) else { return true }
        tasks.states[place].isNotFollowed = false
        seen.lookups += 1
        totals.lookups = (totals.lookups ?? 0) &+ 1
        tasks.states[place].lookup.begin(
            at: time, address: address, flags: arguments.isSet(.write) ? [.timed, .write] : [.timed], line: line,
            era: era)
        return true
    }

    /// A pin of a page: the first one of a pass is for writing, the second one for reading.
    mutating func beginPin(
        _ place: Int, _ arguments: borrowing Arguments, line: UInt64, into sink: inout some EventSink
    ) -> Bool {
        guard let address = arguments[.address], let flags = arguments[.flags] else { return false }
        seen.pins += 1
        guard tasks.states[place].lookup.isOpen else { return true }
        let isFirst = flags & 1 != 0
        guard tasks.states[place].lookup.canBePinned(at: address, isFirst: isFirst) else {
            dropLookup(place, into: &sink)
            return true
        }
        tasks.states[place].lookup.pinAddress = address
        guard isFirst else {
            tasks.states[place].lookup.tryReadOnly()
            return true
        }
        guard tasks.states[place].lookup.passes > 0 else {
            tasks.states[place].lookup.beginPass(at: line)
            return true
        }
        return beginRetry(place, line: line, into: &sink)
    }

    /// A further pass of the same lookup, but only if the reason for it was seen.
    private mutating func beginRetry(_ place: Int, line: UInt64, into sink: inout some EventSink) -> Bool {
        var lookup = tasks.states[place].lookup
        // Around a step back in time, the lines may have another order than the events.
        guard lookup.era == era || !mayLackLines else {
            tasks.states[place].stopLookup()
            lose(.ftraceBuffer, into: &sink)
            return true
        }
        if lookup.isUnlocked {
            // On every kernel that the recipe supports, a lookup fails where the page has no mapping and is not in the
            // swap cache. So this pin is that of another lookup, and the return and the next entry are missing.
            guard lookup.isSwizzled || !mayLackLines else {
                dropLookup(place, into: &sink)
                return true
            }
            countUnlockedRetry(&lookup)
        } else if !mayLackLines {
            lookup.retries.mappingChanged &+= 1
            totals.retries.mappingChanged &+= 1
            explainRetry(&lookup, from: OpenLookup.Pinned(lookup), into: &sink)
        } else {
            guard confirmRetry(&lookup, into: &sink) else {
                dropLookup(place, into: &sink)
                return true
            }
            lookup.unconfirmed = OpenLookup.Pinned(lookup)
        }
        lookup.beginPass(at: line)
        tasks.states[place].lookup = lookup
        if lookup.unconfirmed == nil { reportProgress(place, into: &sink) }
        return true
    }

    /// A loop is reported at passes 2, 4, 8, 16 …, as in a live run.
    private mutating func reportProgress(_ place: Int, into sink: inout some EventSink) {
        let lookup = tasks.states[place].lookup
        guard lookup.passes > 1, lookup.passes & (lookup.passes - 1) == 0 else { return }
        guard wanted.result == nil else { return }
        sink.take(reported(lookup, of: tasks.states[place].identity, result: nil), isProgress: true)
    }

    /// The return of a pin, with the page that it pinned.
    mutating func endPin(
        _ place: Int, _ arguments: borrowing Arguments, line: UInt64, into sink: inout some EventSink
    ) -> Bool {
        guard let result = arguments[.ret] else { return false }
        seen.pinReturns += 1
        guard tasks.states[place].lookup.isOpen else { return true }
        guard tasks.states[place].lookup.isPinning else {
            dropLookup(place, into: &sink)
            return true
        }
        tasks.states[place].lookup.isPinning = false
        guard Int32(truncatingIfNeeded: result) > 0 else {
            tasks.states[place].lookup.flags.insert(.pinFailed)
            return true
        }
        tasks.states[place].lookup.isPinned = true
        if let page = arguments[.page], page != 0 {
            tasks.states[place].lookup.pinned = page
            tasks.states[place].lookup.mappingAtPin = arguments[.mapping]
            // In a tail page this field is no mapping. That does no harm: the detach is that of the head page, and for
            // a head page that was not pinned itself `mappedLine` is not used.
            if let mapping = arguments[.mapping], mapping != 0 { tasks.states[place].lookup.mappedLine = line }
        }
        guard tasks.states[place].lookup.unconfirmed != nil else { return true }
        var lookup = tasks.states[place].lookup
        guard confirmRetry(&lookup, into: &sink) else {
            dropLookup(place, into: &sink)
            return true
        }
        tasks.states[place].lookup = lookup
        if lookup.retries.mappingChanged > 0 { reportProgress(place, into: &sink) }
        return true
    }

    /// Decides whether a pass is a retry after one in which the page had a mapping. False where it cannot be one: the
    /// page is the same, with the same mapping, and was not detached meanwhile. Else it may be a retry, or a second
    /// lookup where the return of the first one and the entry of the second one are missing. Both look the same, so a
    /// retry is counted only after `provenRetries` of them in a row: that many gaps at these places are not possible.
    mutating func confirmRetry(_ lookup: inout OpenLookup, into sink: inout some EventSink) -> Bool {
        guard let before = lookup.unconfirmed else { return true }
        // Up to 6.8 the events do not name the page.
        if let page = before.page {
            let isOther =
                lookup.isPinned && lookup.pinned != nil
                && (lookup.pinned != page || Self.areOther(lookup.mappingAtPin, before.mapping))
            guard isOther || wasDetached(page, since: before) else { return false }
        }
        lookup.unconfirmed = nil
        lookup.doubtfulRetries += 1
        switch lookup.doubtfulRetries {
        case 1: seen.doubtfulLookups += 1
        case OpenLookup.provenRetries: seen.doubtfulLookups -= 1
        default: break
        }
        let counted = lookup.doubtfulRetries >= OpenLookup.provenRetries ? lookup.doubtfulRetries : 0
        totals.retries.mappingChanged &+= counted &- lookup.retries.mappingChanged
        lookup.retries.mappingChanged = counted
        lookup.passes = 1 &+ lookup.retries.total
        lookup.flags = counted > 0 ? lookup.flags.union(.timed) : lookup.flags.subtracting(.timed)
        if counted > 0 { explainRetry(&lookup, from: before, into: &sink) }
        return true
    }

    private func wasDetached(_ page: UInt64, since pass: OpenLookup.Pinned) -> Bool {
        guard case .found(let place) = detaches.ask(page, since: pass.line), let slot = detaches[place] else {
            return false
        }
        return !slot.isOver(at: pass.mappedLine, mayLackLines: mayLackLines)
    }

    /// Whether two mappings differ for certain. One that is no kernel address may have lost digits with the end of its
    /// line.
    private static func areOther(_ mapping: UInt64?, _ other: UInt64?) -> Bool {
        guard let mapping, let other, mapping >> 63 != 0, other >> 63 != 0 else { return false }
        return mapping != other
    }

    /// A wait for the lock of a page, which belongs to the lookup if that has pinned its page.
    mutating func waitForLock(_ place: Int, isInterrupt: Bool) {
        guard tasks.states[place].lookup.isWaitingForUnlock, !isInterrupt else { return }
        tasks.states[place].lookup.lockWaits &+= 1
    }

    private mutating func countUnlockedRetry(_ lookup: inout OpenLookup) {
        if lookup.isSwizzled {
            lookup.retries.swizzled &+= 1
            totals.retries.swizzled &+= 1
        } else {
            lookup.retries.noMapping &+= 1
            totals.retries.noMapping &+= 1
        }
    }

    /// Stores the page of a pass that was followed by a retry, and reports its detach. The trace does not distinguish a
    /// mapping that changed from one without an inode. It is reported as changed, because only that was observed so
    /// far.
    private mutating func explainRetry(
        _ lookup: inout OpenLookup, from pass: OpenLookup.Pinned, into sink: inout some EventSink
    ) {
        guard let page = pass.page else { return }
        // A detach is stored for a head page. That of a tail page is not known here, so no detach is found for it.
        lookup.page = ask(
            page, PageFacts(page: id(page)), since: pass.line, mapped: pass.mappedLine, for: &lookup, into: &sink)
    }

    /// An unlock of a page. That of get_futex_key() itself ends a pass: an observation if the page has no mapping.
    mutating func unlock(
        _ place: Int, _ arguments: borrowing Arguments, isInterrupt: Bool, line: UInt64,
        into sink: inout some EventSink
    ) -> Bool {
        seen.unlocks += 1
        if let base = arguments[.base] { pageBase = base }
        guard let page = arguments[.page] else { return false }
        // An unlock in an interrupt is not the task's own. But a probe on a call site raises an exception, which the
        // kernel shows as an interrupt, and no interrupt calls get_futex_key().
        guard !isInterrupt || arguments.isFutexCall == true else { return true }
        var lookup = tasks.states[place].lookup
        let isLarge = arguments.isSet(.large)
        let pages = isLarge ? arguments[.order].flatMap { $0 < 20 ? UInt64(1) << $0 : nil } : 1
        // The pinned page, or the head of its folio.
        let isPinned = lookup.pinned.flatMap { Self.offset(of: $0, in: page) }.map { $0 < pages ?? 1 }
        if let isOwn = arguments.isFutexCall {
            guard isOwn else { return true }
            guard lookup.isOpen else {
                if arguments[.mapping] == 0 { missObservation(place, into: &sink) }
                return true
            }
            guard lookup.isWaitingForUnlock, lookup.pinned == nil || isPinned == true else {
                dropLookup(place, into: &sink)
                return true
            }
        } else {
            guard lookup.isWaitingForUnlock else { return true }
            guard let isPinned else {
                if lookup.pinned == nil { seen.doubtfulUnlocks += 1 }
                return true
            }
            guard isPinned else { return true }
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
        // In a tail page, the field of the mapping has another meaning.
        if lookup.mappingAtPin == 0, lookup.pinned == page { facts.facts.insert(.nullAtPin) }
        if isZeroPage(page, arguments) { facts.facts.insert(.zeroPage) }
        lookup.isSwizzled = facts.facts.contains(.swapCache)
        lookup.page =
            facts.isUncached
            ? facts
            : ask(
                page, facts, index: arguments[.index], pages: pages, since: lookup.passLine,
                mapped: lookup.pinned == page ? lookup.mappedLine : nil, for: &lookup, into: &sink)
        if lookup.page?.slot == .otherPage { lose(.slotOverwritten, into: &sink) }
        tasks.states[place].lookup = lookup
        return true
    }

    /// An observation of a lookup that is not followed. Its entry is missing, unless the lookup does not match the
    /// filter.
    private mutating func missObservation(_ place: Int, into sink: inout some EventSink) {
        guard wanted.admits(victim: tasks.states[place].identity) || isOfUnknownProcess(place) else { return }
        tasks.states[place].hasMissedObservation = true
        lose(.observationMissed, into: &sink)
    }

    /// The process of the task is not known, so it may be the one that the filter selects.
    func isOfUnknownProcess(_ place: Int) -> Bool {
        guard let pid = wanted.pid, !tasks.states[place].isProcessKnown else { return false }
        let identity = tasks.states[place].identity
        return identity.pid != pid && wanted.ofAnyProcess.admits(victim: identity)
    }

    /// The number of page structures from `head` to `page`; nil where `page` lies before it, or between two structures.
    static func offset(of page: UInt64, in head: UInt64) -> UInt64? {
        let size = UInt64(DetachTable.pageStructureSize)
        guard page >= head, (page - head) % size == 0 else { return nil }
        return (page - head) / size
    }

    /// Whether this is the kernel's zero page, which is mapped where nothing was written yet. It has had no mapping
    /// since the kernel started.
    func isZeroPage(_ page: UInt64, _ arguments: borrowing Arguments) -> Bool {
        guard let base = arguments[.base], let number = Self.offset(of: page, in: base) else { return false }
        return number == arguments[.zero] || (arguments[.hugezero] != UInt64.max && number == arguments[.hugezero])
    }

    /// Adds to `facts` what the table of detaches has about the page, and reports its detach once for each lookup.
    /// - Parameters:
    ///   - index: The page's index in its file; nil if the event does not show it.
    ///   - pages: The number of base pages of its folio; nil if that is not known.
    ///   - line: That of the begin of the pass: an older detach is not the one that the lookup met.
    ///   - mapped: The line of the pin's return, if it shows that the page still had its mapping.
    private mutating func ask(
        _ page: UInt64, _ facts: PageFacts, index: UInt64? = nil, pages: UInt64? = 1, since line: UInt64,
        mapped: UInt64?, for lookup: inout OpenLookup, into sink: inout some EventSink
    ) -> PageFacts {
        var facts = facts
        var answer = detaches.hasAddresses ? detaches.ask(page, since: line) : .empty
        if case .found = answer {
        } else if detaches.hasNumbers, let base = pageBase, let number = Self.offset(of: page, in: base) {
            let byNumber = detaches.ask(number, since: line)
            if case .empty = byNumber {} else { answer = byNumber }
        }
        switch answer {
        case .empty: facts.slot = .empty
        case .otherPage: facts.slot = .otherPage
        case .stale: facts.slot = .stale
        case .found(let place):
            guard var slot = detaches[place] else { break }
            // A page keeps its index in its file until it is freed.
            guard index == nil || index == slot.detach.index,
                !slot.isOver(at: mapped, mayLackLines: mayLackLines),
                // Around a step back in time, the lines may have another order than the events.
                !mayLackLines || lookup.start...max(lookup.start, time) ~= slot.detach.time
            else {
                facts.slot = .stale
                break
            }
            var detach = slot.settled(mayLackLines: mayLackLines, landmarksEntered: entriesSeen)
            detach.page = facts.page
            facts.slot = .found
            facts.detachTime = detach.time
            facts.index = detach.index
            locate(&facts, pinned: lookup.pinned, head: page, pages: pages, in: &detach)
            guard slot.reportedFor != lookup.id else { break }
            slot.reportedFor = lookup.id
            detaches[place] = slot
            sink.take(detach)
        }
        return facts
    }

    /// Finds out which page of a large folio was looked up. If the trace does not show it, the facts of the detach that
    /// depend on it are removed.
    func locate(
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
        // The size of the file is kept only where it has the same meaning for all pages of the folio: the file ends
        // before the first or behind the last.
        if !isCounted || (first < sizeInPages && last >= sizeInPages) { (detach.magic, detach.fileSize) = (0, 0) }
    }
}

extension PageFacts {
    /// A page of which nothing is known yet.
    init(page: PageID) {
        self.init(
            page: page, file: FileID(device: 0, inode: 0), index: 0, fileSize: 0, magic: 0, facts: [],
            slot: .notAsked, detachTime: 0)
    }
}

extension OpenLookup {
    /// Whether a pin at this address can be that of the futex: its page begins at most 64 KiB before the futex.
    @inline(__always)
    private func covers(_ pin: UInt64) -> Bool { pin <= address && address - pin < 65_536 }

    /// Whether the order of events permits a pin at this address. The first pin of a pass is for writing. The second
    /// one follows a first one that failed, and a further pass follows a pin that did not fail.
    @inline(__always)
    fileprivate func canBePinned(at pin: UInt64, isFirst: Bool) -> Bool {
        (pinAddress == nil ? covers(pin) : pinAddress == pin) && !isPinning
            && (isFirst ? passes == 0 || isPinned : flags.contains(.pinFailed))
    }
}

// SPDX-License-Identifier: Apache-2.0

// Observations alone, as at the default depth: only the unlock of a page by get_futex_key() itself is recorded, and no
// other event of the lookup. So passes, times and the address of the lookup are not known. Its result follows from the
// rule `swizzle`: if the page has no mapping and is not in the swap cache, the lookup fails with EFAULT, else it
// retries. The recorder has checked that the running kernel has this rule.

import Events

extension Reconstruction {
    /// One unlock by get_futex_key(), reported as a lookup. False when an argument is missing.
    mutating func observe(
        _ place: Int, _ arguments: borrowing Arguments, line: UInt64, into sink: inout some EventSink
    ) -> Bool {
        guard arguments.isFutexCall == true else { return true }
        guard let page = arguments[.page], let mapping = arguments[.mapping] else { return false }
        seen.unlocks += 1
        if let base = arguments[.base] { pageBase = base }
        let isMapped = mapping != 0
        let isInSwapCache = arguments.isSet(.swapcache) && arguments.isSet(.swapback)
        let retries = isMapped || isInSwapCache
        var lookup = Lookup(
            time: time, start: 0, victim: tasks.states[place].identity, uid: 0, address: 0, passes: 0,
            observations: isMapped ? 0 : 1, retries: RetryCounts(), result: retries ? nil : -14,
            flags: retries ? [] : [.returned, .failedUnmapped], lockWaits: 0, page: nil)
        if retries { lookup.retries.swizzled = 1 }
        guard wanted.admitsApartFromCgroup(lookup) else {
            if !isMapped, isOfUnknownProcess(place), wanted.ofAnyProcess.admitsApartFromCgroup(lookup) {
                lose(.observationMissed, into: &sink)
            }
            return true
        }
        totals.observations &+= lookup.observations
        totals.retries.swizzled &+= lookup.retries.swizzled
        if !retries { totals.failedUnmapped &+= 1 }
        if !isMapped { lookup.page = describe(place, page, arguments, line: line, into: &sink) }
        sink.take(lookup, isProgress: false)
        return true
    }

    /// Whether the page was detached from a file of hugetlbfs that the victim maps. A page that is not up to date
    /// usually has no detach, but hugetlbfs clears PG_uptodate before it detaches a page
    /// (hugetlb_delete_from_page_cache()).
    private func isDetachedHugePage(_ detach: Detach, _ arguments: borrowing Arguments, of task: TaskState) -> Bool {
        detach.magic == FileSystemMagic.hugetlbfs && arguments.isSet(.large)
            && mapsFile?(task.identity.pid, detach.file) ?? false
    }

    /// The facts about a page without a mapping; its detach is reported, if it has one.
    private mutating func describe(
        _ place: Int, _ page: UInt64, _ arguments: borrowing Arguments, line: UInt64, into sink: inout some EventSink
    ) -> PageFacts {
        var facts = PageFacts(page: id(page))
        if arguments.isSet(.reserved) { facts.facts.insert(.reserved) }
        if arguments.isSet(.swapcache), arguments.isSet(.swapback) { facts.facts.insert(.swapCache) }
        if arguments.isSet(.large) { facts.facts.insert(.large) }
        if isZeroPage(page, arguments) { facts.facts.insert(.zeroPage) }
        if arguments[.uptodate] == 0 { facts.facts.insert(.notUpToDate) }
        let wasUpToDate = !facts.facts.contains(.notUpToDate)
        switch detaches.ask(page, since: 0) {
        case .empty: facts.slot = .empty
        case .otherPage:
            // The detach of the other page may have replaced that of this one. A page that is not up to date can have
            // had one only if it is a large page, as of hugetlbfs.
            let hadDetach = !facts.isUncached && (wasUpToDate || facts.facts.contains(.large))
            facts.slot = hadDetach ? .otherPage : .empty
            if hadDetach { lose(.slotOverwritten, into: &sink) }
        case .stale: facts.slot = .stale
        case .found(let slotPlace):
            // A page keeps its index in its file until it is freed.
            guard var slot = detaches[slotPlace], !facts.isUncached, slot.detach.index == arguments[.index],
                wasUpToDate || isDetachedHugePage(slot.detach, arguments, of: tasks.states[place])
            else {
                facts.slot = .stale
                break
            }
            var detach = slot.settled(mayLackLines: mayLackLines, landmarksEntered: entriesSeen)
            detach.page = facts.page
            (facts.slot, facts.detachTime, facts.index) = (.found, detach.time, detach.index)
            let pages = arguments.isSet(.large) ? arguments[.order].flatMap { $0 < 20 ? UInt64(1) << $0 : nil } : 1
            locate(&facts, pinned: nil, head: page, pages: pages, in: &detach)
            slot.reportedFor = line
            detaches[slotPlace] = slot
            sink.take(detach)
        }
        return facts
    }
}

extension PageFacts {
    /// The page is not one of a file's page cache: a reserved page, the zero page, or a page in the swap cache. So a
    /// detach that is stored for it happened before the kernel freed it and used it again. Swap-outs are not recorded.
    var isUncached: Bool { !facts.isDisjoint(with: [.reserved, .zeroPage, .swapCache]) }
}

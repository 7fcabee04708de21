// SPDX-License-Identifier: Apache-2.0

// The ends of lookups in the trace: whether a lookup can end with a result, why it failed, and what is reported.

import Events

extension Reconstruction {
    /// The return of get_futex_key(). False when the event has no result.
    mutating func endLookup(
        _ place: Int, _ arguments: borrowing Arguments, line: UInt64, into sink: inout some EventSink
    ) -> Bool {
        guard let value = arguments[.ret] else { return false }
        seen.returns += 1
        let result = Int32(truncatingIfNeeded: value)
        guard tasks.states[place].lookup.isOpen else {
            let isCounted = tasks.states[place].hasMissedObservation
            tasks.states[place].hasMissedObservation = false
            let isNotFollowed = tasks.states[place].isNotFollowed
            tasks.states[place].isNotFollowed = false
            guard result == -14, !isCounted else { return true }
            if isOfUnknownProcess(place) {
                lose(.observationMissed, into: &sink)
            } else if followsLookups, !isNotFollowed,
                wanted.admits(victim: tasks.states[place].identity)
            {
                lose(.lookupMissed, into: &sink)
            }
            return true
        }
        guard !mayLackLines || OpenLookup.canReturn(result), confirmEnd(place, result, into: &sink) else {
            dropLookup(place, into: &sink)
            tasks.states[place].isNotFollowed = false
            return true
        }
        tasks.states[place].lookup.isOpen = false
        let isReported =
            (emitsAll || tasks.states[place].lookup.metSomething)
            && (wanted.isOfVictimsAlone
                || wanted.admitsApartFromCgroup(
                    reported(tasks.states[place].lookup, of: tasks.states[place].identity, result: result)))
        // Most lookups observe nothing and are large, so they are not moved.
        guard isReported || result < 0 else { return true }
        var lookup = tasks.states[place].lookup
        lookup.flags.insert(.returned)
        countResult(&lookup, result, into: &sink)
        if isReported {
            sink.take(reported(lookup, of: tasks.states[place].identity, result: result), isProgress: false)
        }
        return true
    }

    /// Whether the events of the lookup permit this result. Also decides whether its last pass can have been a retry.
    private mutating func confirmEnd(_ place: Int, _ result: Int32, into sink: inout some EventSink) -> Bool {
        guard seen.pins > 0, seen.pinReturns > 0 else { return true }
        guard tasks.states[place].lookup.canEnd(with: result) else { return false }
        guard tasks.states[place].lookup.unconfirmed != nil else { return true }
        var confirmed = tasks.states[place].lookup
        guard confirmRetry(&confirmed, into: &sink) else { return false }
        tasks.states[place].lookup = confirmed
        return true
    }

    /// Counts why a lookup failed, and notes it in its flags.
    private mutating func countResult(_ lookup: inout OpenLookup, _ result: Int32, into sink: inout some EventSink) {
        guard result < 0 else { return }
        if lookup.flags.contains(.pinFailed) {
            totals.failedPin &+= 1
        } else if mayLackLines, seen.pins > 0, result == -14, lookup.isNotPinnedInUserSpace {
            // An address of user space is pinned, so the pin is missing, and perhaps an observation behind it.
            lose(.observationMissed, into: &sink)
        } else if result != -14 || lookup.address >> 63 != 0 || lookup.passes == 0 {
            totals.failedOther &+= 1
        } else if lookup.isUnlocked {
            lookup.flags.insert(.failedUnmapped)
            totals.failedUnmapped &+= 1
        } else if let mapping = lookup.mappingAtPin, mapping & 1 != 0 {
            lookup.flags.insert(.failedReadOnly)
            totals.failedReadOnly &+= 1
        } else if lookup.flags.contains(.readOnly), !mustHaveUnlocked(lookup) {
            // The page was read-only and anonymous.
            totals.failedOther &+= 1
        } else {
            lose(.observationMissed, into: &sink)
        }
    }

    /// Whether a lookup with a read-only pin can only have failed for a page without a mapping, so that its unlock is
    /// missing. Up to 6.8 the pin does not show the mapping, so in a text that is assumed.
    private func mustHaveUnlocked(_ lookup: OpenLookup) -> Bool {
        guard let mapping = lookup.mappingAtPin else { return mayLackLines }
        // In a tail page, the field is no kernel address.
        return mapping == 0 ? mayLackLines : mapping >> 48 == 0xffff
    }

    /// A lookup whose return is not seen, because the trace ends or the task begins another one. Its observations and
    /// the missing return are counted. On every kernel that the recipe supports, a lookup that has unlocked a page
    /// without a mapping fails, unless the page is in the swap cache.
    mutating func endUnseen(_ task: TaskState, into sink: inout some EventSink) {
        lose(.returnMissed, into: &sink)
        var lookup = task.lookup
        guard mayLackLines, lookup.isUnlocked, !lookup.isSwizzled, lookup.observations > 0,
            wanted.admitsApartFromCgroup(reported(lookup, of: task.identity, result: -14))
        else { return }
        // The time of its end is not known.
        lookup.flags.remove(.timed)
        lookup.flags.formUnion([.returned, .failedUnmapped])
        totals.failedUnmapped &+= 1
        sink.take(reported(lookup, of: task.identity, result: -14), isProgress: false)
    }

    /// The lookup as it is reported. `result` is nil while it has not returned.
    func reported(_ lookup: OpenLookup, of task: TaskIdentity, result: Int32?) -> Lookup {
        // Where time has stepped back since the start, there is no duration.
        var isTimed = lookup.era == era && time >= lookup.start && !counts
        // Where lines may be missing, a few retries may be those of two lookups, which is no loop however long it takes.
        if result == nil, mayLackLines, lookup.retries.total < OpenLookup.provenRetries { isTimed = false }
        return Lookup(
            time: time, start: lookup.start, victim: task, uid: 0, address: lookup.address,
            passes: lookup.unconfirmed == nil ? lookup.passes : 1 &+ lookup.retries.total,
            observations: lookup.observations, retries: lookup.retries, result: result,
            flags: isTimed ? lookup.flags : lookup.flags.subtracting(.timed),
            lockWaits: lookup.lockWaits, page: lookup.page)
    }
}

extension LookupFilter {
    /// The same filter without its process.
    var ofAnyProcess: LookupFilter {
        var filter = self
        filter.pid = nil
        return filter
    }
}

extension OpenLookup {
    /// It has no pin, although its address lies below the end of user space, with room to spare: TASK_SIZE of x86-64 is
    /// 2^47 - 4096 or more, and so is that of arm64 with 48-bit addresses.
    fileprivate var isNotPinnedInUserSpace: Bool { passes == 0 && address < 1 << 47 - 1 << 20 }

    /// Whether a lookup can return this. A line that was cut may end with the first digit of -14 (EFAULT), and digits of
    /// another line may be joined to it. No lookup returns -1 (EPERM), and none less than -133 (EHWPOISON).
    fileprivate static func canReturn(_ result: Int32) -> Bool { result != -1 && result >= -133 }

    /// A lookup succeeds with a page that was pinned and not unlocked again.
    @inline(__always)
    fileprivate func canEnd(with result: Int32) -> Bool { !isPinning && (result != 0 || (isPinned && !isUnlocked)) }
}

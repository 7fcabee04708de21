// SPDX-License-Identifier: Apache-2.0

// The causes of observations, and everything that is known of each one: its name, the operation that it stands for, and
// its words in conclusions: what it did, why a page never has a mapping, what to do. Nothing here claims more than the
// cause itself says. Switches have no default where a new cause must not be forgotten. How a report paints a cause is in
// Presentation.

import Events

/// What explains an observation.
public enum Cause: String, Sendable, CaseIterable {
    case directIOInvalidation = "direct-io-invalidation"
    case dropCaches = "drop-caches"
    case fadvise
    case reclaim
    case truncate
    case holePunch = "hole-punch"
    /// BLKZEROOUT, BLKDISCARD or fallocate() on a mapped block device.
    case blockZeroOut = "block-zero-out"
    case swapOut = "swap-out"
    case migration
    case collapse
    case split
    case memoryFailure = "memory-failure"
    /// The zero page never has a mapping.
    case zeroPage = "zero-page"
    /// vDSO, a driver's page, a shared DAX extent: pages that never have a mapping.
    case specialMapping = "special-mapping"
    /// The detach was seen and its culprit is known, but the operation is none of the above.
    case other
    case unknown
}

extension Cause {
    /// The cause that an operation stands for.
    init(_ kind: ActivityKind) {
        self =
            switch kind {
            case .directIOInvalidation: .directIOInvalidation
            case .dropCaches: .dropCaches
            case .fadvise: .fadvise
            case .reclaim: .reclaim
            case .truncate: .truncate
            case .holePunch: .holePunch
            case .fallocateOther: .other
            case .blockZeroOut: .blockZeroOut
            case .swapOut: .swapOut
            case .migration: .migration
            case .collapse: .collapse
            case .split: .split
            case .memoryFailure: .memoryFailure
            }
    }

    /// At most eleven columns, for a narrow table; a user may type it as well.
    public var abbreviation: String {
        switch self {
        case .directIOInvalidation: "direct-io"
        case .blockZeroOut: "zero-out"
        case .memoryFailure: "mem-failure"
        case .specialMapping: "special"
        default: rawValue
        }
    }
}

// MARK: Words of conclusions

extension Cause {
    /// What the culprit did to `file`, as a clause whose subject comes before it.
    /// - Parameter file: with an article where it is no path.
    func action(on file: String, isNeighbour: Bool) -> String {
        switch self {
        case .directIOInvalidation: "invalidated cached pages of \(file), as a write with O_DIRECT does"
        case .dropCaches: "dropped the page cache through /proc/sys/vm/drop_caches, and with it a page of \(file)"
        case .fadvise: "dropped cached pages of \(file) with POSIX_FADV_DONTNEED"
        case .reclaim: "reclaimed the page of \(file) because memory was short"
        case .truncate: "truncated \(file)"
        case .holePunch:
            isNeighbour
                ? "punched a hole into \(file), in another page of the same large folio" : "punched a hole into \(file)"
        case .blockZeroOut: "zeroed or discarded a range of \(file)"
        case .swapOut: "moved the page of \(file) to swap"
        case .migration: "moved the page of \(file) to another place in memory"
        case .collapse: "collapsed pages of \(file) into a huge page"
        case .split: "split a huge page of \(file)"
        case .memoryFailure: "took a page of \(file) out of use after a memory error"
        case .zeroPage, .specialMapping, .other, .unknown: "removed the page of \(file) from its mapping"
        }
    }

    /// Why a page never has a mapping; nil for a cause that removes one.
    var lastingReason: String? {
        switch self {
        case .zeroPage: "the futex is in memory that was never written (the zero page)"
        case .specialMapping:
            "the futex is in a page that belongs to no page cache (the vDSO, memory of a driver, or a shared DAX extent)"
        case .directIOInvalidation, .dropCaches, .fadvise, .reclaim, .truncate, .holePunch, .blockZeroOut, .swapOut,
            .migration, .collapse, .split, .memoryFailure, .other, .unknown:
            nil
        }
    }

    /// One clause that says what the cause is.
    public var meaning: String {
        switch self {
        case .other: "a task removed the page from its mapping, in an operation that is none of the named ones"
        case .unknown: "what removed the mapping of the page is not known"
        default: lastingReason ?? "a task " + action(on: "the file", isNeighbour: false)
        }
    }

    /// What to change so that it does not happen again; of a cause that is not known, what to do to learn it. `culprit` is a
    /// noun; `isEndSeen` says whether the lookups were seen to end.
    func remedy(
        for result: Conclusion.Result, reason: UnknownReason?, culprit: String, isEndSeen: Bool = true
    ) -> String? {
        // Whatever removed the page, the address lies beyond the end of its file.
        let isBeyondEnd = result == .failed && lastingReason == nil
        let avoidance =
            switch self {
            case _ where isBeyondEnd && self != .truncate:
                "do not shorten that file while it is in use, or map it again after it was extended"
            case .directIOInvalidation:
                "write that file through the page cache instead of with O_DIRECT, or keep the futex in another file"
            case .dropCaches: "do not write to /proc/sys/vm/drop_caches while the program runs"
            case .fadvise: "do not use POSIX_FADV_DONTNEED on that file, or keep the futex in another file"
            case .reclaim: "lock the page that holds the futex with mlock(2), or give the workload more memory"
            case .truncate:
                isBeyondEnd
                    ? "do not truncate that file while it is in use, or map it again after it was extended"
                    : "do not truncate that file while it is in use, or keep the futex in another file"
            case .holePunch: "do not punch holes into that file near the futex, or keep the futex in another file"
            case .blockZeroOut: "do not zero or discard that device while it is mapped, or keep the futex elsewhere"
            case .swapOut: "lock the page that holds the futex with mlock(2)"
            case .migration:
                "lock the page that holds the futex in place, or turn off compaction and NUMA balancing for it"
            case .collapse, .split: "turn off transparent huge pages for that file or mapping"
            case .memoryFailure: "replace the faulty memory; see the kernel's log for its address"
            case .zeroPage:
                "write to the memory before the first futex call, or use FUTEX_PRIVATE_FLAG for a private futex"
            case .specialMapping: "keep the futex in ordinary shared memory"
            case .other: "find out what \(culprit) does to that file, for example with `futexscope trace -f json`"
            case .unknown: reason?.advice ?? ""
            }
        if avoidance.isEmpty { return nil }
        return switch result {
        case .spurious where self != .unknown:
            avoidance
                + "; until then a program that calls futex(2) itself can repeat the call, whose address stays valid; "
                + "glibc does not"
        case .spurious, .failed, .looping, .undecided, .otherFailure: avoidance
        case .delayed:
            (isEndSeen ? "none needed" : "trace with --full to see how they end")
                + (self == .unknown ? "; to learn the cause, " : "; to avoid the delay, ") + avoidance
        }
    }
}

// MARK: Unknown causes

/// Why a cause is `unknown`.
public enum UnknownReason: String, Sendable, CaseIterable {
    /// No detach of a held page was stored for this page: not hooked, or before tracing began.
    case noDetachSeen = "no-detach-seen"
    /// The slot of the detach table was overwritten by another page's detach.
    case slotOverwritten = "slot-overwritten"
    /// The stored detach belongs to an earlier use of the page.
    case formerLife = "former-life"
    /// Two detaches used the slot at the same time, or it was being written.
    case slotTorn = "slot-torn"
    /// The kernel side matched a detach that did not arrive.
    case detachLost = "detach-lost"
    /// The functions on the culprit's stack could not be named (kallsyms is not readable).
    case stackUnnamed = "stack-unnamed"
    /// The victim's memory area could not be read, or it is another one than the page was seen through. So it is not
    /// known whether the page ever had a mapping.
    case areaUnreadable = "area-unreadable"
    /// The lookup retried without an observation, and nothing more is known of the page.
    case notObserved = "not-observed"
}

extension UnknownReason {
    /// One clause for a sentence that says that the cause is unknown.
    var clause: String {
        switch self {
        case .noDetachSeen:
            "no removal of the page was seen, because it came before the trace or from code that is not traced"
        case .slotOverwritten: "the stored detach of the page was overwritten by that of another page"
        case .formerLife: "the only known removal belongs to an earlier use of the page"
        case .slotTorn: "two removals were recorded at the same time"
        case .detachLost: "the record of the removal was lost"
        case .stackUnnamed: "the functions of the kernel that removed the page could not be named"
        case .areaUnreadable: "the memory area of the address could not be read, or another one was mapped there since"
        case .notObserved: "nothing more is known of the page"
        }
    }
    /// What to do so that the next run knows the cause; nil where nothing helps.
    var advice: String? {
        switch self {
        case .noDetachSeen:
            "trace for longer, so that the removal of the page falls into the trace; `futexscope doctor` lists the "
                + "probes that this kernel lacks"
        case .formerLife: "trace for longer, so that the removal of the page falls into the trace"
        case .slotOverwritten, .slotTorn:
            "trace again while the host removes fewer pages from its page cache: the table of detaches has a fixed size"
        case .detachLost: "trace again with a larger ring buffer, such as `--ring-size 64M`"
        case .stackUnnamed: "let futexscope read /proc/kallsyms: run it as root, with kernel.kptr_restrict below 2"
        case .areaUnreadable: "trace again with `--full`, which looks at the page when it is pinned"
        case .notObserved: nil
        }
    }
}

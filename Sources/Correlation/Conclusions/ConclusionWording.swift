// SPDX-License-Identifier: Apache-2.0

// The words of conclusions: what each cause did, who is to blame for what became of the lookups, and what to do about
// it. One table for each question, so that a new cause fails to compile until it has its words. Nothing here claims
// more than the cause itself says.

import Events

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

    /// What to change so that it does not happen again. `culprit` is a noun.
    func remedy(for result: Conclusion.Result, culprit: String) -> String {
        let avoidance =
            switch self {
            case .directIOInvalidation:
                "write that file through the page cache instead of with O_DIRECT, or keep the futex in another file"
            case .dropCaches: "do not write to /proc/sys/vm/drop_caches while the program runs"
            case .fadvise: "do not use POSIX_FADV_DONTNEED on that file, or keep the futex in another file"
            case .reclaim: "lock the page that holds the futex with mlock(2), or give the workload more memory"
            case .truncate:
                result == .failed
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
            case .unknown: "record the run with `futexscope record --full`, so that the detach is seen as well"
            }
        return switch result {
        case .spurious where self != .unknown:
            avoidance + "; until then the program can repeat the call, whose address stays valid"
        case .spurious, .failed, .looping, .undecided, .otherFailure: avoidance
        case .delayed: "none needed; to avoid the delay, " + avoidance
        }
    }
}

extension UnknownReason {
    /// One clause for a sentence that says that the cause is unknown.
    var clause: String {
        switch self {
        case .noDetachSeen:
            "no removal of the page was seen, because it came before the trace or from code that is not traced"
        case .slotOverwritten: "the record of the removal was overwritten by another one"
        case .formerLife: "the only known removal belongs to an earlier use of the page"
        case .slotTorn: "two removals were recorded at the same time"
        case .detachLost: "the record of the removal was lost"
        case .stackUnnamed: "the functions of the kernel that removed the page could not be named"
        case .areaUnreadable: "the memory area of the address could not be read"
        case .notObserved: "nothing more is known of the page"
        }
    }
}

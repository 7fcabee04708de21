// SPDX-License-Identifier: Apache-2.0

// The counters of the BPF programs, one set for each CPU, added up. Their memory is mapped here. So a reader needs no
// system call and no privilege, does not disturb the programs, and can read at any time, also after the programs are
// detached. While programs run, counters that belong together may differ by a few events.

import CLibbpf
import CRecords
import Events
import Glibc

/// The memory in which the programs count.
@safe final class CounterMemory {
    private let cpus: Int
    private let bytes: UnsafeMutableRawPointer
    private let byteCount: Int

    /// Maps the counters of a loaded object: the map with the descriptor `map`, with a set for each of `cpus`.
    init(map: Int32, cpus: Int) throws(CaptureError) {
        let page = sysconf(Int32(_SC_PAGESIZE))
        byteCount = (cpus * MemoryLayout<fs_counters>.stride + page - 1) / page * page
        // The kernel's array has this many bytes, rounded up to whole pages.
        let mapped = unsafe mmap(nil, byteCount, PROT_READ, MAP_SHARED, map, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
            throw .system("map the counters", errno: errno)
        }
        unsafe bytes = unsafe mapped
        self.cpus = cpus
    }

    deinit { unsafe munmap(bytes, byteCount) }

    /// The sums over all CPUs.
    func sum() -> fs_counters {
        var sum = fs_counters()
        // `fs_counters` consists of words of eight bytes, and there are `cpus` sets of it in the mapping.
        unsafe withUnsafeMutableBytes(of: &sum) { sum in
            for cpu in 0..<cpus {
                let set = unsafe bytes + cpu * MemoryLayout<fs_counters>.stride
                for offset in stride(from: 0, to: sum.count, by: 8) {
                    let counted = unsafe fs_load_word(set + offset)
                    let others = unsafe sum.load(fromByteOffset: offset, as: UInt64.self)
                    unsafe sum.storeBytes(of: others &+ counted, toByteOffset: offset, as: UInt64.self)
                }
            }
        }
        return sum
    }
}

/// Sums over all CPUs.
struct KernelCounters {
    let counters: fs_counters
    let activities: [ActivityKind: Totals.ActivityTotals]

    /// Reads the counters.
    init(_ memory: CounterMemory) {
        let counters = memory.sum()
        var activities: [ActivityKind: Totals.ActivityTotals] = [:]
        unsafe withUnsafeBytes(of: counters.activities) { bytes in
            for kind in ActivityKind.allCases {
                // `ActivityKind` has the numbers of `enum fs_activity_kind`.
                let totals = unsafe bytes.load(
                    fromByteOffset: Int(kind.rawValue) * MemoryLayout<fs_activity_totals>.stride,
                    as: fs_activity_totals.self)
                activities[kind] = Totals.ActivityTotals(
                    operations: totals.operations, pages: totals.pages, durationNs: totals.duration)
            }
        }
        (self.counters, self.activities) = (counters, activities)
    }

    /// Number of records that the programs emitted, by `enum fs_record_kind`.
    var emitted: [UInt64] {
        let all = counters.emitted
        return [all.0, all.1, all.2, all.3, all.4, all.5]
    }

    /// As totals, without the values that Swift code counts itself.
    var totals: Totals {
        var totals = Totals()
        totals.lookups = counters.lookups
        totals.observations = counters.observations
        totals.retries = RetryCounts(
            swizzled: counters.retries.0, mappingChanged: counters.retries.1, noHost: counters.retries.2,
            noMapping: counters.retries.3)
        totals.failedUnmapped = counters.failed_unmapped
        totals.failedPin = counters.failed_pin
        totals.failedReadOnly = counters.failed_read_only
        totals.failedOther = counters.failed_other
        totals.detaches = counters.detaches
        totals.detachesHeld = counters.detaches_held
        totals.activities = activities
        return totals
    }

    /// Losses that the programs counted, those that are not zero.
    var losses: [Loss.Stage: UInt64] {
        let losses: [(Loss.Stage, UInt64)] = [
            (.ringLookup, counters.ring_full.1), (.ringProgress, counters.ring_full.2),
            (.ringDetach, counters.ring_full.3), (.ringActivity, counters.ring_full.4),
            (.ringName, counters.ring_full.5),
            (.lookupTable, counters.lookup_table_full), (.operationTable, counters.operation_table_full),
            (.slotCollision, counters.slot_collision), (.slotOverwritten, counters.slot_overwritten),
            (.returnMissed, counters.return_missed), (.observationMissed, counters.observation_missed),
            (.lookupMissed, counters.lookup_missed),
            (.scopeCollision, counters.scope_collision),
        ]
        return Dictionary(uniqueKeysWithValues: losses.filter { $0.1 > 0 })
    }
}

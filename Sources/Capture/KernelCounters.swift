// The per-CPU counters of the kernel side, added up. They are read from the maps at any time, also while
// programs run; numbers that belong together may then be a few events apart.

import CLibbpf
import CRecords
import Events

/// Sums over all CPUs.
struct KernelCounters {
    private(set) var counters = fs_counters()
    private(set) var activities: [ActivityKind: Totals.ActivityTotals] = [:]

    /// Reads the maps of a loaded object. While the kernel copies a value it skips kprobe programs on
    /// that CPU, so during a run this is done seldom.
    init(object: TracingObject) throws(CaptureError) {
        counters = try Self.sum(map: object.map("counters"), key: 0)
        for kind in ActivityKind.allCases {
            let totals: fs_activity_totals = try Self.sum(
                map: object.map("activity_totals"), key: UInt32(kind.rawValue))
            activities[kind] = Totals.ActivityTotals(
                operations: totals.operations, pages: totals.pages, durationNs: totals.duration)
        }
    }

    /// Adds up a per-CPU value that consists of 64-bit counters and nothing else.
    private static func sum<Value: BitwiseCopyable>(map: Int32, key: UInt32) throws(CaptureError) -> Value {
        let words = MemoryLayout<Value>.size / 8
        let cpus = libbpf_num_possible_cpus()
        guard cpus > 0 else { throw .system("count the CPUs", errno: -cpus) }
        var perCPU = [UInt64](repeating: 0, count: words * Int(cpus))
        var key = key
        // The kernel writes one value for each possible CPU, each a multiple of eight bytes.
        let code = unsafe bpf_map_lookup_elem(map, &key, &perCPU)
        guard code == 0 else { throw .system("read the counters", errno: -code) }
        let sums = (0..<words).map { word in
            stride(from: word, to: perCPU.count, by: words).reduce(UInt64(0)) { $0 &+ perCPU[$1] }
        }
        // `sums` has as many words as the value, whose fields are all words.
        return unsafe sums.withUnsafeBytes { unsafe $0.loadUnaligned(as: Value.self) }
    }

    /// Emitted records and those without room in the ring, by `enum fs_record_kind`.
    var emitted: [UInt64] {
        let all = counters.emitted
        return [all.0, all.1, all.2, all.3, all.4]
    }

    /// As totals, without what the host side counts itself.
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

    /// Losses of the kernel side that are not zero.
    var losses: [Loss.Stage: UInt64] {
        let losses: [(Loss.Stage, UInt64)] = [
            (.ringLookup, counters.ring_full.1), (.ringProgress, counters.ring_full.2),
            (.ringDetach, counters.ring_full.3), (.ringActivity, counters.ring_full.4),
            (.lookupTable, counters.lookup_table_full), (.operationTable, counters.operation_table_full),
            (.slotCollision, counters.slot_collision), (.slotOverwritten, counters.slot_overwritten),
            (.returnMissed, counters.return_missed), (.observationMissed, counters.observation_missed),
            (.lookupMissed, counters.lookup_missed),
            (.scopeCollision, counters.scope_collision),
        ]
        return Dictionary(uniqueKeysWithValues: losses.filter { $0.1 > 0 })
    }
}

// SPDX-License-Identifier: Apache-2.0

import Correlation
import EventSamples
import Events
import Pipeline

@testable import Presentation

/// One run that has a bit of everything, for the golden files of all formats.
enum Story {
    /// 2026-11-23T02:00:00Z at boot.
    static let clock = WallClock(offsetNs: 1_795_399_200_000_000_000)

    static let events: [Event] = [
        .name(Name(subject: .cgroup(77), text: "/system.slice/app.service")),
        .name(
            Name(
                subject: .cgroup(78),
                text: "/kubepods.slice/kubepods-besteffort.slice/"
                    + "kubepods-besteffort-pod74c13223_5a00_11e9_b385_42010a80018d.slice/"
                    + "cri-containerd-34dc0b5e626f2c5c4c5170e34b10e7654ce36f0fcd532739f4445baabea03376.scope")),
        .name(
            Name(subject: .file(.data), text: "/var/lib/app/shared/mutex.dat", detail: "ext4", fileState: .deleted)),
        .name(
            Name(
                subject: .callPath(CallPathID(rawValue: 1)),
                text: "do_syscall_64;ksys_write;ext4_file_write_iter;invalidate_inode_pages2_range;"
                    + "__filemap_remove_folio")),
        // A direct write drops the page: the failure is spurious.
        .detach(
            .sample {
                ($0.landmarks, $0.hole, $0.scope) = ([.invalidate2], nil, .directIOInvalidation)
                $0.callPath = CallPathID(rawValue: 1)
            }),
        .lookup(.sample()),
        // A hole next door, in a large folio.
        .detach(
            .sample {
                ($0.time, $0.page, $0.index, $0.pages) = (2_000_000, PageID(rawValue: 0xbeef), 0, 16)
                ($0.hole, $0.references) = (0..<4096, 18)
            }),
        .lookup(
            .sample(page: .sample { ($0.page, $0.detachTime) = (PageID(rawValue: 0xbeef), 2_000_000) }) {
                ($0.time, $0.start) = (2_310_000, 1_900_000)
            }),
        // Truncated by a task whose stack could not be named; known by its operation.
        .detach(
            .sample {
                ($0.time, $0.landmarks, $0.stackIsNamed, $0.scope) = (3_000_000, [], false, .truncate)
                ($0.hole, $0.fileSize) = (nil, 0)
                $0.culprit = TaskIdentity(pid: 4_194_303, tid: 4_194_303, comm: Comm("logrotate-daily"))
            }),
        .lookup(.sample(page: .sample { $0.detachTime = 3_000_000 }) { $0.time = 3_000_400 }),
        // Swapped out and back: today's rule goes round once more.
        .detach(
            .sample {
                ($0.time, $0.page, $0.via, $0.magic) = (4_000_000, PageID(rawValue: 0x77), .swapOut, 0x0102_1994)
                ($0.file, $0.hole) = (FileID(device: 26, inode: 1 << 60), nil)
                $0.culprit = TaskIdentity(pid: 88, tid: 88, comm: Comm("kswapd0"))
            }),
        .lookup(
            .sample(
                page: .sample {
                    ($0.page, $0.detachTime, $0.magic) = (PageID(rawValue: 0x77), 4_000_000, 0x0102_1994)
                    $0.file = FileID(device: 26, inode: 1 << 60)
                    $0.facts.insert(.swapCache)
                }
            ) {
                ($0.time, $0.start) = (4_204_000, 3_900_000)
                $0.succeed(inPass: 2)
                $0.retries.swizzled = 1
            }),
        // The mapping changed twice under the lookup; nothing was unmapped.
        .lookup(
            .sample(page: nil) {
                ($0.time, $0.start) = (5_000_000, 4_990_000)
                $0.succeed(inPass: 3)
                ($0.observations, $0.retries.mappingChanged) = (0, 2)
            }),
        // The zero page, and a kernel that tries for ever.
        .lookup(
            .sample(page: .zero()) {
                ($0.time, $0.start) = (6_000_000, 5_999_160)
                $0.flags.remove(.write)
            }),
        .progress(.looping(passes: 64, durationNs: 840_000)),
        .lost(Loss(time: 0, stage: .slotOverwritten, count: 17)),
        .progress(.looping(passes: 1_048_576, durationNs: 12_345_678_901)),
        // Evidence is missing.
        .lookup(
            .sample(page: .sample { $0.slot = .otherPage }) {
                ($0.time, $0.start) = (7_000_000, 6_990_000)
                $0.victim = TaskIdentity(pid: 7, tid: 9, comm: Comm("worker"), cgroup: 5)
            }),
        // Entry not seen, and the pin failed in a later pass.
        .lookup(
            .sample(page: .sample { ($0.slot, $0.file.inode) = (.empty, 99) }) {
                ($0.time, $0.flags, $0.result) = (8_000_000, [.returned, .pinFailed], -512)
            }),
        // No page to pin, and one that is refused.
        .lookup(.faulted { ($0.time, $0.start) = (8_100_000, 8_090_000) }),
        .lookup(
            .faulted(
                .failure { ($0.facts, $0.file) = ([.failureDescribed, .noArea], FileID(device: 0, inode: 0)) }, by: nil
            ) {
                ($0.time, $0.start) = (8_200_000, 8_190_000)
            }),
        .lost(Loss(time: 0, stage: .programMissed, count: 4)),
    ]

    static let totals = {
        var totals = Totals()
        (totals.lookups, totals.observations) = (1_234_567, 8)
        totals.retries = RetryCounts(swizzled: 1, mappingChanged: 2)
        (totals.failedUnmapped, totals.failedPin, totals.failedReadOnly, totals.failedOther) = (5, 12, 1, 0)
        (totals.detaches, totals.detachesHeld) = (46_100, 2248)
        totals.activities = [
            .directIOInvalidation: Totals.ActivityTotals(operations: 515, pages: 515, durationNs: 51_000_000),
            .dropCaches: Totals.ActivityTotals(operations: 3, pages: 40_321, durationNs: 1_834_000_000),
            .fallocateOther: Totals.ActivityTotals(operations: 2, pages: 7, durationNs: 90_000),
            .collapse: Totals.ActivityTotals(operations: 0, pages: 0, durationNs: 0),
        ]
        (totals.durationNs, totals.isFinal) = (60_000_000_000, true)
        totals.cost = Totals.Cost(runTimeNs: 353_000_000, runCount: 129_785, mapBytes: 14_966_920)
        return totals
    }()

    static let probes = [
        ProbeReport(role: "lookup", function: "get_futex_key", hook: .fentry, isRequired: true, note: nil),
        ProbeReport(
            role: "migrate", function: "migrate_pages", hook: .kprobeMulti, isRequired: false, note: "7 arguments"),
        ProbeReport(
            role: "collapse", function: nil, hook: nil, isRequired: false,
            note: "this kernel has no collapse_file: collapse is not seen"),
    ]

    static let run = RunInfo(
        id: RunID(high: 0x0123_4567_89ab_4def, low: 0x8123_4567_89ab_cdef), probes: probes,
        wallClockOffsetNs: clock.offsetNs)

    /// The whole run in one format.
    static func bytes(_ format: any FindingFormat, events: [Event] = events) -> [UInt8] {
        var stream = FindingStream(format: format, correlator: Correlator(), run: run)
        _ = stream.take(events + [.totals(totals)])
        _ = stream.end()
        return stream.takeBytes()
    }

    static func bytes(_ format: any FindingFormat, _ events: Event...) -> String {
        String(decoding: bytes(format, events: events), as: UTF8.self)
    }
}

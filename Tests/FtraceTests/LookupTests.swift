// SPDX-License-Identifier: Apache-2.0

// Lookups that are followed from entry to return, event by event: what is taken for a loss, a retry or an explanation, and
// what is not.

import Correlation
import Events
import Testing

@testable import Ftrace

/// A reconstruction that is fed event by event.
private struct Feed {
    static let (page, futex): (UInt64, UInt64) = (0xffff_ea00_0000_1000, 0x7f00_0000_1000)

    var reconstruction: Reconstruction
    var events: [Event] = []
    private var time: UInt64 = 1000

    init(wanted: LookupFilter = LookupFilter()) {
        reconstruction = Reconstruction(
            showsKernelAddresses: true, emitsAll: true, mayLackLines: false, wanted: wanted)
    }

    mutating func take(
        _ name: EventName, tid: UInt32 = 7, process: UInt32? = 7, _ values: [Arguments.Key: UInt64] = [:],
        isFutexCall: Bool? = nil
    ) {
        var arguments = Arguments()
        for (key, value) in values { arguments[key] = value }
        arguments.isFutexCall = isFutexCall
        var head = EventHead()
        (head.tid, head.tgid, head.comm, head.time) = (tid, process, Comm("victim"), time)
        #expect(reconstruction.take(name, head, arguments, line: time, into: &events))
        time += 1
    }

    /// The events up to the page's unlock.
    mutating func observe(tid: UInt32 = 7, process: UInt32? = 7, _ more: [Arguments.Key: UInt64] = [:]) {
        take(.lookup, tid: tid, process: process, [.uaddr: Self.futex, .flags: 0x10])
        pin(tid: tid, process: process)
        take(
            .unlock, tid: tid, process: process, [.page: Self.page, .mapping: 0].merging(more) { $1 },
            isFutexCall: true)
    }

    mutating func pin(tid: UInt32 = 7, process: UInt32? = 7) {
        take(.pin, tid: tid, process: process, [.address: Self.futex, .flags: 1], isFutexCall: true)
        take(.pinReturn, tid: tid, process: process, [.ret: 1, .page: Self.page, .mapping: 0xffff_8880_0000_1000])
    }

    mutating func detach(page: UInt64 = Self.page, index: UInt64 = 0) {
        take(
            .detach, tid: 9, process: 9,
            [.page: page, .index: index, .referenc: 4, .dev: 1, .inode: 2, .size: 4096, .magic: 0xef53])
    }

    func findings() -> [Finding] {
        var correlator = Correlator()
        return events.compactMap { correlator.take($0) }
    }

    var losses: [Loss.Stage] { events.compactMap { if case .lost(let loss) = $0 { loss.stage } else { nil } } }
}

@Suite("Lookups that are followed") struct LookupTests {
    @Test("a lookup that a filter does not select is no loss; one that may be of the process is")
    func filtered() {
        var wanted = LookupFilter()
        wanted.pid = 100
        for (process, losses) in [(7, []), (100, []), (nil, [Loss.Stage.observationMissed])]
            as [(UInt32?, [Loss.Stage])]
        {
            var feed = Feed(wanted: wanted)
            feed.observe(process: process)
            feed.take(.lookupReturn, process: process, [.ret: UInt64(bitPattern: -14)])
            #expect(feed.losses == losses)
            #expect(feed.findings().count == (process == 100 ? 1 : 0))
        }
        // The entry of a lookup that is wanted is missing.
        var feed = Feed(wanted: wanted)
        feed.take(.unlock, process: 100, [.page: Feed.page, .mapping: 0], isFutexCall: true)
        #expect(feed.losses == [.observationMissed])
        // Another reason than a page without a mapping.
        feed = Feed(wanted: wanted)
        feed.take(.lookup, process: nil, [.uaddr: Feed.futex, .flags: 0x10])
        feed.take(.lookupReturn, process: nil, [.ret: UInt64(bitPattern: -14)])
        #expect(feed.losses == [.observationMissed])
    }

    @Test("a page in the swap cache, or at another place of a file, has no detach")
    func formerLife() {
        for more in [[.swapcache: 1, .swapback: 1], [.index: 5], [.reserved: 1]] as [[Arguments.Key: UInt64]] {
            var feed = Feed()
            feed.take(.lookup, [.uaddr: Feed.futex, .flags: 0x10])
            feed.take(.pin, [.address: Feed.futex, .flags: 1], isFutexCall: true)
            feed.detach()
            feed.take(.pinReturn, [.ret: 1, .page: Feed.page, .mapping: 0])
            feed.take(.unlock, [.page: Feed.page, .mapping: 0].merging(more) { $1 }, isFutexCall: true)
            feed.take(.lookupReturn, [.ret: UInt64(bitPattern: -14)])
            let finding = feed.findings().first
            #expect(finding?.lookup.observations == 1 && finding?.detach == nil, "\(more)")
        }
        var feed = Feed()
        feed.take(.lookup, [.uaddr: Feed.futex, .flags: 0x10])
        feed.pin()
        feed.detach(index: 5)
        feed.take(.unlock, [.page: Feed.page, .mapping: 0, .index: 5], isFutexCall: true)
        feed.take(.lookupReturn, [.ret: UInt64(bitPattern: -14)])
        #expect(feed.findings().first?.detach?.index == 5)
    }

    @Test("a detach that another page's has overwritten within the lookup is a loss")
    func overwritten() throws {
        let other = try #require(DetachTable.neighbour(of: Feed.page))
        for (more, losses) in [([:], [.slotOverwritten]), ([.reserved: 1], [])]
            as [([Arguments.Key: UInt64], [Loss.Stage])]
        {
            var feed = Feed()
            feed.take(.lookup, [.uaddr: Feed.futex, .flags: 0x10])
            feed.pin()
            feed.detach()
            feed.detach(page: other)
            feed.take(.unlock, [.page: Feed.page, .mapping: 0].merging(more) { $1 }, isFutexCall: true)
            feed.take(.lookupReturn, [.ret: UInt64(bitPattern: -14)])
            #expect(feed.losses == losses)
            #expect((feed.findings().first?.unknownReason == .slotOverwritten) == !losses.isEmpty)
        }
    }
}

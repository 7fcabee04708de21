// SPDX-License-Identifier: Apache-2.0

// Lookups of which a part is missing: their end, the end of one and the start of the next, the unlock that is the
// observation, what happened between a detach and a pin. What was not seen is not claimed, and not denied either.

import Correlation
import Events
import Testing

@testable import Ftrace

@Suite("Lookups with gaps") struct UnseenTests {
    private static let victim = ("victim", 164)
    private static let (culprit, other) = (("culprit", 200), ("other", 300))

    private func read(_ script: Script, without lost: Range<Int>...) throws -> Reading {
        try Reading(bytes: script.text(without: lost).bytes, threads: 0)
    }

    private func hides(_ reading: Reading) -> Bool { reading.omissions.contains { $0.hidesObservations } }

    // MARK: Former lives

    @Test("a detach before the pin shows a mapping is of a former life")
    func formerLife() throws {
        for isTailSeen in [true, false] {
            var script = Script()
            script.lookup(Self.victim)
            script.pin(Self.victim)
            script.writeDirectly(Self.culprit)
            script.pinned(Self.victim)
            script.truncate(Self.other, inode: 13)
            script.fail(Self.victim)
            #expect(try read(script).causes == ["truncate"])
            let second = try #require(script.first("fs_in_do_truncate"))..<script.lines.count - 4
            let leave = try #require(script.first("fs_out_invalidate"))
            let finding = try #require(
                try read(script, without: second, leave..<leave + (isTailSeen ? 0 : 1)).findings.first)
            #expect(finding.cause == .unknown && finding.unknownReason == .formerLife && finding.detach == nil)
        }
    }

    @Test("a detach that was under way when the pin returned is the page's own")
    func detachUnderWay() throws {
        var script = Script()
        script.lookup(Self.victim)
        script.pin(Self.victim)
        script.enter(Self.culprit, "invalidate_inode_pages2_range")
        script.detach(Self.culprit, stack: Script.directIO)
        // The event comes before the mapping is taken away.
        script.pinned(Self.victim)
        script.leave(Self.culprit, "invalidate_inode_pages2_range")
        script.fail(Self.victim)
        #expect(try read(script).causes == ["direct-io-invalidation"])
        // And so does one before the pin returned without a mapping.
        script = Script()
        script.lookup(Self.victim)
        script.pin(Self.victim)
        script.writeDirectly(Self.culprit)
        script.pinned(Self.victim, mapping: 0)
        script.fail(Self.victim)
        #expect(try read(script).causes == ["direct-io-invalidation"])
    }

    // MARK: Retries

    @Test("a return and an entry that are missing make no retry, wherever the gap is")
    func falseRetry() throws {
        var script = Script()
        script.begin(Self.victim)
        script.writeDirectly(Self.culprit)
        script.fail(Self.victim)
        script.begin(Self.victim, page: Script.otherPage)
        script.end(Self.victim, result: 0)
        script.begin(Self.victim, page: Script.otherPage)
        script.end(Self.victim, result: 0)
        let last = script.lines.count - 2
        for begin in 0..<last {
            for end in begin + 1...last {
                guard let reading = try? read(script, without: begin..<end) else { continue }
                #expect(reading.totals.retries == RetryCounts(), "\(begin)..<\(end)")
                #expect(reading.findings.allSatisfy { $0.lookup.passes <= 1 }, "\(begin)..<\(end)")
            }
        }
        let unlock = try #require(script.first("fs_unlock"))
        #expect(hides(try read(script, without: unlock..<unlock + 3)))
    }

    @Test("two passes may be a retry: neither is said; eight in a row are")
    func trueRetries() throws {
        for retries in [1, 7, 8, 20] {
            var script = Script()
            script.begin(Self.victim)
            for pass in 0..<retries {
                let page = pass % 2 == 0 ? Script.otherPage : Script.page
                script.pin(Self.victim)
                script.pinned(Self.victim, page: page)
            }
            script.end(Self.victim, result: 0)
            let reading = try read(script)
            let counted = retries >= 8 ? UInt64(retries) : 0
            #expect(reading.totals.retries.mappingChanged == counted)
            #expect(reading.findings.map(\.lookup.retries.total) == (counted == 0 ? [] : [counted]))
            #expect(hides(reading) == (counted == 0))
        }
    }

    @Test("the pins of a lookup have one address")
    func otherAddress() throws {
        var script = Script()
        script.begin(Self.victim)
        script.event(Self.victim, "fs_pin: (get_user_pages_fast+0x4/0x60) address=0x7fd9f7669000 count=1 flags=0x1")
        script.pinned(Self.victim, page: Script.otherPage)
        script.end(Self.victim, result: 0)
        #expect(try read(script).losses[.ftraceBuffer] == 1)
    }

    @Test("lines that are missing in one task end what is open in all")
    func gapOfOther() throws {
        var script = Script()
        script.begin(Self.victim)
        script.punchHole(Self.culprit, page: Script.page, inode: 14)
        script.enter(Self.culprit, "do_truncate")
        // Its entry is missing, so the detach that the victim met may be missing too.
        script.leave(Self.culprit, "invalidate_inode_pages2_range")
        script.fail(Self.victim)
        let reading = try read(script)
        #expect(reading.findings.allSatisfy { $0.cause == .unknown && $0.detach == nil })
        #expect(reading.losses[.ftraceBuffer] == 1 && reading.losses[.returnMissed] == 1)
    }

    @Test("one retry after seconds in which lines may be missing is no loop")
    func slowRetry() throws {
        var script = Script()
        script.begin(Self.victim)
        script.unlock(Self.victim, isInSwapCache: true)
        script.pause(seconds: 3)
        script.pin(Self.victim)
        script.pinned(Self.victim)
        script.end(Self.victim, result: 0)
        let reading = try Reading(bytes: script.text().bytes, threads: 0, emitsAll: true)
        #expect(reading.findings.map(\.outcome) == [.retried])
        // Whatever the thresholds of loops are: its progress has no duration.
        let progress = reading.events.compactMap { if case .progress(let lookup) = $0 { lookup } else { nil } }
        #expect(progress.map(\.isTimed) == [false])
    }

    @Test("a failure without its entry, or without a pin, is a loss")
    func failureWithoutStart() throws {
        var script = Script()
        script.begin(Self.other)
        script.end(Self.other, result: 0)
        script.end(Self.victim)
        #expect(try read(script).losses == [.lookupMissed: 1])
        script = Script()
        script.begin(Self.other)
        script.end(Self.other, result: 0)
        script.lookup(Self.victim)
        script.end(Self.victim)
        #expect(try read(script).losses == [.observationMissed: 1])
        // A private futex is not followed.
        script.event(
            Self.victim, "fs_lookup: (get_futex_key+0x4/0x2c0) uaddr=0x7fd9f766a000 flags=0x2 write=0")
        script.end(Self.victim)
        #expect(try read(script).losses == [.observationMissed: 1])
    }

    @Test("a lookup that has pinned its page when another trace begins is a loss")
    func otherTrace() throws {
        var script = Script()
        script.begin(Self.victim)
        let text = script.text()
        for line in ["cpus=2", "Linux version 6.12.1-amd64 (builder@host) (gcc-14) #1 SMP"] {
            let reading = try Reading(Text(text.bytes + Array((line + "\n").utf8) + text.bytes.dropFirst(20)))
            #expect(reading.losses == [.returnMissed: 1], "\(line)")
        }
    }

    // MARK: Ends and unlocks

    @Test("a lookup that has met its page and not returned when the text ends is reported, and its return is a loss")
    func inProgress() throws {
        var script = Script()
        script.begin(Self.victim)
        script.writeDirectly(Self.culprit)
        script.unlock(Self.victim)
        script.lookup(Self.other)
        var reading = try read(script)
        #expect(reading.causes == ["direct-io-invalidation"])
        #expect(reading.findings.first?.lookup.durationNs == nil)
        #expect(reading.losses == [.returnMissed: 1])
        // The next lookup shows the same, and so does another trace.
        script.begin(Self.victim)
        reading = try read(script)
        #expect(reading.causes == ["direct-io-invalidation"])
        #expect(reading.losses == [.returnMissed: 1])
    }

    @Test("lookups that pin their page when the text ends are no loss")
    func pinning() throws {
        var script = Script()
        script.begin(Self.victim)
        script.end(Self.victim, result: 0)
        script.begin(Self.victim)
        #expect(try read(script).losses.isEmpty)
    }

    @Test("without any return: each observation, and that results could not be seen", arguments: SampleTests.kernels)
    func noReturns(kernel: String) throws {
        let text = try Text.sample("trace-cmd-\(kernel)")
        let reading = try Reading(text.without("fs_lookup_return"))
        #expect(reading.causes == (try Reading(text).causes))
        #expect(hides(reading) && reading.losses[.returnMissed] ?? 0 >= 4)
    }

    @Test("without the unlocks nobody knows what was met, also after a read-only pin", arguments: SampleTests.kernels)
    func noUnlocks(kernel: String) throws {
        let text = try Text.sample("trace-\(kernel)")
        let reading = try Reading(text.without("fs_unlock"))
        let failures = try Reading(text).totals.failedUnmapped
        #expect(reading.causes.isEmpty)
        #expect(reading.totals.failedOther == 0)
        #expect(reading.losses[.observationMissed] == failures)
    }
}

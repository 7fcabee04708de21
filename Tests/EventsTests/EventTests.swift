// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

/// What event types compute from their fields.
@Suite("Events") struct EventTests {
    @Test("a task's name is at most fifteen bytes, cut as the kernel cuts it")
    func comm() {
        #expect(Comm("app").text == "app")
        #expect(Comm("").text == "")
        #expect(Comm("exactly8").text == "exactly8")
        #expect(Comm("fifteen bytes!!").text == "fifteen bytes!!")
        #expect(Comm("sixteen bytes!!!").text == "sixteen bytes!!")
    }

    @Test("bytes of a name that are not UTF-8 become U+FFFD, and a NUL ends it")
    func hostileComm() {
        #expect(Comm(low: 0x62ff61, high: 0).text == "a\u{fffd}b")
        #expect(Comm(low: 0x6200_61, high: 0x63).text == "a")
        #expect(Comm(low: .max, high: .max).text == String(repeating: "\u{fffd}", count: 16))
        // Cut in the middle of a character.
        #expect(Comm("fourteen bytesé").text == "fourteen bytes\u{fffd}")
    }

    @Test("a device number has twelve bits of major and twenty of minor")
    func device() {
        let file = FileID(device: 259 << 20 | 0xf_ffff, inode: 1)
        #expect((file.major, file.minor) == (259, 1_048_575))
        #expect(FileID(device: 0, inode: 0).isNone)
        #expect(!FileID(device: 0, inode: 1).isNone)
    }

    @Test("a loss that a source counts is reported once, and later only its increase")
    func losses() {
        var log = LossLog()
        let reported = [[.ringLookup: 5], [.ringLookup: 7, .delivery: 1], [.ringLookup: 7, .delivery: 1]].map {
            log.fresh(in: $0, time: 9)
        }
        #expect(reported[0] == [Loss(time: 9, stage: .ringLookup, count: 5)])
        #expect(reported[1].map(\.count) == [2, 1])
        #expect(reported[2].isEmpty)
    }

    @Test("counts of retries by reason add up")
    func retries() {
        let counts = RetryCounts(swizzled: 1, mappingChanged: 2, noHost: 3, noMapping: 4)
        #expect(RetryReason.allCases.map { counts[$0] } == [1, 2, 3, 4])
        #expect(counts.total == 10)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Provocation
@testable import futexscope

/// What `provoke` prints at the end, byte for byte: other programs read it.
@Suite("Report of provoke") struct ProvocationOutputTests {
    private let report = ProvocationReport(
        cause: .truncate, calls: 100, succeeded: 60, efault: 39, otherErrors: 1, efaultBeyondEnd: 5,
        operations: 40, operationsFailed: 2, victim: .init(pid: 11, tid: 11), culprit: .init(pid: 12, tid: 12),
        file: .init(path: "/mnt/f", device: "254:16", inode: 13), durationNs: 2_034_567_890,
        evidence: [.init(name: "victim_major_faults", growth: 3)], notes: ["one", "two"])

    @Test("JSON is one compact line with the keys in their order")
    func json() {
        #expect(
            String(decoding: report.json, as: UTF8.self)
                == #"{"type":"provocation","cause":"truncate","calls":100,"succeeded":60,"efault":39,"other_errors":1,"#
                + #""operations":40,"victim":{"pid":11,"tid":11},"culprit":{"pid":12,"tid":12},"path":"/mnt/f","#
                + #""dev":"254:16","inode":13,"duration_ns":2034567890,"efault_beyond_end":5,"operations_failed":2,"#
                + #""evidence":{"victim_major_faults":3},"notes":["one","two"]}"# + "\n")
    }

    @Test("a field that the cause does not have is null, and an inode above 2^53 is a string")
    func nulls() {
        var report = report
        report.culprit = nil
        report.file = nil
        #expect(
            String(decoding: report.json, as: UTF8.self).contains(
                #""culprit":null,"path":null,"dev":null,"inode":null,"#))
        report.file = .init(path: "/a\"\\\n\u{7f}ü\u{202e}", device: "0:1", inode: .max)
        #expect(
            String(decoding: report.json, as: UTF8.self).contains(
                #""path":"/a\"\\\n\u007fü\u202e","dev":"0:1","inode":"18446744073709551615","#))
    }

    @Test("text has a line for each figure, and nothing that a terminal interprets")
    func text() {
        #expect(
            report.text == """
                cause       truncate
                calls       100: 60 succeeded, 39 EFAULT, 1 other errors
                of EFAULT   5 certainly beyond the end of the file, where no page can be pinned
                retries     not visible from user space
                operations  40 succeeded, 2 failed
                victim      pid 11 tid 11 (provoke-victim)
                culprit     pid 12 tid 12 (provoke-culprit)
                file        /mnt/f (device 254:16, inode 13), removed
                duration    2.034567 s
                evidence    victim_major_faults +3
                note        one
                note        two

                """)
        var report = report
        report.file?.path = "/mnt/\u{1b}[2J\n"
        #expect(!report.text.contains("\u{1b}"))
        #expect(report.text.contains(#"/mnt/\x1b[2J\x0a (device"#))
    }
}

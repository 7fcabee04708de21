// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Provocation

/// What is printed at the end, byte for byte: other programs read it.
@Suite("Report") struct ReportTests {
    private let report = ProvocationReport(
        cause: .truncate, calls: 100, succeeded: 60, efault: 39, otherErrors: 1, efaultBeyondEnd: 5,
        operations: 40, operationsFailed: 2, victim: .init(pid: 11, tid: 11), culprit: .init(pid: 12, tid: 12),
        file: .init(path: "/mnt/f", device: "254:16", inode: 13), durationNs: 2_034_567_890,
        evidence: [.init(name: "victim_major_faults", growth: 3)], notes: ["one", "two"])

    @Test("JSON is one compact line with the keys in their order")
    func json() {
        #expect(
            report.json
                == #"{"type":"provocation","cause":"truncate","calls":100,"succeeded":60,"efault":39,"other_errors":1,"#
                + #""operations":40,"victim":{"pid":11,"tid":11},"culprit":{"pid":12,"tid":12},"path":"/mnt/f","#
                + #""dev":"254:16","inode":13,"duration_ns":2034567890,"efault_beyond_end":5,"operations_failed":2,"#
                + #""evidence":{"victim_major_faults":3},"notes":["one","two"]}"#)
    }

    @Test("what a cause does not have is null, and an inode that JSON cannot hold is a string")
    func nulls() {
        var report = report
        report.culprit = nil
        report.file = nil
        #expect(report.json.contains(#""culprit":null,"path":null,"dev":null,"inode":null,"#))
        report.file = .init(path: "/a\"\\\n\u{7f}ü", device: "0:1", inode: .max)
        #expect(report.json.contains(#""path":"/a\"\\\u000a\u007fü","dev":"0:1","inode":"18446744073709551615","#))
    }

    @Test("text is a line for each figure, and nothing in it moves a terminal")
    func text() {
        #expect(
            report.text == """
                cause       truncate
                calls       100: 60 succeeded, 39 EFAULT, 1 other errors
                of EFAULT   5 surely beyond the end of the file, where no page can be pinned
                retries     not visible from user space
                operations  40, and 2 that could not be done
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
        #expect(report.text.contains("/mnt/?[2J? (device"))
    }

    @Test("text files of the kernel are read as they are written")
    func kernelTexts() {
        let vmstat = "nr_free_pages 12\npswpout 7\npswpin 3\n"
        #expect(Host.counters(["pswpout", "absent"], in: vmstat) == ["pswpout": 7])
        #expect(Host.nodes(in: "0\n") == [0])
        #expect(Host.nodes(in: "0-2,5\n") == [0, 1, 2, 5])
        #expect(Host.nodes(in: "\n") == [])
    }
}

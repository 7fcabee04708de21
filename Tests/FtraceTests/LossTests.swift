// SPDX-License-Identifier: Apache-2.0

// How other layers say that they have lost lines, or show it: words of journals, consoles and log services, marks of an
// excerpt, gaps in the numbers of records; and what looks like that and is none.

import Correlation
import Events
import Testing

@testable import Ftrace

@Suite("Losses in other layers") struct LossTests {
    @Test(
        "words and marks of other layers, alone and with the prefix of the other lines",
        arguments: [
            "systemd-journald[123]: Suppressed 14 messages from kernel.service",
            "rsyslogd: imuxsock lost 14 messages from pid 123 due to rate-limiting", "last message repeated 14 times",
            "net_ratelimit: 14 callbacks suppressed", "audit: backlog limit exceeded", "[14 lines omitted]",
            "... 14 lines skipped ...", "(14 lines not shown)", "Skipping 1,234 KB..", "[...truncated 120 lines...]",
            "ttyS ttyS0: 14 input overrun(s)", "tail: error reading '/dev/kmsg': Broken pipe", "...", "[...]",
            "\u{2026}",
            "--", "[snip]", "--- 8< ---", "...[truncated]", "14 records were dropped",
            "Job's log exceeded limit of 4194304 bytes.",
            "[-- Console down -- Tue Nov 25 19:51:59 2025]", "SOL session closed by BMC",
        ])
    func words(words: String) throws {
        for front in ["", "[   16.002900] "] {
            var text = try Text.sample("field/console-whole")
            text.lines.insert(Array((front + words).utf8), at: try #require(text.first("fs_unlock")))
            let reading = try Reading(text)
            #expect(reading.losses[.ftraceBuffer] ?? 0 > 0, "\(front)")
            #expect(reading.causes.isEmpty, "\(front)")
        }
    }

    @Test(
        "what the kernel says otherwise is no loss",
        arguments: [
            "usb 1-1: new high-speed USB device number 2 using xhci_hcd", "EXT4-fs (vda): mounted filesystem",
            "Freeing unused kernel image memory: 14 KiB ...", "---[ end trace 0000000000000000 ]---", "------------",
        ])
    func otherMessages(words: String) throws {
        var text = try Text.sample("field/console-whole")
        text.lines.insert(Array("[   16.002900] \(words)".utf8), at: try #require(text.first("fs_unlock")))
        let reading = try Reading(text)
        #expect(reading.losses.isEmpty)
        #expect(reading.finding(.truncate)?.confidence == .exact)
    }

    @Test(
        "what services say every day is no loss",
        arguments: [
            "sshd[811]: Connection closed by 203.0.113.7 port 41022",
            "CRON[77]: pam_unix(cron:session): session closed for user root",
            "systemd[1]: Stopping console-getty.service, shutting the system down", "app[9]: write failed: Broken pipe",
            "INPUT:DROP:IN=eth0 OUT= MAC=52 SRC=203.0.113.7 DST=10.0.0.1 LEN=40",
            "OUTPUT DROP IN= OUT=eth0 SRC=10.0.0.1 DST=203.0.113.7 LEN=40",
            "LOG-DROP IN=eth0 OUT= SRC=203.0.113.7 LEN=40",
            "app[9]: see the log for more", "nginx: rate limit exceeded", "app[9]: dropped 12 input samples",
        ])
    func everyday(words: String) throws {
        var text = try Text.sample("field/console-whole")
        text.lines.insert(Array("[   16.002900] \(words)".utf8), at: try #require(text.first("fs_unlock")))
        // One without the time of the others would be the rest of a cut line there.
        text.lines.insert(contentsOf: Array(repeating: Array(words.utf8), count: 50), at: 0)
        let reading = try Reading(text)
        #expect(reading.losses.isEmpty)
        #expect(reading.causes == ["truncate"])
    }

    @Test(
        "a time is no count of what was lost",
        arguments: [
            ("[   15.999999] dropped printk messages", 1), ("[   15.999999] 14 printk messages dropped", 14),
            ("Nov 25 19:51:59.999999 lost messages: 14", 14), ("19:51:59 dropped messages", 1),
            ("[...14 lines omitted...]", 14), ("ttyS ttyS0: 14 input overrun(s)", 14),
            ("cat: /sys/kernel/tracing/trace_pipe: Broken pipe", 1),
        ] as [(String, UInt64)])
    func count(words: String, lost: UInt64) throws {
        var text = try Text.sample("field/console-whole")
        text.lines.insert(Array(words.utf8), at: try #require(text.first("fs_unlock")))
        #expect(try Reading(text).losses[.ftraceBuffer] == lost)
    }

    @Test(
        "a gap in the numbers of records behind something else",
        arguments: ["6.12.0-amd64,", "10.0.0.7: ", "17:", "Nov 25 19:51:59 ", "kern.log-17:6.12.0,"])
    func records(front: String) throws {
        var text = try Text.sample("field/kmsg").replacing(#"(?m)^4,"#, with: front + "4,")
        #expect(try Reading(text).losses.isEmpty)
        text.lines.remove(at: try #require(text.first("4,520,")))
        text.lines.remove(at: try #require(text.first("4,521,")))
        let reading = try Reading(text)
        #expect(reading.losses[.ftraceBuffer] == 2)
        #expect(reading.causes == ["zero-page"])
    }

    @Test("what /dev/kmsg has of a message besides its text")
    func dictionary() throws {
        let text = try Text.sample("field/kmsg").replacing(
            #"(?m)$"#, with: "\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:1f.2")
        let reading = try Reading(text)
        #expect(reading.causes == ["direct-io-invalidation", "zero-page"])
        #expect(reading.losses.isEmpty)
    }
}

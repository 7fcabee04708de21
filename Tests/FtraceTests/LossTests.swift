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

    @Test("each word of a loss is found, in letters of any case and beside any mark", arguments: Notice.verbs)
    func everyWord(verb: String) {
        var found = 0
        for noun in Notice.nouns + ["trace \(Notice.conditionalNouns.pipe)"] {
            for line in ["\(verb) 14 \(noun)", "a/14 \(noun.uppercased())(\(verb.uppercased()))", "\(noun),\(verb)=14"]
            {
                TraceText.reading(padded: Array(line.utf8) + [UInt8](repeating: 0, count: TraceText.padding)) { text in
                    guard let count = Notice.lostLines(text[...]) else { return }
                    found += 1
                    #expect(Notice(text[...], behind: 0) == .lostLines(count), "\(line)")
                }
            }
        }
        #expect(found > 0)
    }

    @Test(
        "what the kernel says otherwise is no loss",
        arguments: [
            "usb 1-1: new high-speed USB device number 2 using xhci_hcd", "EXT4-fs (vda): mounted filesystem",
            "fstrim[812]: /boot: 511.9 MiB (536760320 bytes) trimmed on /dev/vda1", "mmc0: card 0001 removed",
            "loop0: deleted", "[drm] device removed", "pci 0000:00:1f: hidden",
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

    /// A dump whose lines have more before them than what others say in between.
    private func dump(_ front: String, _ words: String) throws -> Reading {
        var text = try Text.sample("field/console-whole")
        let place = try #require(text.first("fs_unlock"))
        text.lines.insert(Array(words.utf8), at: place)
        text.lines = text.lines.map { $0.isEmpty ? $0 : Array(front.utf8) + $0 }
        return try Reading(text)
    }

    @Test(
        "marks without the time that the kernel puts before its own messages, behind what stands before each line",
        arguments: ["logs/console.txt:", "ttyS0 | ", "Nov 25 19:51:59 db-1 kernel: ", "[pod/a/tracer] "],
        [
            "** 14 printk messages dropped **", "...", "[...]", "[snip]", "--", "--- >8 ---",
            "##### CPU 3 buffer started ####", "14 lines omitted", "[trimmed]", "<cut>", "(deleted)", "--More--",
            ". . .",
            "-- lines hidden --",
        ])
    func behindFronts(front: String, words: String) throws {
        let reading = try dump(front, words)
        #expect(reading.losses[.ftraceBuffer] == (words.contains("14") ? 14 : 1))
        #expect(reading.causes.isEmpty)
        #expect(try dump(front, "").losses.isEmpty)
    }

    @Test("a mark of printk within what a collector puts around it")
    func collector() throws {
        let text = try Text.sample("field/console-printk-dropped")
        let lines = text.lines.enumerated().map { number, line in
            "[\(number)] kmsg.0: [[1795636319.00000\(number), {}], {\"priority\": 4, \"msg\": \""
                + String(decoding: line, as: UTF8.self) + "\"}]"
        }
        #expect(try Reading(Text(lines.joined(separator: "\n"))).losses[.ftraceBuffer] == 28)
    }

    @Test(
        "comments that are none of ftrace's, rules, and a serial line that cannot follow",
        arguments: [
            ("# ... 14 lines omitted ...", 14), ("# [snip]", 1), ("##[warning]log truncated", 1),
            ("# lost 12 events", 12), ("------------------------ >8 ------------------------", 1),
            ("##### CPU 0 buffer started ####", 1),
            ("[   16.002880] serial8250: too much work for irq4", 1), ("# ...", 1),
        ] as [(String, UInt64)])
    func comments(words: String, lost: UInt64) throws {
        for sample in ["field/console-whole", "trace-6.12"] {
            var text = try Text.sample(sample)
            text.lines.insert(Array(words.utf8), at: try #require(text.first("fs_unlock")))
            let reading = try Reading(text)
            #expect(reading.losses[.ftraceBuffer] == lost, "\(sample)")
        }
    }

    @Test("the heads of ftrace and perf are no loss", arguments: ["trace-6.12", "field/perf-script", "trace-newest"])
    func heads(sample: String) throws {
        let text = try Text.sample(sample)
        #expect(try Reading(text).losses.isEmpty)
        #expect(try Reading(text.replacing("(?m)^(?=.)", with: "Nov 25 19:51:59 db-1 sh[7]: ")).losses.isEmpty)
    }

    @Test("a rule between lines of a trace is named", arguments: ["-----", "========================"])
    func rules(words: String) throws {
        let text = try Text.sample("trace-6.12")
        var other = text
        other.lines.insert(Array(words.utf8), at: try #require(text.first("fs_unlock")))
        #expect(try Reading(other).omits("no lines of a trace") && !Reading(text).omits("no lines of a trace"))
        #expect(try !Reading(.sample("field/console-whole")).omits("no lines of a trace, first"))
    }

    @Test("a task's name that begins like a comment hides nothing", arguments: ["#worker", "# tracer: x", "#"])
    func commentNames(name: String) throws {
        let text = try Text.sample("trace-6.12").replacing("(?m)^ *provoke-victim-", with: name + "-")
        let (wanted, reading) = (try Reading(.sample("trace-6.12")), try Reading(text))
        #expect(reading.causes == wanted.causes)
        let culprits = try Text.sample("trace-6.12").replacing("(?m)^ *provoke-culprit-", with: name + "-")
        #expect(try Reading(culprits).causes == wanted.causes)
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

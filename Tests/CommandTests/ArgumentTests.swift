// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Capture
import Correlation
import Events
import Foundation
import Service
import Testing

@testable import futexscope

/// Arguments that are refused, with their messages, and the values of arguments.
@Suite("Arguments") struct ArgumentTests {
    struct Refusal: Sendable, CustomTestStringConvertible {
        var arguments: [String]
        var complaint: String
        var testDescription: String { arguments.joined(separator: " ") }
    }

    static let hint = "; see `futexscope trace --help`"
    static let recordHint = "; see `futexscope record --help`"
    static let conditions =
        "expected spurious, failed, loop, cause=NAME, result=NAME, passes>=N or duration>=TIME, or several with commas"
    static let causes =
        "direct-io-invalidation, drop-caches, fadvise, reclaim, truncate, hole-punch, block-zero-out, swap-out, "
        + "migration, collapse, split, memory-failure, zero-page, special-mapping, other or unknown"
    static let size = "expected a power of two from 4096 to 2G, such as 512K or 8M"
    static let span = "expected seconds, or a number with ns, us, ms, s, m, h or d, such as 500ms"

    static let refusals: [Refusal] = [
        Refusal(arguments: ["nonsense"], complaint: "Unexpected argument 'nonsense'; see `futexscope --help`"),
        Refusal(arguments: ["trace", "extra"], complaint: "Unexpected argument 'extra'" + hint),
        Refusal(arguments: ["trace", "--bogus"], complaint: "Unknown option '--bogus'" + hint),
        Refusal(arguments: ["trace", "-d"], complaint: "Missing value for '-d <time>'" + hint),
        Refusal(
            arguments: ["trace", "-d", "5x"], complaint: "The value '5x' is invalid for '-d <time>': " + span + hint),
        Refusal(
            arguments: ["trace", "-d", "0"],
            complaint: "cannot trace for 0 seconds; expected more than 0 after -d" + hint),
        Refusal(
            arguments: ["trace", "-N", "0"], complaint: "cannot end after 0 findings: -N expects 1 or more" + hint),
        Refusal(
            arguments: ["trace", "--cause", "direct-io-invalidaton"],
            complaint: "The value 'direct-io-invalidaton' is invalid for '--cause <cause>': expected a cause; did you "
                + "mean direct-io-invalidation? All of them: " + causes + hint),
        Refusal(
            arguments: ["report", "x", "--cause", "xyzzyxyzzy"],
            complaint: "The value 'xyzzyxyzzy' is invalid for '--cause <cause>': expected a cause: " + causes
                + "; see `futexscope report --help`"),
        Refusal(
            arguments: ["trace", "--columns", "time,victm"],
            complaint: "The value 'time,victm' is invalid for '--columns <names>': expected columns with commas "
                + "between them; did you mean victim? All of them: " + ColumnList.words.list + hint),
        Refusal(
            arguments: ["trace", "--columns", "time", "-f", "json"],
            complaint: "cannot choose columns here: --columns is for the table of trace, without --live" + hint),
        Refusal(
            arguments: ["trace", "--live", "-f", "json"],
            complaint: "cannot use -f, -o or -N with --live, which shows a screen; leave out one of the two" + hint),
        Refusal(
            arguments: ["trace", "--live", "-o", "file"],
            complaint: "cannot use -f, -o or -N with --live, which shows a screen; leave out one of the two" + hint),
        Refusal(
            arguments: ["record", "-o", "x", "--on", "spurious"],
            complaint: "cannot use --on without --hindsight; expected both" + recordHint),
        Refusal(
            arguments: ["record", "-o", "x", "--keep", "2"],
            complaint: "cannot use --keep without --hindsight; expected both" + recordHint),
        Refusal(
            arguments: ["record", "-o", "x", "--hindsight", "60s", "--max-size", "64M"],
            complaint:
                "cannot use --max-size with --hindsight; expected --hindsight, --after and --keep to limit the snapshots"
                + recordHint),
        Refusal(
            arguments: ["record", "-o", "x", "--hindsight", "60s", "--max-memory", "4K"],
            complaint:
                "The value '4K' is invalid for '--max-memory <bytes>': expected a size of 1M or more, such as 64M or 1G"
                + recordHint),
        Refusal(
            arguments: ["record", "-o", "x", "--hindsight", "60s", "--on", "spurios"],
            complaint: "The value 'spurios' is invalid for '--on <condition>': 'spurios' is no condition; " + conditions
                + recordHint),
        Refusal(
            arguments: ["record", "-o", "x", "--hindsight", "60s", "--on", "spurious,"],
            complaint: "The value 'spurious,' is invalid for '--on <condition>': " + conditions + recordHint),
        Refusal(
            arguments: ["record", "-o", "x", "--hindsight", "60s", "--on", "passes>=many"],
            complaint:
                "The value 'passes>=many' is invalid for '--on <condition>': expected a whole number from 0 to 18446744073709551615"
                + recordHint),
        Refusal(
            arguments: ["record", "-o", "x", "--hindsight", "60s", "--on", "duration>=5x"],
            complaint: "The value 'duration>=5x' is invalid for '--on <condition>': " + span + recordHint),
        Refusal(
            arguments: ["trace", "--ring-size", "5000"],
            complaint: "The value '5000' is invalid for '--ring-size <bytes>': " + size + hint),
        Refusal(
            arguments: ["trace", "--ring-size", "2048"],
            complaint: "The value '2048' is invalid for '--ring-size <bytes>': " + size + hint),
        Refusal(
            arguments: ["trace", "--result", "EFOO"],
            complaint:
                "The value 'EFOO' is invalid for '--result <result>': expected ok, the name of an error such as EFAULT, or its number"
                + hint),
        Refusal(
            arguments: ["trace", "-n", "sixteen bytes!!!"],
            complaint:
                "cannot match the name 'sixteen bytes!!!': the kernel keeps 15 bytes of a task's name; try -n 'sixteen bytes!!'"
                + hint),
        Refusal(
            arguments: ["trace", "-p", "app"],
            complaint: "The value 'app' is invalid for '-p <pid>': expected a whole number from 0 to 4294967295" + hint),
        Refusal(
            arguments: ["trace", "-f", "xml"],
            complaint:
                "The value 'xml' is invalid for '-f <format>'. Please provide one of 'table', 'json' or 'csv'" + hint),
        Refusal(
            arguments: ["trace", "--attach", "magic"],
            complaint:
                "The value 'magic' is invalid for '--attach <attach>'. Please provide one of 'auto', 'callsite', 'fentry' or 'kprobe'"
                + hint),
        Refusal(
            arguments: ["record"],
            complaint: "Missing expected argument '--output <directory>'; see `futexscope record --help`"),
        Refusal(
            arguments: ["record", "-o", "x", "--max-size", "5K"],
            complaint:
                "The value '5K' is invalid for '--max-size <bytes>': expected a size of 1M or more, such as 64M or 2G; see `futexscope record --help`"
        ),
        Refusal(
            arguments: ["record", "-o", "x", "--rotate"],
            complaint: "cannot use --rotate without --max-size; expected both; see `futexscope record --help`"),
        Refusal(
            arguments: ["serve", "--listen", "db-1.example:9435"],
            complaint:
                "The value 'db-1.example:9435' is invalid for '--listen <address:port>': expected an IP address and a port, such as 127.0.0.1:9435 or [::1]:9435; see `futexscope serve --help`"
        ),
        Refusal(
            arguments: ["serve", "--listen", "0.0.0.0:9435"],
            complaint:
                "cannot listen on 0.0.0.0:9435 without a secret, because other hosts can reach it; give --secret-file, or --insecure if a firewall protects it; see `futexscope serve --help`"
        ),
        Refusal(
            arguments: ["report", "x", "--since", "yesterday"],
            complaint:
                "The value 'yesterday' is invalid for '--since <time>': expected a time after the start such as 90s or 2m, or a date such as 2026-11-23T02:00:00Z; see `futexscope report --help`"
        ),
        Refusal(
            arguments: ["export", "x", "-f", "perfetto", "--type", "losses"],
            complaint:
                "cannot use --type with -f perfetto, which writes all events; leave out --type; see `futexscope export --help`"
        ),
        Refusal(
            arguments: ["export", "x", "-f", "folded", "--type", "findings"],
            complaint:
                "cannot use --type with -f folded, which counts findings; leave out --type; see `futexscope export --help`"
        ),
    ]

    /// Refused when the input is read: the input is wrong, not the arguments.
    @Test("conditions of --on are parsed")
    func conditions() throws {
        let trigger = try Trigger(
            parsing: "cause=direct-io-invalidation,spurious,duration>=10ms,passes>=100,result=EFAULT")
        #expect(
            trigger.conditions == [
                .cause(.directIOInvalidation), .spurious, .duration(10_000_000), .passes(100), .result(-14),
            ])
        #expect(try Trigger(parsing: "loop").conditions == [.loop])
        #expect(try Trigger(parsing: "failed").conditions == [.failed])
        #expect(throws: ValidationError.self) { try Trigger(parsing: "cause=nonsense") }
        #expect(throws: ValidationError.self) { try Trigger(parsing: "") }
    }

    @Test(
        "an input that cannot be read ends with 1 and one line",
        arguments: [
            ("/nonexistent", "cannot read /nonexistent: No such file or directory"),
            ("/proc", "cannot read the recording /proc: it has no file metadata"),
            // A shell function in the environment has line ends.
            ("/proc/self/environ", "is a line of a trace"),
            ("/dev/null", "/dev/null"),
            ("/dev/zero", "/dev/zero"),
        ])
    func unreadable(input: String, complaint: String) throws {
        for command: any ParsableCommand in [try Report.parse([input]), try Export.parse([input, "-f", "json"])] {
            var command = command
            let failure = #expect(throws: CommandError.self) { try command.run() }
            #expect(failure?.exitCode == 1)
            #expect(failure?.message.contains(complaint) == true, "\(failure?.message ?? "")")
            #expect(failure?.message.contains("\n") == false)
        }
    }

    @Test("wrong usage ends with 64 and one line", arguments: refusals)
    func refusal(_ refusal: Refusal) {
        let ending = ending(of: refusal.arguments)
        #expect(ending?.code == 64)
        #expect(ending?.complaint == refusal.complaint)
        #expect(ending?.answer == nil)
    }

    /// Refused at the start of the run, before anything is attached.
    @Test(
        "a missing task or an existing file ends with 64 and one line",
        arguments: [
            (
                ["-p", "4194305"],
                "cannot trace process 4194305: it does not exist; expected the pid of a running process"
            ),
            (["-p", "0"], "cannot trace process 0: it does not exist; expected the pid of a running process"),
            (
                ["-t", "4194305"],
                "cannot trace thread 4194305: it does not exist; expected the tid of a running thread"
            ),
            (
                ["-o", "/proc/self/status"],
                "cannot create the output file /proc/self/status: it exists, and is not overwritten; remove it or choose another path"
            ),
            (
                ["--ready-file", "/proc/self/status"],
                "cannot create the ready file /proc/self/status: it exists, and is not overwritten; remove it or choose another path"
            ),
            (
                ["-o", "/nonexistent/x"],
                "cannot create the output file /nonexistent/x: No such file or directory; expected a new file in a writable directory"
            ),
        ] as [([String], String)])
    func inTheWay(arguments: [String], complaint: String) throws {
        let command = try Trace.parse(arguments)
        let failure = #expect(throws: CommandError.self) { try command.run() }
        #expect(failure?.exitCode == 64)
        #expect(failure?.message == complaint)
    }

    @Test("a port in use and a bad secret end a service before anything is attached")
    func serve() throws {
        let taken = try Service(on: BoundPort(try #require(ListenAddress("127.0.0.1:0"))), resources: [:])
        defer { taken.stop() }
        let port = #expect(throws: ServiceError.self) { try Serve.parse(["--listen", taken.address.text]).run() }
        #expect(port?.exitCode == 1)
        #expect(Ending(try #require(port)).complaint?.hasPrefix("cannot listen on \(taken.address.text): ") == true)
        let secret = #expect(throws: ServiceError.self) { try Serve.parse(["--secret-file", "/dev/null"]).run() }
        #expect((secret?.exitCode, secret?.message) == (64, "cannot use the secret file /dev/null: it is no file"))
        let output = try Serve.parse(["--listen", "127.0.0.1:0", "-o", "/proc/self/status"])
        let failure = #expect(throws: CommandError.self) { try output.run() }
        #expect(failure?.exitCode == 64)
    }

    @Test("a control group that does not exist is refused with its path")
    func cgroup() throws {
        let command = try Trace.parse(["-c", "/no/such/group"])
        let failure = #expect(throws: CaptureError.self) { try command.run() }
        #expect(failure?.exitCode == 64)
        #expect(failure?.message.hasPrefix("cannot filter by control group /no/such/group: ") == true)
    }

    @Test("a host that does not permit tracing ends with 77, and an exit code has no further message")
    func otherEndings() {
        let refused = Ending(CaptureError(message: "no BPF here", exitCode: 77))
        #expect((refused.code, refused.complaint, refused.answer) == (77, "no BPF here", nil))
        let reported = Ending(ExitCode(77))
        #expect((reported.code, reported.complaint, reported.answer) == (77, nil, nil))
        #expect(Ending(CommandError.running("disk full")) == Ending(CaptureError(message: "disk full", exitCode: 1)))
    }

    // MARK: Values

    @Test("times count from the start or from 1970")
    func moments() throws {
        let run = RunInfo(wallClockOffsetNs: 1_795_399_200_000_000_000)
        #expect(try Moment("90s").time(in: run, begin: 5) == 90_000_000_005)
        #expect(try Moment("2026-11-23T02:00:01.5Z").time(in: run, begin: 5) == 1_500_000_000)
        #expect(try Moment("1999-01-01T00:00:00Z").time(in: run, begin: 5) == 0)
        for text in ["2026-11-23", "2026-02-29T00:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T02:00:00+01:00", "-5s"] {
            #expect(throws: ValidationError.self) { try Moment(text) }
        }
    }

    @Test(
        "durations",
        arguments: [
            ("10", 10_000_000_000), ("0.5", 500_000_000), ("500ms", 500_000_000), ("2m", 120_000_000_000),
            ("1.5s", 1_500_000_000), ("250us", 250_000), ("7ns", 7), ("1h", 3_600_000_000_000),
            ("1d", 86_400_000_000_000),
        ] as [(String, UInt64)])
    func spans(text: String, ns: UInt64) throws {
        #expect(try Span(text).ns == ns)
    }

    @Test(
        "invalid durations", arguments: ["", "s", "-1", "1 s", "1.2.3", "1e3", "inf", "nan", "1y", "99999999999d", "١"])
    func noSpans(text: String) {
        #expect(throws: ValidationError.self) { try Span(text) }
    }

    @Test(
        "ring sizes",
        arguments: [("4096", 4096), ("4K", 4096), ("512k", 1 << 19), ("8M", 8 << 20), ("2G", 1 << 31)]
            as [(String, UInt32)])
    func ringSizes(text: String, bytes: UInt32) throws {
        #expect(try RingSize(text).bytes == bytes)
    }

    @Test(
        "invalid ring sizes",
        arguments: ["", "0", "1", "2048", "4097", "3M", "4G", "8MB", "-8M", "18446744073709551616", "16777216G"])
    func noRingSizes(text: String) {
        #expect(throws: ValidationError.self) { try RingSize(text) }
    }

    @Test(
        "provoke takes the durations that the other commands take",
        arguments: [("5", 5_000_000_000), ("500ms", 500_000_000)])
    func provokeDuration(text: String, ns: UInt64) throws {
        #expect(try Provoke.parse(["hole-punch", "-d", text]).duration?.ns == ns)
    }

    @Test("options without a value have the documented defaults")
    func defaults() throws {
        let trace = try Trace.parse([])
        #expect(trace.capture.loopPasses == 64)
        #expect(trace.capture.wanted.minPasses == 0)
        #expect(trace.format == .table)
        #expect(trace.capture.attach == .auto)
        #expect(CaptureOptions().ringBytes == 8 << 20)
    }

    @Test("a cause is accepted by its name and by the abbreviation of the table", arguments: Correlation.Cause.allCases)
    func causes(cause: Correlation.Cause) throws {
        #expect(try Vocabulary.causes.value(of: cause.rawValue) == cause)
        #expect(try Vocabulary.causes.value(of: cause.abbreviation) == cause)
    }

    @Test("every way of grouping is accepted")
    func groupings() throws {
        for grouping in ["workload", "unit", "pod", "container", "comm", "pid"] {
            let report = try #require(try Futexscope.parseAsRoot(["report", "x", "--by", grouping]) as? Report)
            #expect(report.by.rawValue == grouping)
        }
    }
}

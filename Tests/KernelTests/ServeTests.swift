// SPDX-License-Identifier: Apache-2.0

// The service in a guest: what it counts is what was provoked, other people's readers take its answers, and
// whatever is sent to it, tracing goes on.

import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted))
struct ServeTests {
    /// The one with a livepatch at hand does what the others do, and more.
    static let livepatched =
        Guests.areWanted ? [Guest(kernel: "6.12", mode: .sentinel, scenario: "serve", livepatch: "retro")] : []
    static let guests =
        Guests.sentinel("serve").filter { $0.kernel != "6.12" } + livepatched
        + Guests.each("serve").filter { $0.kernel == "6.12" && ($0.mode == .auto || Guests.areLong) }
        + Guests.others("serve", [.sentinel])

    /// The value of a series in an answer of /metrics.
    private static func value(_ series: String, in text: String) -> Double? {
        text.split(separator: "\n").first { $0.hasPrefix(series + " ") }
            .flatMap { Double($0.dropFirst(series.count + 1)) }
    }

    private static let lost = ["program-missed", "lookup-missed", "return-missed", "observation-missed"]

    @Test("provoked findings are counted at the next scrape", arguments: guests)
    func counts(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let (before, after) = (try run.text("before.metrics"), try run.text("after.metrics"))
        let zero = "futexscope_findings_total{cause=\"zero-page\",outcome=\"failed\"}"
        #expect(Self.value(zero, in: before) == 0)
        #expect(Self.value("futexscope_observations_total", in: before) == 0)
        let found = try #require(Self.value(zero, in: after))
        let skipped = Self.lost.compactMap { Self.value("futexscope_lost_total{stage=\"\($0)\"}", in: after) }.reduce(
            0, +)
        #expect(found <= 1000 && found + skipped >= 1000, "\(found), \(guest)")
        #expect(try #require(Self.value("futexscope_observations_total", in: after)) >= found)
        #expect(
            try #require(Self.value("futexscope_activity_operations_total{activity=\"hole-punch\"}", in: after)) > 0)
        #expect(
            try #require(Self.value("futexscope_verdicts_total{rule=\"retry\",result=\"loops\"}", in: after)) == found)
        let isFull = guest.mode != .sentinel
        #expect((Self.value("futexscope_lookups_total", in: after) != nil) == isFull)
        #expect(after.contains("depth=\"\(isFull ? "full" : "sentinel")\""))
        #expect(after.contains("futexscope_finding_passes_bucket") == isFull)
        #expect(Self.value("futexscope_looping_tasks", in: after) == 0)
        // The same findings went to standard output.
        let last = try run.text("last.metrics")
        let trace = try TraceOutput(run.objects("serve.out"))
        let counted = last.split(separator: "\n").filter { $0.hasPrefix("futexscope_findings_total") }
            .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
        #expect(trace.lookups.count == Int(counted))
        #expect(try run.words("serve.status") == ["0"])
    }

    @Test("independent readers accept both formats", arguments: guests)
    func readers(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let openMetrics = try run.text("after.openmetrics")
        #expect(openMetrics.hasSuffix("# EOF\n"))
        guard let python = ProcessInfo.processInfo.environment["FUTEXSCOPE_PYTHON"] else { return }
        let program = GuestRuns.root.appending(path: "../ExportTests/readers/read_metrics.py").path
        let read = try ["after.metrics", "after.openmetrics"].map { name in
            let outcome = try Host.run(python, ["-B", program, run.directory.appending(path: name).path])
            #expect(outcome.status == 0, "\(outcome.error)")
            return try JSONObject(line: String(decoding: outcome.output, as: UTF8.self)).keys
        }
        #expect(read[0] == read[1])
        #expect(read[0].count > 180)
    }

    @Test("whatever clients send, tracing continues", arguments: guests)
    func survives(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        func status(_ name: String) throws -> [String] {
            try run.text(name).split(whereSeparator: \.isNewline).filter { $0.hasPrefix("HTTP/1.1 ") }
                .map { String($0.dropFirst(9).prefix(3)) }
        }
        for (name, codes) in [
            ("traversal", ["404"]), ("method", ["405"]), ("body", ["405"]), ("header", ["431"]), ("early", ["200"]),
            ("pipeline", ["200", "404"]), ("rebinding", ["421"]), ("rubbish", ["400"]),
        ] {
            #expect(try status(name) == codes, "\(name), \(guest)")
        }
        // Two hundred that keep silent, as fast as a guest can start them, and a scraper gets its answer.
        #expect(try run.words("crowded.metrics.status") == ["0"])
        let last = try run.text("last.metrics")
        // Findings after all of it.
        let zero = "futexscope_findings_total{cause=\"zero-page\",outcome=\"failed\"}"
        let (before, after) = (Self.value(zero, in: try run.text("crowded.metrics")), Self.value(zero, in: last))
        let skipped = Self.lost.compactMap { Self.value("futexscope_lost_total{stage=\"\($0)\"}", in: last) }.reduce(
            0, +)
        #expect(try #require(after) + skipped >= (try #require(before)) + 500)
        #expect(try run.text("healthz.first") == "ok\n")
        #expect(try run.text("healthz.last") == "ok\n")
        #expect(try run.text("page.html").contains("zero-page"))
    }

    @Test("on a full disk it reports this once, counts the missing findings, and continues", arguments: guests)
    func fullDisk(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let reported = try run.text("full.err").split(separator: "\n").filter { $0.contains("No space left") }
        #expect(
            reported == [
                "futexscope: cannot write to /tmp/small/findings.jsonl: No space left on device; the service continues and counts findings that are not written"
            ])
        #expect(try run.text("full.healthz") == "ok\n")
        #expect(Self.value("futexscope_findings_not_written_total", in: try run.text("full.metrics")) != 0)
        // Whole lines, and what came when there was room again follows.
        let trace = try TraceOutput(run.objects("full.jsonl"))
        let last = try run.text("full.last.metrics")
        let found = last.split(separator: "\n").filter { $0.hasPrefix("futexscope_findings_total") }
            .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
        let notWritten = try #require(Self.value("futexscope_findings_not_written_total", in: last))
        #expect(trace.lookups.count < Int(found))
        #expect(Double(trace.lookups.count) + notWritten >= found, "\(trace.lookups.count) of \(found)")
        #expect(!trace.lookups(of: try run.provocation("after")).isEmpty)
        #expect(try run.words("full.status") == ["0"])
    }

    @Test("a port that is taken, or open to others, ends it before anything is attached", arguments: guests)
    func refuses(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.words("taken.status") == ["1"])
        #expect(try run.text("taken.out").isEmpty)
        #expect(
            try run.text("taken.err")
                == "futexscope: cannot listen on 127.0.0.1:9435: Address already in use; another program uses the port; choose one with --listen\n"
        )
        #expect(try run.words("open.status") == ["64"])
        #expect(try run.text("open.err").contains("give --secret-file"))
    }

    @Test("a livepatch makes it report that it is blind; a killed loop is soon removed", arguments: livepatched)
    func blindness(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.text("seeing") == "ok\n")
        let health = try run.text("blind.healthz")
        #expect(health.hasPrefix("HTTP/1.1 503 "))
        #expect(health.contains("replaces get_futex_key"))
        #expect(Self.value("futexscope_blind", in: try run.text("blind.metrics")) == 1)

        let looping = try run.text("looping.metrics")
        #expect(Self.value("futexscope_looping_tasks", in: looping) == 1)
        #expect(try #require(Self.value("futexscope_longest_loop_passes", in: looping)) > 64)
        #expect(try run.text("looping.html").contains("Looping now"))
        #expect(Self.value("futexscope_looping_tasks", in: try run.text("killed.metrics")) == 0)
    }
    @Test(
        "a service whose probes the kernel cannot attach yet says so, and keeps nobody waiting", arguments: livepatched)
    func heldUp(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.words("leaving.status") == ["0"])
        #expect(try run.text("leaving.err").contains("the kernel is still removing them from its functions"))
        // It was held up, and a reader that asked then got that answer at once.
        #expect(try run.words("held.status") == ["0"])
        #expect(try run.words("waiting.status") == ["1"])
        #expect(try run.text("waiting.err").contains("Connection refused"))
        #expect(try run.text("coming.err").contains("the probes are not attached after 30 s"))
        #expect(try run.text("serve.err").contains("not attached") == false)
        // The loop has ended.
        #expect(try run.text("come") == "ok\n")
        #expect(try run.words("coming.status") == ["0"])
    }
}

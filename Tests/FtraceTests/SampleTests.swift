// SPDX-License-Identifier: Apache-2.0

// What guests recorded is read right: each cause in each dialect on each kernel, one of each in a sample.

import Correlation
import Events
import Ftrace
import Testing

@Suite("Samples") struct SampleTests {
    static let kernels = ["6.1", "6.12", "newest"]
    static let dialects: [(name: String, causes: [String])] = [
        ("trace", ["direct-io-invalidation", "hole-punch", "hole-punch", "truncate", "zero-page"]),
        ("trace-cmd", ["direct-io-invalidation", "hole-punch", "truncate", "zero-page"]),
        ("console", ["direct-io-invalidation", "zero-page"]),
        ("large", ["hole-punch"]),
    ]

    @Test("causes, exact", arguments: kernels, dialects)
    func causes(kernel: String, dialect: (name: String, causes: [String])) throws {
        let reading = try Reading(.sample("\(dialect.name)-\(kernel)"))
        // The console of 7.3 let go of the lines with the zero page.
        let isCut = dialect.name == "console" && kernel == "newest"
        #expect(reading.causes == (isCut ? ["direct-io-invalidation"] : dialect.causes))
        for finding in reading.findings where finding.lookup.observations > 0 {
            #expect(finding.confidence == .exact)
            #expect(finding.lookup.observations == 1)
            #expect(finding.outcome == .failed)
            #expect(finding.failure == .unmapped)
            #expect(finding.lookup.victim.comm.text.hasPrefix("provoke-"))
            #expect(finding.detach.map { $0.culprit.comm.text.hasPrefix("provoke-") } != false)
            #expect(finding.verdicts?.efault == .fails)
            #expect(finding.verdicts?.swizzle == .fails)
            #expect(!finding.isIncomplete)
            switch finding.cause {
            case .zeroPage:
                #expect(finding.kind == .zero)
                #expect(finding.detach == nil)
                #expect(finding.verdicts?.retry == .loops)
            case .truncate:
                #expect(finding.spurious == false)
                #expect(finding.verdicts?.retry == .fails)
            default:
                #expect(finding.spurious == true)
                #expect(finding.verdicts?.retry == .succeeds)
                #expect(finding.detachAgeNs ?? 0 > 0)
            }
        }
    }

    @Test("the same whatever the chunks", arguments: [1, 7, 4096])
    func chunks(size: Int) throws {
        let text = try Text.sample("trace-6.1")
        let (whole, cut) = (try Reading(text), try Reading(text, chunk: size))
        #expect(whole.events == cut.events)
        #expect(whole.events.count > 5)
    }

    @Test("text that was copied from a terminal", arguments: kernels)
    func lineEnds(kernel: String) throws {
        let text = try Text.sample("console-\(kernel)")
        #expect(try Reading(text.replacing("\n", with: "\r\n")).causes == Reading(text).causes)
    }

    @Test("prefixes of a console and of its log")
    func prefixes() throws {
        let text = try Text.sample("console-6.1")
        let wanted = try Reading(text).causes
        #expect(!wanted.isEmpty)
        for prefix in ["<4>[$1] ", "[$1][  T123] ", "[$1] ", "Nov 25 19:00:00 host kernel: [$1] "] {
            let other = text.replacing(#"(?m)^\[ *([0-9.]+)\] "#, with: prefix)
            #expect(try Reading(other).causes == wanted, "\(prefix)")
        }
    }

    @Test("the run is known from the mark that `save` puts first")
    func run() throws {
        let run = try Reading(.sample("trace-6.1")).run
        #expect(run.kernelRelease == "6.1.0-56-cloud-amd64")
        #expect(run.wallClockOffsetNs > 1_700_000_000_000_000_000)
    }

    @Test("processes where there is a column for them, and the lack of it is said")
    func processes() throws {
        let text = try Text.sample("trace-6.12").replacing(#"\( +([0-9]+)\)"#, with: "(  4711)")
        let reading = try Reading(text)
        #expect(reading.findings.allSatisfy { $0.lookup.victim.pid == 4711 && $0.lookup.victim.tid != 4711 })
        #expect(!reading.omits("column for processes"))
        #expect(try Reading(.sample("trace-cmd-6.12")).omits("column for processes"))
    }

    @Test("the hole, and whether it was in the very page")
    func holes() throws {
        for kernel in Self.kernels {
            let small = try #require(try Reading(.sample("trace-\(kernel)")).findings.first { $0.kind == .shmem })
            #expect(small.neighbour == false)
            #expect(small.detach?.hole?.count == 4096)
            let large = try #require(try Reading(.sample("large-\(kernel)")).finding(.holePunch))
            // Up to 6.8 the text cannot say which page of the folio it was.
            #expect(large.neighbour == (kernel == "6.1" ? nil : true))
            #expect(large.lookup.page?.facts.contains(.large) == true)
        }
    }

    @Test("operations are counted, and reported when they detached something")
    func activities() throws {
        let reading = try Reading(.sample("trace-6.12"))
        #expect(reading.totals.activities[.holePunch]?.operations ?? 0 > 0)
        #expect(reading.totals.isFinal)
        #expect(reading.totals.observations == 5)
        #expect(reading.totals.failedUnmapped == 5)
        let reported = reading.events.contains { event in
            if case .activity(let activity) = event { activity.kind == .directIOInvalidation } else { false }
        }
        #expect(reported)
    }
}

// SPDX-License-Identifier: Apache-2.0

// Folded stacks: what is counted, what a line looks like, and that no name makes another line of it.

import Correlation
import EventSamples
import Events
import Pipeline
import Testing

@testable import Presentation

@Suite("Folded stacks") struct FoldedTests {
    private static let path = CallPath(
        stack: ["__filemap_remove_folio", "truncate_inode_pages_range", "vfs_fallocate", "do_syscall_64"])

    /// A detach of a path, and a lookup that met it.
    private static func met(_ page: UInt64, path: UInt32, by comm: Comm = Comm("backup")) -> [Event] {
        [
            .detach(
                .sample {
                    ($0.page, $0.callPath) = (PageID(rawValue: page), CallPathID(rawValue: path))
                    $0.culprit.comm = comm
                }), .lookup(.sample(page: .sample { $0.page = PageID(rawValue: page) })),
        ]
    }

    private static func name(_ path: UInt32, _ text: String) -> Event {
        .name(Name(subject: .callPath(CallPathID(rawValue: path)), text: text))
    }

    private static func lines(_ events: [Event]) -> [String] {
        String(decoding: Story.bytes(Folded(), events: events), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test("a line has the culprit, the functions from the outermost to the detaching one, and the lookups that met it")
    func line() throws {
        let text = try #require(Self.path).text
        let events = [Self.name(1, text)] + (1...3).flatMap { Self.met($0, path: 1) } + Self.met(9, path: 0)
        #expect(
            Self.lines(events) == [
                "backup;[call path not known] 1",
                "backup;do_syscall_64;vfs_fallocate;truncate_inode_pages_range;__filemap_remove_folio 3",
            ])
    }

    @Test("a lookup without a detach, and one that has not ended, are not counted")
    func others() {
        #expect(
            Self.lines([.lookup(.sample(page: .zero())), .progress(.looping(passes: 64, durationNs: 1_000_000))]) == [])
    }

    /// What stands on standard error beside the lines.
    private static func shortfall(_ events: [Event], _ format: any FindingFormat = Folded(), filters: String = "")
        -> String?
    {
        var stream = FindingStream(format: format, correlator: Correlator(), run: Story.run, filters: filters)
        var totals = Totals()
        (totals.observations, totals.isFinal) = (3, true)
        _ = stream.take(events + [.totals(totals)])
        return stream.shortfall(in: stream.end())
    }

    @Test("an output without a call path says what is not there")
    func nothing() {
        #expect(Self.shortfall([Self.name(1, "a;b")] + Self.met(1, path: 1)) == nil)
        let zero = Event.lookup(.sample(page: .zero()))
        #expect(
            Self.shortfall([zero], filters: "--cause zero-page")
                == "no call paths: of 1 finding that matches --cause zero-page none has a detach that was seen")
        #expect(Self.shortfall([zero, zero]) == "no call paths: of 2 findings none has a detach that was seen")
        #expect(Self.shortfall(Self.met(1, path: 0))?.contains("the input has none") == true)
        for format in [Folded(), CSV()] as [any FindingFormat] {
            let none = Self.shortfall([], format, filters: "--cause reclaim")
            #expect(none?.contains("none matches --cause reclaim; the whole run has 3 observations") == true)
        }
        // Rows of lookups that are no findings are rows all the same.
        #expect(Self.shortfall([.lookup(.faulted())], CSV()) == nil)
        // A format that has a summary says it there.
        #expect(Self.shortfall([], JSONLines(), filters: "--cause reclaim") == nil)
    }

    @Test("two numbers of one path are one line")
    func numbers() {
        let events = [Self.name(1, "a;b"), Self.name(2, "a;b")] + Self.met(1, path: 1) + Self.met(2, path: 2)
        #expect(Self.lines(events) == ["backup;a;b 2"])
    }

    @Test("no name of a task makes another frame, another line or a count", arguments: HostileText.all)
    func hostile(text: HostileText) throws {
        let events =
            [Self.name(1, "outer;\(text.text.split(separator: ";").joined());inner")]
            + Self.met(1, path: 1, by: text.comm) + Self.met(2, path: 1, by: Comm("plain"))
        let lines = Self.lines(events)
        #expect(lines.count == 2)
        for line in lines {
            let space = try #require(line.lastIndex(of: " "))
            #expect(line[space...] == " 1")
            #expect(!line.unicodeScalars.contains(where: HostileText.isInterpreted))
            let frames = line[..<space].split(separator: ";", omittingEmptySubsequences: false)
            #expect(frames.count >= 3 && frames.allSatisfy { !$0.isEmpty }, "\(line)")
        }
        // The same functions, whatever the culprit is called.
        #expect(Set(lines.map { $0.drop { $0 != ";" } }).count == 1)
    }

    @Test("what has no room for a line of its own is in one")
    func bound() {
        let count = Folded.limit + 5
        let events = (1...count).flatMap { Self.met(UInt64($0), path: 0, by: Comm("c\($0)")) }
        let lines = Self.lines(events)
        #expect(lines.count == Folded.limit + 1 && lines.last == "[others] 5")
    }
}

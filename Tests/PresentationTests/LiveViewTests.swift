// SPDX-License-Identifier: Apache-2.0

import Correlation
import EventSamples
import Events
import Golden
import Pipeline
import Testing

@testable import Presentation

/// The screen of a live trace: what it shows of the same run as all other formats, on screens of any size.
@Suite("Live view") struct LiveViewTests {
    /// 20 s after the beginning of the story.
    private static let now: UInt64 = 20_000_000_000

    /// The pipeline of a run, and the view of it.
    private struct Screen {
        var pipeline: FindingPipeline
        var view = LiveView(begin: 0)

        init(_ events: [Event], run: RunInfo) {
            pipeline = FindingPipeline(correlator: Correlator(), run: run)
            take(events)
        }

        mutating func take(_ events: [Event]) {
            for event in events { pipeline.take(event) { finding, _ in view.take(finding) } }
        }

        func lines(_ width: Int, _ height: Int, now: UInt64, isPaused: Bool = false, colour: Bool = false) -> [String] {
            var pipeline = pipeline
            let state = pipeline.state { _ in true }
            return view.frame(state, width: width, height: height, now: now, isPaused: isPaused, colour: colour)
        }
    }

    private static func view(_ events: [Event] = Story.events, run: RunInfo = Story.run) -> Screen {
        Screen(events, run: run)
    }

    private static func frame(
        _ screen: Screen, _ width: Int, _ height: Int, isPaused: Bool = false, colour: Bool = false, now: UInt64 = now
    ) -> String {
        screen.lines(width, height, now: now, isPaused: isPaused, colour: colour).joined(separator: "\n") + "\n"
    }

    /// A loop that goes on, besides those of the story.
    private static let looping =
        Story.events + [
            .progress(.looping(passes: 4096, durationNs: 84_000_000)),
            .progress(
                .looping(passes: 1 << 30, durationNs: 12_345_678_901).by(
                    TaskIdentity(pid: 4_194_303, tid: 4_194_304, comm: Comm("a\u{1b}[2Jb")))),
        ]

    @Test("golden frames", arguments: [(80, 24), (60, 15), (120, 30), (60, 10)] as [(Int, Int)])
    func golden(width: Int, height: Int) throws {
        let frame = Self.frame(Self.view(Self.looping), width, height)
        #expect(try difference(of: frame.utf8, from: "live-\(width)x\(height).txt") == nil)
    }

    @Test("golden frames: paused and in colour; nothing found")
    func others() throws {
        let colour = Self.frame(Self.view(Self.looping), 100, 24, isPaused: true, colour: true)
        #expect(try difference(of: colour.utf8, from: "live-colour.txt") == nil)
        let quiet = Self.frame(Self.view([], run: RunInfo(filters: "-n app")), 80, 24)
        #expect(try difference(of: quiet.utf8, from: "live-quiet.txt") == nil)
    }

    @Test(
        "every frame fills the screen and no line is wider than it",
        arguments: [(80, 24), (60, 15), (200, 60), (40, 5), (20, 3), (10, 1), (2, 2)] as [(Int, Int)])
    func size(width: Int, height: Int) {
        for events in [Self.looping, Story.events, []] {
            let lines = Self.view(events).lines(width, height, now: Self.now)
            #expect(lines.count == height)
            for line in lines { #expect(line.unicodeScalars.reduce(0) { $0 + $1.columns } < width) }
        }
    }

    @Test("the conclusion stands there whole, with its remedy, where there is room", arguments: [80, 100, 200])
    func conclusion(width: Int) {
        let lines = Self.view().lines(width, 24, now: Self.now)
        let text = lines.map { $0.drop { $0 == " " } }.joined(separator: " ")
        #expect(text.contains("punched a hole into") || text.contains("as a write with O_DIRECT does (exact)."))
        #expect(text.contains("Remedy: write that file through the page cache"))
        #expect(text.contains("whose address stays valid; glibc does not."))
        // What has no room says so.
        let small = Self.view().lines(60, 12, now: Self.now)
        #expect(small.contains { $0.hasPrefix("  Remedy: ") })
        #expect(small[2..<6].count { $0.hasSuffix(" …") } == 2)
    }

    @Test("a loop is shown until it returns or its task is gone")
    func loops() {
        let loop = Lookup.looping(passes: 4096, durationNs: 84_000_000)
        var view = Self.view([.progress(loop)])
        #expect(Self.frame(view, 80, 24).contains("LOOPING NOW: 1"))
        _ = view.pipeline.state(at: loop.time) { _ in true }
        #expect(Self.frame(view, 80, 24).contains("LOOPING NOW: 1"))
        var other = view
        _ = other.pipeline.state(at: loop.time + 1_000_000_001) { $0 != loop.victim }
        #expect(Self.frame(other, 80, 24).contains("no loop in progress"))
        view.take([.lookup(.sample { $0.victim = loop.victim })])
        #expect(Self.frame(view, 80, 24).contains("no loop in progress"))
        // It is gone from the screen, and counts in the summary all the same.
        let text = SummaryText(report: other.pipeline.end(), legend: other.pipeline.legend, width: 80, colour: false)
            .text
        #expect(text.contains("1 of them still looping"))
    }

    @Test("a view that cannot see loops says so", arguments: [80, 60])
    func unseenLoops(width: Int) {
        let unlock = ProbeReport(
            role: "unlock", function: "get_futex_key", hook: .callsite, isRequired: true, note: nil)
        let frame = Self.frame(Self.view([], run: RunInfo(probes: [unlock])), width, 15)
        #expect(frame.contains("loops are not seen at the default depth: add --full"))
        #expect(!frame.contains("no loop in progress"))
    }

    @Test("a pace is that of the last five seconds that are over, and of all time")
    func pace() {
        let second: UInt64 = 1_000_000_000
        var pace = LivePace()
        for time in 0..<UInt64(10) {
            for _ in 0..<time { pace.add(at: time * second + 7) }
        }
        // 5, 6, 7, 8 and 9 in five seconds; 45 in ten.
        #expect(pace.now(at: 10 * second, since: 0) == 7)
        #expect(pace.average(at: 10 * second, since: 0) == 4.5)
        #expect(pace.now(at: 12 * second, since: 0) == Double(7 + 8 + 9) / 5)
        #expect(pace.now(at: 15 * second, since: 0) == 0)
        // What comes late counts where there is still room for it.
        pace.add(at: 9 * second)
        pace.add(at: 2 * second)
        #expect(pace.now(at: 10 * second, since: 0) == Double(36) / 5)
        #expect(pace.total == 47)
        // A run younger than the window.
        var young = LivePace()
        for _ in 0..<6 { young.add(at: 100 * second) }
        #expect(young.now(at: 102 * second, since: 100 * second) == 3)
        #expect(young.now(at: 100 * second, since: 100 * second) == 0)
    }
}

extension Lookup {
    fileprivate func by(_ victim: TaskIdentity) -> Lookup {
        var lookup = self
        lookup.victim = victim
        return lookup
    }
}

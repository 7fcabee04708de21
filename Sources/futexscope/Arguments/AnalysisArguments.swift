// SPDX-License-Identifier: Apache-2.0

// The arguments that `report` and `export` have in common: which findings, and the output. They have the
// filters of a capture, and filters by cause and by time.

internal import ArgumentParser
internal import Correlation
internal import Events
internal import Presentation

/// The arguments of an analysis of recorded events.
struct AnalysisArguments: ParsableArguments {
    static let inputHelp = ArgumentHelp(
        "A recording, an ftrace text (- for standard input), a trace.dat, or a perf.data.", valueName: "input")

    // MARK: Which findings

    @OptionGroup
    var wanted: LookupArguments

    @Option(help: Vocabulary<Correlation.Cause>.help, transform: { try Vocabulary.causes.value(of: $0) })
    var cause: [Correlation.Cause] = []

    @Option(
        help: ArgumentHelp(
            "Only from this time on: 90s after the start, or 2026-11-23T02:00:00Z.", valueName: "time"),
        transform: Moment.init)
    var since: Moment?

    @Option(
        help: ArgumentHelp("Only until this time, written as for --since.", valueName: "time"), transform: Moment.init)
    var until: Moment?

    @Option(
        help: ArgumentHelp("A lookup with N passes is a loop (default: as recorded).", valueName: "n"),
        transform: wholeNumber)
    var loopPasses: UInt64?

    @Option(
        help: ArgumentHelp("A lookup that takes TIME is a loop (default: as recorded).", valueName: "time"),
        transform: Span.init)
    var loopDuration: Span?

    // MARK: Where to

    @Option(name: .shortAndLong, help: ArgumentHelp("Write to this new file.", valueName: "file"))
    var output: String?

    /// When an unfinished lookup counts as a loop.
    func loops(of run: RunInfo) -> LoopThresholds {
        LoopThresholds(
            passes: loopPasses ?? run.loops.passes, durationNs: loopDuration?.ns ?? run.loops.durationNs)
    }

    /// - Parameters:
    ///   - begin: time of the first event, from which relative times count.
    ///   - input: what is read, for messages.
    func filter(for run: RunInfo, begin: UInt64, input: String) throws -> FindingFilter {
        for (option, moment) in [("--since", since), ("--until", until)] {
            if let moment { try moment.check(option, for: run, input: input) }
        }
        var filter = FindingFilter()
        filter.wanted = wanted.filter
        filter.causes = cause.isEmpty ? nil : Set(cause)
        let from = since?.time(in: run, begin: begin) ?? 0
        let to = until?.time(in: run, begin: begin) ?? .max
        guard from <= to else {
            throw CommandError.usage("cannot use an --until before --since; exchange the two times")
        }
        filter.window = from...to
        return filter
    }

    /// The filters as a user types them.
    var filterText: String {
        let times = [("--since", since), ("--until", until)].compactMap { word, moment in
            moment.map { "\(word) \($0.text)" }
        }
        return (wanted.words + times + cause.map { "--cause \($0.rawValue)" }).joined(separator: " ")
    }
}

/// A time of a run: after its start, or by the wall clock.
struct Moment: Equatable {
    var text: String
    private var afterBeginNs: UInt64?
    private var epochNs: Int64?

    init(_ text: String) throws {
        self.text = text
        if let span = try? Span(text) {
            afterBeginNs = span.ns
        } else if let epochNs = WallClock.epochNs(of: text) {
            self.epochNs = epochNs
        } else {
            throw ValidationError(
                "expected a time after the start such as 90s or 2m, or a date such as 2026-11-23T02:00:00Z")
        }
    }

    /// - Throws: Where the times of a run cannot be compared with this one.
    fileprivate func check(_ option: String, for run: RunInfo, input: String) throws {
        if run.hasCountsForTimes {
            throw CommandError.usage(
                "cannot use \(option): the clock of \(input) counts something else than nanoseconds; leave it out")
        }
        if epochNs != nil, run.wallClockOffsetNs == 0 {
            throw CommandError.usage(
                "cannot use \(option) with a date: \(input) has no wall clock; expected a time after its start, such as 90s"
            )
        }
    }

    /// By the clock of the events.
    func time(in run: RunInfo, begin: UInt64) -> UInt64 {
        if let afterBeginNs { return begin &+ min(afterBeginNs, .max - begin) }
        let time = (epochNs ?? 0).subtractingReportingOverflow(run.wallClockOffsetNs)
        return time.overflow ? (run.wallClockOffsetNs < 0 ? .max : 0) : UInt64(max(0, time.partialValue))
    }
}

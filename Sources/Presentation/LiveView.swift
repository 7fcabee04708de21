// SPDX-License-Identifier: Apache-2.0

// What a screen shows of a live run: who is looping now, how often each cause strikes, the latest
// findings, what was lost, how it is attached. Pure: events go in with their times, a frame of so many
// lines and columns comes out for a moment that is given from outside.

public import Correlation
public import Events

/// The state behind the frames of one run.
public struct LiveView: Sendable {
    /// Findings kept for the screen: more than any has lines.
    private static let kept = 256

    private var correlator: Correlator
    private var legend: Legend
    private let run: RunInfo
    /// CLOCK_MONOTONIC nanoseconds.
    private let begin: UInt64
    private var paces: [Cause: LivePace] = [:]
    private var findings = LivePace()
    private var totals = Totals()
    /// The youngest last.
    private var latest: [Finding] = []

    /// `begin` is when the run began, by the clock of the events.
    public init(correlator: Correlator, run: RunInfo, begin: UInt64) {
        (self.correlator, self.run, self.begin) = (correlator, run, begin)
        legend = Legend(
            clock: WallClock(offsetNs: run.wallClockOffsetNs), showsKernelAddresses: run.showsKernelAddresses)
    }

    public mutating func consume(_ events: [Event]) {
        for event in events {
            switch event {
            case .name(let name): legend.names.learn(name)
            case .totals(let totals): self.totals = totals
            case .lookup, .progress, .detach, .activity, .lost: break
            }
            guard let finding = correlator.consume(event), !finding.isProgress else { continue }
            findings.add(at: finding.lookup.time)
            if let cause = finding.explainedCause { paces[cause, default: LivePace()].add(at: finding.lookup.time) }
            latest.append(finding)
            if latest.count > 2 * Self.kept { latest.removeFirst(Self.kept) }
        }
    }

    /// Gives up loops of which more would have been heard by now, and those whose task cannot be in a lookup,
    /// which only the caller can find out.
    public mutating func giveUpLoops(at now: UInt64, unless canLoop: (TaskIdentity) -> Bool) {
        correlator.giveUpLoops(at: now, unless: canLoop)
    }

    /// Ends the run: what is known of it as a whole, as text for a terminal.
    public mutating func end(width: Int, colour: Bool) -> String {
        correlator.finish()
        let report = RunReport(summary: correlator.summary, totals: totals, losses: correlator.losses, run: run)
        return SummaryText(report: report, legend: legend, width: width, colour: colour).text
    }

    // MARK: Frames

    /// `height` lines of less than `width` columns each, for the moment `now`.
    public func frame(width: Int, height: Int, now: UInt64, isPaused: Bool, colour: Bool) -> [String] {
        let paint = Paint(isOn: colour)
        let top = head(now: now) + [""]
        let bottom = foot(isPaused: isPaused)
        var room = max(0, height - top.count - bottom.count)
        // A third for the latest findings at least; of the rest half for loops, where there are so many.
        let share = room - room / 3 - 4
        let looping = loopTable(width: width, limit: max(1, share / 2))
        let causes = rates(at: now, width: width, limit: max(1, share - (looping.count - 1)))
        var middle: [Line] = []
        for part in [looping, causes] where !part.isEmpty {
            let lines = Array((part + [""]).prefix(room))
            middle += lines
            room -= lines.count
        }
        middle += findingLines(width: width, limit: room, paint: paint)
        middle += [Line](repeating: "", count: max(0, height - top.count - bottom.count - middle.count))
        return (top + middle + bottom).prefix(height).map { $0.text(width: width, paint: paint) }
    }

    private func head(now: UInt64) -> [Line] {
        let hooks = Dictionary(grouping: run.probes.compactMap(\.hook), by: \.rawValue).mapValues(\.count)
        let attached = hooks.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        let missing = run.probes.count { $0.hook == nil }
        let spurious = correlator.summary.allCauses.spurious
        let clock = legend.clock.timeOfDay(now, milliseconds: false)
        var counts = "\(ShortNumber.count(findings.total)) findings, \(ShortNumber.count(spurious)) spurious failures"
        if !run.filters.isEmpty { counts += "; \(run.filters)" }
        return [
            Line("futexscope  \(clock) UTC  up \((now - min(now, begin)) / 1_000_000_000)s  \(counts)", .header),
            Line("attached: \(attached)" + (missing > 0 ? "; \(missing) not attached" : ""), .faint),
        ]
    }

    /// Losses always have the last lines to themselves.
    private func foot(isPaused: Bool) -> [Line] {
        let lost = Loss.Stage.allCases.compactMap { stage in
            correlator.losses[stage].flatMap { $0 > 0 ? "\(ShortNumber.count($0)) at \(stage.rawValue)" : nil }
        }
        let losses =
            lost.isEmpty ? Line("lost: nothing", .faint) : Line("lost: " + lost.joined(separator: ", "), .warning)
        return [
            losses, Line(isPaused ? "PAUSED  p goes on  q quits" : "q quits  p pauses", isPaused ? .header : .faint),
        ]
    }

    private func loopTable(width: Int, limit: Int) -> [Line] {
        let all = correlator.loops.all.map(\.finding).sorted {
            ($0.lookup.passes, $0.lookup.victim.tid) > ($1.lookup.passes, $1.lookup.victim.tid)
        }
        guard !all.isEmpty else { return [Line("nobody is looping", .faint)] }
        let table = ReportTable(
            caption: "",
            columns: [
                .name("looping now: \(all.count)", 19), .number("tid", 9), .number("passes", 8), .number("time", 8),
                .name("cause", nil),
            ],
            rows: all.prefix(limit).map { finding in
                let lookup = finding.lookup
                let path = finding.file.flatMap(legend.names.path(of:)).map { "  " + $0 } ?? ""
                return [
                    .process(Summary.ProcessKey(pid: lookup.victim.pid, comm: lookup.victim.comm)),
                    .number(UInt64(lookup.victim.tid)),
                    .own(lookup.isTimed ? ShortNumber.count(lookup.passes) : "-"),
                    .own(lookup.durationNs.map(ShortNumber.duration) ?? "-"),
                    .foreign((finding.explainedCause?.rawValue ?? "-") + path),
                ]
            })
        return Self.lines(table, width: width, style: .warning)
    }

    /// Those that strike most now come first, and where there is no room for all they stay.
    private func rates(at moment: UInt64, width: Int, limit: Int) -> [Line] {
        func rate(_ value: Double) -> ReportTable.Cell {
            .own(value == 0 ? "-" : ShortNumber.decimal(value))
        }
        let order = Cause.allCases.enumerated().compactMap { place, cause in
            paces[cause].map { (place: place, cause: cause, pace: $0, now: $0.now(at: moment, since: begin)) }
        }.sorted { left, right in
            if left.now != right.now { return left.now > right.now }
            return (right.pace.total, left.place) < (left.pace.total, right.place)
        }
        let rows: [[ReportTable.Cell]] = order.prefix(limit).map { _, cause, pace, now in
            let row = correlator.summary.causes[cause] ?? Summary.CauseRow()
            var cells: [ReportTable.Cell] = [
                .own(cause.rawValue), rate(now), rate(pace.average(at: moment, since: begin)),
                .own(ShortNumber.count(pace.total)), .own(ShortNumber.count(row.spurious)),
            ]
            if width >= 66 { cells.append(.own(ShortNumber.count(row.failed))) }
            return cells
        }
        guard !rows.isEmpty else { return [Line("no lookup met a page without a mapping so far", .faint)] }
        var columns: [ReportTable.Column] = [
            .name(order.count > limit ? "cause, \(limit) of \(order.count)" : "cause", 23), .number("now/s", 8),
            .number("avg/s", 8), .number("lookups", 9),
            .number("spurious", 10),
        ]
        if width >= 66 { columns.append(.number("failed", 8)) }
        return Self.lines(ReportTable(caption: "", columns: columns, rows: rows), width: width, style: .plain)
    }

    /// The youngest first. A table has 80 columns or more; of a narrower screen's lines the end is cut off.
    private func findingLines(width: Int, limit: Int, paint: Paint) -> [Line] {
        guard limit > 1, !latest.isEmpty else { return [] }
        let layout = TableLayout(width: width)
        let isWide = width >= 80
        return [Line(layout.header, .header)]
            + latest.suffix(limit - 1).reversed().map { finding in
                let line = layout.line(finding, legend: legend, paint: isWide ? paint : Paint(isOn: false))
                return Line(line, isWide ? .whole : .plain)
            }
    }

    private static func lines(_ table: ReportTable, width: Int, style: Line.Style) -> [Line] {
        table.lines(width: width, paint: Paint(isOn: false)).enumerated().map { Line($1, $0 == 0 ? .header : style) }
    }
}

/// One line of a frame. Its text is safe for a terminal, or of this program.
private struct Line: ExpressibleByStringLiteral {
    enum Style {
        case plain, header, faint, warning
        /// It fits, and has its colours already.
        case whole
    }

    private let content: String
    private let style: Style

    init(_ content: String, _ style: Style) { (self.content, self.style) = (content, style) }
    init(stringLiteral: String) { self.init(stringLiteral, .plain) }

    /// The last column stays empty, because some terminals begin a new line when it is written.
    func text(width: Int, paint: Paint) -> String {
        if style == .whole { return content }
        let cut = TerminalText(content).head(width - 1)
        return switch style {
        case .plain, .whole: cut
        case .header: paint.header(cut)
        case .faint: paint.faint(cut)
        case .warning: paint.warning(cut)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

// What a screen shows of a live run: who is looping now, how often each cause strikes, the latest
// findings, what was lost, how it is attached. Pure: findings go in, and a frame of given size comes out for a state and
// a moment that are given from outside.

public import Correlation
import Events

/// What the frames of one run show besides its state: rates, and the latest findings.
public struct LiveView: Sendable {
    /// Findings kept for the screen: more than any has lines.
    private static let kept = 256

    /// CLOCK_MONOTONIC nanoseconds.
    private let begin: UInt64
    private var paces: [Cause: LivePace] = [:]
    private var findings = LivePace()
    /// The youngest last.
    private var latest: [Finding] = []

    /// `begin` is when the run began, by the clock of the events.
    public init(begin: UInt64) { self.begin = begin }

    /// Takes each finding in order; the progress of a loop is part of the state.
    public mutating func take(_ finding: Finding) {
        if finding.isProgress { return }
        findings.add(at: finding.lookup.time)
        if let cause = finding.explainedCause { paces[cause, default: LivePace()].add(at: finding.lookup.time) }
        latest.append(finding)
        if latest.count > 2 * Self.kept { latest.removeFirst(Self.kept) }
    }

    // MARK: Frames

    /// `height` lines of less than `width` columns each, for the moment `now`.
    public func frame(
        _ state: RunState, width: Int, height: Int, now: UInt64, isPaused: Bool, colour: Bool
    ) -> [String] {
        let paint = Paint(isOn: colour)
        let conclusion = Self.conclusion(state, width: width, limit: height >= 20 ? height / 3 : height >= 12 ? 2 : 0)
        let top = head(state, now: now) + conclusion + [""]
        let bottom = Self.foot(state, isPaused: isPaused)
        var room = max(0, height - top.count - bottom.count)
        // A third for the latest findings at least; of the rest half for loops, where there are so many.
        let pairs = Self.pairs(state, width: width, limit: height >= 30 ? 3 : 0)
        let share = room - room / 3 - 4 - (pairs.isEmpty ? 0 : pairs.count + 1)
        let looping = Self.loopTable(state, width: width, limit: max(1, share / 2))
        let causes = rates(state, at: now, width: width, limit: max(1, share - (looping.count - 1)))
        var middle: [Line] = []
        for part in [looping, causes, pairs] where !part.isEmpty {
            let lines = Array((part + [""]).prefix(room))
            middle += lines
            room -= lines.count
        }
        middle += findingLines(state, width: width, limit: room, paint: paint)
        middle += [Line](repeating: "", count: max(0, height - top.count - bottom.count - middle.count))
        return (top + middle + bottom).prefix(height).map { $0.text(width: width, paint: paint) }
    }

    private func head(_ state: RunState, now: UInt64) -> [Line] {
        let run = state.report.run
        let hooks = Dictionary(grouping: run.probes.compactMap(\.hook), by: \.rawValue).mapValues(\.count)
        let attached = hooks.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        let missing = run.probes.count { $0.hook == nil }
        let spurious = state.report.summary.allCauses.spurious
        let clock = state.legend.clock.timeOfDay(now, milliseconds: false)
        var counts =
            "\(ShortNumber.count(findings.total)) " + noun(findings.total, "finding")
            + ", \(ShortNumber.count(spurious)) " + noun(spurious, "spurious failure")
        if !run.filters.isEmpty { counts += "; \(run.filters)" }
        return [
            Line("futexscope  \(clock) UTC  up \((now - min(now, begin)) / 1_000_000_000)s  \(counts)", .header),
            Line("attached: \(attached)" + (missing > 0 ? "; \(missing) not attached" : ""), .faint),
        ]
    }

    /// The most harmful conclusion and its remedy, in at most `limit` lines together; at least one of the remedy, where there
    /// are two.
    private static func conclusion(_ state: RunState, width: Int, limit: Int) -> [Line] {
        let first = state.report.conclusions(legend: state.legend, loops: state.loops).list[0]
        guard limit > 0, first.verdict != .nothing else { return [] }
        let sentence = wrapped(TerminalText.escaped(first.sentence), width: width, indent: "")
        let remedy = first.remedy.map {
            wrapped("Remedy: " + TerminalText.escaped($0) + ".", width: width, indent: "  ")
        }
        let style: Line.Style = first.verdict == .kernel ? .warning : .plain
        let room = max(1, limit - (remedy == nil ? 0 : 1))
        let lines = cut(sentence, to: room, width: width).map { Line($0, style) }
        return lines + cut(remedy ?? [], to: limit - lines.count, width: width).map { Line($0, .plain) }
    }

    /// The first `count` lines; where that is not all, the last one says so.
    private static func cut(_ lines: [String], to count: Int, width: Int) -> [String] {
        guard lines.count > count else { return lines }
        guard count > 0 else { return [] }
        return Array(lines.prefix(count - 1)) + [TerminalText(lines[count - 1]).head(width - 4) + " …"]
    }

    /// Who hits whom, in at most `limit` rows.
    private static func pairs(_ state: RunState, width: Int, limit: Int) -> [Line] {
        guard limit > 0 else { return [] }
        var table = state.report.pairs(limit: limit, legend: state.legend)
        guard !table.rows.isEmpty else { return [] }
        table.notes = []
        return lines(table, width: width, style: .plain)
    }

    /// Losses always have the last lines to themselves.
    private static func foot(_ state: RunState, isPaused: Bool) -> [Line] {
        let lost = state.report.lostStages.map { "\(ShortNumber.count($0.count)) at \($0.stage.rawValue)" }
        let losses =
            lost.isEmpty ? Line("lost: nothing", .faint) : Line("lost: " + lost.joined(separator: ", "), .warning)
        return [
            losses, Line(isPaused ? "PAUSED  p continues  q quits" : "q quits  p pauses", isPaused ? .header : .faint),
        ]
    }

    private static func loopTable(_ state: RunState, width: Int, limit: Int) -> [Line] {
        let all = state.loops.map(\.finding).sorted {
            ($0.lookup.passes, $0.lookup.victim.tid) > ($1.lookup.passes, $1.lookup.victim.tid)
        }
        guard !all.isEmpty else {
            let words =
                state.report.run.followsLookups
                ? "no loop in progress" : "loops are not seen at the default depth: add --full"
            return [Line(words, .faint)]
        }
        let table = ReportTable(
            caption: "",
            columns: [
                .name("looping now: \(all.count)", 19), .number("tid", 9), .number("passes", 8), .number("time", 8),
                .name("cause", nil),
            ],
            rows: all.prefix(limit).map { finding in
                let lookup = finding.lookup
                let path = state.legend.names.file(finding.file)?.path.map { "  " + $0 } ?? ""
                return [
                    .process(Summary.ProcessKey(pid: lookup.victim.pid, comm: lookup.victim.comm)),
                    .number(UInt64(lookup.victim.tid)),
                    .own(lookup.isTimed ? ShortNumber.count(lookup.passes) : "-"),
                    .own(lookup.durationNs.map(ShortNumber.duration) ?? "-"),
                    .foreign((finding.explainedCause?.rawValue ?? "-") + path),
                ]
            })
        return lines(table, width: width, style: .warning)
    }

    /// Those that strike most now come first, and where there is no room for all they stay.
    private func rates(_ state: RunState, at moment: UInt64, width: Int, limit: Int) -> [Line] {
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
            let row = state.report.summary.causes[cause] ?? Summary.CauseRow()
            var cells: [ReportTable.Cell] = [
                .own(cause.rawValue), rate(now), rate(pace.average(at: moment, since: begin)),
                .own(ShortNumber.count(pace.total)), .own(ShortNumber.count(row.spurious)),
            ]
            if width >= 66 { cells.append(.own(ShortNumber.count(row.failed))) }
            return cells
        }
        guard !rows.isEmpty else { return [Line("\(state.report.noLookup) so far", .faint)] }
        var columns: [ReportTable.Column] = [
            .name(order.count > limit ? "cause, \(limit) of \(order.count)" : "cause", 23), .number("now/s", 8),
            .number("avg/s", 8), .number("lookups", 9),
            .number("spurious", 10),
        ]
        if width >= 66 { columns.append(.number("failed", 8)) }
        return Self.lines(ReportTable(caption: "", columns: columns, rows: rows), width: width, style: .plain)
    }

    /// The youngest first. A table has 80 columns or more; of a narrower screen's lines the end is cut off.
    private func findingLines(_ state: RunState, width: Int, limit: Int, paint: Paint) -> [Line] {
        guard limit > 1, !latest.isEmpty else { return [] }
        let layout = TableLayout(width: width, isTimed: state.report.run.followsLookups)
        let isWide = width >= 80
        return [Line(layout.header, .header)]
            + latest.suffix(limit - 1).reversed().map { finding in
                let line = layout.line(finding, legend: state.legend, paint: isWide ? paint : Paint(isOn: false))
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

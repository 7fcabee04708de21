// SPDX-License-Identifier: Apache-2.0

// Which columns a table of a given width has, how wide each is, and how one finding fills them. At 80 columns everything
// that is needed to act is there; wider terminals add the age of the detach, more of names and paths, what each rule
// would have returned, milliseconds, full names of causes, and the workloads.

import Correlation
import Events

/// What a column of the table shows; the raw value is what a user types.
public enum TableColumn: String, Sendable, CaseIterable {
    case time, victim, pass, took, result, cause, culprit, age, rules, file
    /// Unit, container or pod of the victim and of the culprit.
    case workload
    case culpritWorkload = "culprit-workload"
}

/// Columns and their widths.
struct TableLayout: Sendable {
    let width: Int
    private var shown: [TableColumn] = []
    private var time = 8
    private var victim = 14
    private var cause = 11
    private var culprit = 13
    private var age = 6
    private var rules = Self.letters.count
    private var file = 8
    private static let (passes, took, result, workload) = (5, 6, 7, 20)

    /// Passes and durations are known only where lookups are followed from entry to return (`isTimed`); without them
    /// there is room for the age of the detach and for more of the file. `columns` are shown as given, whatever the
    /// width.
    init(width: Int, isTimed: Bool = true, columns: [TableColumn]? = nil) {
        self.width = max(width, 80)
        shown =
            columns
            ?? (isTimed
                ? [.time, .victim, .pass, .took, .result, .cause, .culprit, .file]
                : [.time, .victim, .result, .cause, .culprit, .age, .file])
        // The last column of the terminal stays empty, because some begin a new line when it is written.
        var spare = self.width - 1 - shown.count + 1
        for column in shown { spare -= columnWidth(column) }
        func take(_ count: Int) -> Int {
            guard spare >= count else { return 0 }
            spare -= count
            return count
        }
        /// Room for a column that was not asked for; false when there is none.
        func takes(_ column: TableColumn, _ count: Int) -> Bool {
            columns == nil && !has(column) && take(count + 1) > 0
        }
        if has(.file) { file += take(10) }
        if takes(.age, age) { insert(.age, before: .file) }
        if has(.victim), has(.culprit), take(9) > 0 { (victim, culprit) = (victim + 4, culprit + 5) }
        // Without passes and durations, the file is worth more than the verdicts.
        if isTimed || spare >= rules + 11, takes(.rules, rules) { insert(.rules, before: .file) }
        if has(.time) { time += take(4) }
        if has(.cause) { cause += take(11) }
        // Room for fifteen bytes of name and seven digits of process.
        if has(.victim), has(.culprit), take(10) > 0 { (victim, culprit) = (victim + 5, culprit + 5) }
        if has(.rules), take(Self.words - Self.letters.count) > 0 { rules = Self.words }
        if spare >= 2 * (Self.workload + 1) + 20, takes(.workload, Self.workload),
            takes(.culpritWorkload, Self.workload)
        {
            insert(.workload, before: has(.pass) ? .pass : .result)
            insert(.culpritWorkload, before: .age)
        }
        if has(.file) { file += max(0, spare) }
    }

    private func has(_ column: TableColumn) -> Bool { shown.contains(column) }

    private mutating func insert(_ column: TableColumn, before next: TableColumn) {
        shown.insert(column, at: shown.firstIndex(of: next) ?? shown.endIndex)
    }

    private func columnWidth(_ column: TableColumn) -> Int {
        switch column {
        case .time: time
        case .victim: victim
        case .pass: Self.passes
        case .took: Self.took
        case .result: Self.result
        case .cause: cause
        case .culprit: culprit
        case .age: age
        case .rules: rules
        case .file: file
        case .workload, .culpritWorkload: Self.workload
        }
    }

    /// Whether lines differ though the findings are of one kind.
    var showsDurations: Bool { shown.contains(.pass) || shown.contains(.took) }

    // MARK: Lines

    var header: String {
        trimmed(
            shown.map { column in
                switch column {
                case .time: pad("TIME UTC", time)
                case .pass: padLeft("PASS", Self.passes)
                case .took: padLeft("TOOK", Self.took)
                case .age: padLeft("AGE", age)
                case .rules: rules >= Self.words ? Self.words { $0.rawValue.uppercased() } : Self.letters
                case .culpritWorkload: pad("CULPRIT'S WORKLOAD", Self.workload)
                case .victim, .result, .cause, .culprit, .file, .workload:
                    pad(column.rawValue.uppercased(), columnWidth(column))
                }
            }.joined(separator: " "))
    }

    func line(_ finding: Finding, legend: Legend, paint: Paint) -> String {
        trimmed(shown.map { cell($0, finding, legend: legend, paint: paint) }.joined(separator: " "))
    }

    private func cell(_ column: TableColumn, _ finding: Finding, legend: Legend, paint: Paint) -> String {
        let lookup = finding.lookup
        return switch column {
        case .time: pad(legend.clock.timeOfDay(lookup.time, milliseconds: time > 8), time)
        case .victim: task(lookup.victim, victim)
        case .pass: padLeft(lookup.isTimed ? ShortNumber.count(lookup.passes) : "-", Self.passes)
        case .took: padLeft(lookup.durationNs.map(ShortNumber.duration) ?? "-", Self.took)
        case .result: result(finding, paint: paint)
        case .cause: cause(finding, paint: paint)
        case .culprit: finding.detach.map { task($0.culprit, culprit) } ?? pad("-", culprit)
        case .age: padLeft(legend.detachAgeNs(of: finding).map(ShortNumber.duration) ?? "-", age)
        case .rules: verdicts(finding.verdicts)
        case .file: place(finding, legend: legend)
        case .workload: work(lookup.victim, legend: legend)
        case .culpritWorkload: finding.detach.map { work($0.culprit, legend: legend) } ?? pad("-", Self.workload)
        }
    }

    /// What stands for more lines like the last one.
    func fold(_ count: UInt64, from first: UInt64, to last: UInt64, clock: WallClock) -> String {
        let (from, to) = (clock.timeOfDay(first, milliseconds: true), clock.timeOfDay(last, milliseconds: true))
        return pad("", time) + " ×\(count) more, " + (from == to ? "at \(to)" : "\(from) to \(to)")
    }

    // MARK: Cells

    /// Name and process id; the id is always whole.
    private func task(_ task: TaskIdentity, _ columns: Int) -> String {
        let id = "/\(task.pid)"
        return pad(TerminalText(task.comm.text).head(columns - id.utf8.count) + id, columns)
    }

    private func work(_ task: TaskIdentity, legend: Legend) -> String {
        let party = Encounters.Party(comm: task.comm, cgroup: task.cgroup)
        let title =
            legend.names.workload(task.cgroup) == nil
            ? "-" : WorkloadGrouping.workload.title(of: party, names: legend.names)
        return pad(TerminalText(title).head(Self.workload), Self.workload)
    }

    /// A mark after the result says that the failure is spurious.
    private func result(_ finding: Finding, paint: Paint) -> String {
        guard let result = finding.lookup.result else { return paint.warning(pad("looping", Self.result)) }
        let name = ErrorNumber.name(ofResult: result)
        if result >= 0 { return pad(name, Self.result) }
        if finding.spurious == true {
            return paint.alarm(pad(TerminalText(name).head(Self.result - 1) + "!", Self.result))
        }
        return paint.failure(pad(TerminalText(name).head(Self.result), Self.result))
    }

    /// Why it failed, where that is no page without a mapping. A question mark says that the cause is inferred, an arrow that the hole was in a neighbour page.
    private func cause(_ finding: Finding, paint: Paint) -> String {
        guard let known = finding.explainedCause else {
            let failure = finding.isFailureOnly ? finding.failure?.rawValue : nil
            return paint.faint(pad(TerminalText(failure ?? "-").head(cause), cause))
        }
        let name = cause >= 22 ? known.rawValue : known.abbreviation
        let mark = finding.confidence == .inferred ? "?" : finding.neighbour == true ? ">" : ""
        let cell = pad(TerminalText(name).head(cause - mark.utf8.count) + mark, cause)
        return known == .unknown ? paint.faint(cell) : cell
    }

    private func verdicts(_ verdicts: Verdicts?) -> String {
        guard let verdicts else { return pad("-", rules) }
        return rules >= Self.words ? Self.words(verdicts.word) : verdicts.letters
    }

    /// A letter for each rule.
    private static let letters = String(Rule.allCases.map(\.letter))

    /// Columns for a word for each rule, the blanks between them included.
    private static let words = words { _ in "" }.utf8.count

    private static func words(_ word: (Rule) -> String) -> String {
        Rule.allCases.map { pad(word($0), max($0.rawValue.utf8.count, RuleResult.succeeds.rawValue.utf8.count)) }
            .joined(separator: " ")
    }

    /// The path, or the file's number, or what the page is, or why the cause is not known.
    private func place(_ finding: Finding, legend: Legend) -> String {
        if let file = finding.file {
            let path = legend.names.path(of: file)
            return TerminalText(path ?? "\(Legend.device(of: file)):\(file.inode)").tail(self.file)
        }
        if finding.explainedCause == .unknown, let reason = finding.unknownReason {
            return TerminalText("(\(reason.rawValue))").head(self.file)
        }
        let retries = RetryReason.allCases.filter { finding.lookup.retries[$0] > 0 }.map(\.rawValue)
        if finding.explainedCause == nil, !retries.isEmpty {
            return TerminalText("(\(retries.joined(separator: ", ")))").head(self.file)
        }
        return "-"
    }

    private func trimmed(_ line: String) -> String {
        var line = line
        while line.last == " " { line.removeLast() }
        return line
    }
}

extension Verdicts {
    fileprivate func word(_ rule: Rule) -> String { self[rule] == .unknown ? "?" : self[rule].rawValue }

    /// One letter for each rule: s succeeds, f fails, l loops, ? not known.
    var letters: String { Rule.allCases.map { String(word($0).prefix(1)) }.joined() }
}

/// Blanks on the right up to `columns`.
func pad(_ text: String, _ columns: Int) -> String {
    text + String(repeating: " ", count: max(0, columns - text.unicodeScalars.reduce(0) { $0 + $1.columns }))
}

/// Blanks on the left up to `columns`.
func padLeft(_ text: String, _ columns: Int) -> String {
    String(repeating: " ", count: max(0, columns - text.unicodeScalars.reduce(0) { $0 + $1.columns })) + text
}

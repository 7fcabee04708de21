// SPDX-License-Identifier: Apache-2.0

// Which columns a table of a given width has, how wide each is, and how one finding fills them. At 80
// columns all that is needed to act is there; wider terminals add the age of the detach, more of names
// and paths, what each rule would have done, milliseconds, and full names of causes.

import Correlation
import Events

/// Columns and their widths.
struct TableLayout: Sendable {
    let width: Int
    private var time = 8
    private var victim = 14
    private var cause = 11
    private var culprit = 13
    private var age = 0
    private var rules = 0
    private var file = 8
    private static let (passes, took, result) = (5, 6, 7)

    init(width: Int) {
        self.width = max(width, 80)
        // 79 columns with the blanks between them; the last of the terminal stays empty, because some
        // begin a new line when it is written.
        var spare = self.width - 80
        func take(_ columns: Int) -> Int {
            guard spare >= columns else { return 0 }
            spare -= columns
            return columns
        }
        file += take(10)
        age += take(7) > 0 ? 6 : 0
        if take(9) > 0 { (victim, culprit) = (victim + 4, culprit + 5) }
        rules += take(Self.letters.count + 1) > 0 ? Self.letters.count : 0
        time += take(4)
        cause += take(11)
        // Room for fifteen bytes of name and seven digits of process.
        if take(10) > 0 { (victim, culprit) = (victim + 5, culprit + 5) }
        if rules > 0 && take(Self.words - Self.letters.count) > 0 { rules = Self.words }
        file += spare
    }

    // MARK: Lines

    var header: String {
        var cells = [
            pad("TIME UTC", time), pad("VICTIM", victim), padLeft("PASS", Self.passes), padLeft("TOOK", Self.took),
            pad("RESULT", Self.result), pad("CAUSE", cause), pad("CULPRIT", culprit),
        ]
        if age > 0 { cells.append(padLeft("AGE", age)) }
        if rules >= Self.words {
            cells.append(Self.words { $0.rawValue.uppercased() })
        } else if rules > 0 {
            cells.append(Self.letters)
        }
        cells.append("FILE")
        return trimmed(cells.joined(separator: " "))
    }

    func line(_ finding: Finding, legend: Legend, paint: Paint) -> String {
        let lookup = finding.lookup
        var cells = [
            pad(legend.clock.timeOfDay(lookup.time, milliseconds: time > 8), time),
            task(lookup.victim, victim),
            padLeft(lookup.isTimed ? ShortNumber.count(lookup.passes) : "-", Self.passes),
            padLeft(lookup.durationNs.map(ShortNumber.duration) ?? "-", Self.took),
            result(finding, paint: paint),
            cause(finding, paint: paint),
            finding.detach.map { task($0.culprit, culprit) } ?? pad("-", culprit),
        ]
        if age > 0 { cells.append(padLeft(finding.detachAgeNs.map(ShortNumber.duration) ?? "-", age)) }
        if rules > 0 { cells.append(verdicts(finding.verdicts)) }
        cells.append(place(finding, legend: legend))
        return trimmed(cells.joined(separator: " "))
    }

    // MARK: Cells

    /// Name and process id; the id is always whole.
    private func task(_ task: TaskIdentity, _ columns: Int) -> String {
        let id = "/\(task.pid)"
        return pad(TerminalText(task.comm.text).head(columns - id.utf8.count) + id, columns)
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

    /// A question mark says that the cause is inferred, an arrow that the hole was in a neighbour page.
    private func cause(_ finding: Finding, paint: Paint) -> String {
        guard let known = finding.explainedCause else { return paint.faint(pad("-", cause)) }
        let name = cause >= 22 ? known.rawValue : known.shortName
        let mark = finding.confidence == .inferred ? "?" : finding.neighbour == true ? ">" : ""
        let cell = pad(TerminalText(name).head(cause - mark.utf8.count) + mark, cause)
        return known == .unknown ? paint.faint(cell) : cell
    }

    private func verdicts(_ verdicts: Verdicts?) -> String {
        guard let verdicts else { return pad("-", rules) }
        func word(_ rule: Rule) -> String { verdicts[rule] == .unknown ? "?" : verdicts[rule].rawValue }
        if rules >= Self.words { return Self.words(word) }
        return Rule.allCases.map { String(word($0).prefix(1)) }.joined()
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

/// Blanks on the right up to `columns`.
func pad(_ text: String, _ columns: Int) -> String {
    text + String(repeating: " ", count: max(0, columns - text.unicodeScalars.reduce(0) { $0 + $1.columns }))
}

/// Blanks on the left up to `columns`.
func padLeft(_ text: String, _ columns: Int) -> String {
    String(repeating: " ", count: max(0, columns - text.unicodeScalars.reduce(0) { $0 + $1.columns })) + text
}

extension Cause {
    /// At most eleven columns, for a narrow table.
    fileprivate var shortName: String {
        switch self {
        case .directIOInvalidation: "direct-io"
        case .blockZeroOut: "zero-out"
        case .memoryFailure: "mem-failure"
        case .specialMapping: "special"
        default: rawValue
        }
    }
}

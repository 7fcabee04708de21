// SPDX-License-Identifier: Apache-2.0

// A table before anybody has decided how it looks: what its columns are called, and what stands in its
// cells. The formats that are read by people lay the same tables out, as text and as a page, so that
// what they say is written once. Cells say whose text they hold, since each format has to escape it.

import Correlation

/// Titles, rows, and what is to be said below them.
struct ReportTable {
    struct Column {
        var title: String
        /// Columns in text; of a column on the right, with the blanks before it. Nil for all that is left.
        var width: Int?
        var isNumber = true
        /// Only where text has 110 columns or more.
        var isForWide = false
        /// Of untrusted text that is too long, the end is shown and not the beginning.
        var keepsEnd = false

        static func name(_ title: String, _ width: Int?) -> Column {
            Column(title: title, width: width, isNumber: false)
        }

        static func number(_ title: String, _ width: Int = 10) -> Column { Column(title: title, width: width) }
    }

    enum Cell {
        /// Text of this program.
        case own(String)
        case number(UInt64)
        /// A process by name and id; nil where there is none.
        case process(Summary.ProcessKey?)
        /// A path; nil where it is not known.
        case path(String?)
        /// Other text that somebody else chose.
        case foreign(String)
        /// Text of this program that somebody has to look at.
        case mark(String)
    }

    struct Subject {
        var cause: Cause?
        var culprit: String?
        var victim: String?
        /// Bin of the time line.
        var bin: Int?
    }

    /// Of the whole, where it has a title of its own.
    var caption: String
    /// In text, instead of the titles of the columns before the first number.
    var heading: String?
    var columns: [Column]
    var rows: [[Cell]]
    /// What a row is about, for a page that shows only some of them; one for each row, or none at all.
    var subjects: [Subject] = []
    /// The last row adds up the others.
    var hasSum = false
    /// What there was no room for, and what the columns mean.
    var notes: [String] = []
    /// On a narrow page a row becomes a paragraph, with its title before each cell.
    var isStackedWhereNarrow = false

    /// For a page whose script chooses no rows.
    var withoutSubjects: ReportTable {
        var table = self
        table.subjects = []
        return table
    }

    // MARK: As text

    /// The head and one line a row, within `width` columns.
    func lines(width: Int, paint: Paint) -> [String] {
        let shown = columns.indices.filter { !columns[$0].isForWide || width >= 110 }
        var lines = [paint.header(header(shown))]
        for row in rows { lines.append(line(row, shown, width: width)) }
        return lines + notes.flatMap { wrapped($0, width: width) }.map(paint.faint)
    }

    private func header(_ shown: [Int]) -> String {
        var (line, used) = ("", 0)
        for (position, index) in shown.enumerated() {
            let column = columns[index]
            let title = position == 0 ? heading ?? column.title.uppercased() : column.title.uppercased()
            used += column.width ?? 0
            if column.isNumber {
                line += padLeft(title, used - TerminalText(line).columns)
            } else if heading != nil, position > 0 {
                line = pad(line, used)
            } else {
                line = pad(line + (column.width == nil ? "  " : "") + title, used)
            }
        }
        return line
    }

    private func line(_ row: [Cell], _ shown: [Int], width: Int) -> String {
        var (line, used) = ("", 0)
        for index in shown {
            guard let columns = columns[index].width else {
                line += "  " + Self.text(row[index], self.columns[index], columns: width - used - 3)
                continue
            }
            used += columns
            if self.columns[index].isNumber {
                line += padLeft(Self.text(row[index], self.columns[index], columns: columns), columns)
            } else {
                line += pad(Self.text(row[index], self.columns[index], columns: columns - 1), columns)
            }
        }
        while line.last == " " { line.removeLast() }
        return line
    }

    /// A cell in at most so many columns.
    private static func text(_ cell: Cell, _ column: Column, columns: Int) -> String {
        switch cell {
        case .own(let text), .mark(let text): return text
        case .number(let number): return "\(number)"
        case .process(nil), .path(nil): return "-"
        case .process(let process?):
            let id = "/\(process.pid)"
            return TerminalText(process.comm.text).head(columns - id.utf8.count) + id
        case .path(let path?): return TerminalText(path).tail(columns)
        case .foreign(let text):
            return column.keepsEnd ? TerminalText(text).tail(columns) : TerminalText(text).head(columns)
        }
    }
}

/// Text in lines of less than `width` columns, broken between words. Of a word that is longer than a line, as of a path,
/// the end is kept.
func wrapped(_ text: String, width: Int, indent: String = "  ") -> [String] {
    var (lines, line) = ([String](), indent)
    for word in text.split(separator: " ") {
        let isFirst = line.utf8.count == indent.utf8.count
        let word = TerminalText(String(word)).tail(width - indent.utf8.count - 1)
        if !isFirst, TerminalText(line).columns + 1 + TerminalText(word).columns >= width {
            lines.append(line)
            line = indent + word
        } else {
            line += (isFirst ? "" : " ") + word
        }
    }
    return lines + [line]
}

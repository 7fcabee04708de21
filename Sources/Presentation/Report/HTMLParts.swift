// SPDX-License-Identifier: Apache-2.0

// The parts that all pages are made of: figures, sections, tables, lists of counters, and the glossary, which has the meaning
// of each number on the page.

import Correlation

extension HTMLWriter {
    /// Numbers to see first.
    mutating func write(figures: [(name: String, value: UInt64)]) {
        element("dl", ["class": "figures"]) { list in
            for (name, value) in figures {
                list.element("div") {
                    $0.title("dt", name)
                    $0.element("dd", ShortNumber.count(value))
                }
            }
        }
    }

    mutating func section(_ title: String, _ style: String = "", _ body: (inout HTMLWriter) -> Void) {
        element("section", ["class": style]) {
            $0.element("h2", title)
            body(&$0)
        }
    }

    /// Nothing where there are no rows.
    mutating func write(_ table: ReportTable, withCaption: Bool = true) {
        guard !table.rows.isEmpty else { return }
        element("div", ["class": "scroll"]) { block in
            block.element("table", ["class": table.isStackedWhereNarrow ? "stacked" : ""]) {
                if withCaption { $0.element("caption", table.caption) }
                $0.element("thead") {
                    $0.element("tr") { row in
                        for column in table.columns {
                            row.title("th", column.title, [("scope", "col"), ("class", column.isNumber ? "n" : "")])
                        }
                    }
                }
                $0.element("tbody") { body in
                    for (position, row) in table.rows.enumerated() {
                        let isSum = table.hasSum && position == table.rows.count - 1
                        let subject = table.subjects.indices.contains(position) ? table.subjects[position] : nil
                        let data = [
                            ("cause", subject?.cause?.rawValue ?? ""), ("culprit", subject?.culprit ?? ""),
                            ("victim", subject?.victim ?? ""), ("bin", subject?.bin.map { "\($0)" } ?? ""),
                        ]
                        body.element("tr", ["class": isSum ? "sum" : ""], data: data) {
                            $0.write(row, table.columns, isNamed: table.isStackedWhereNarrow)
                        }
                    }
                }
            }
            for note in table.notes { block.element("p", ["class": "note"], note) }
        }
    }

    /// `isNamed`: each cell has the title of its column, for a style sheet.
    private mutating func write(_ row: [ReportTable.Cell], _ columns: [ReportTable.Column], isNamed: Bool) {
        for (position, (cell, column)) in zip(row, columns).enumerated() {
            let name = [("name", isNamed ? column.title : "")]
            let style = column.isNumber ? "n" : ""
            switch cell {
            case .own(let text):
                // Causes, activities, rules.
                if !column.isNumber { explain(text) }
                let isHead = position == 0 && !column.isNumber
                element(isHead ? "th" : "td", isHead ? ["scope": "row"] : ["class": style], data: name) {
                    $0.text(text)
                }
            case .number(let number):
                element("td", ["class": number == 0 ? style + " zero" : style], data: name) { $0.text("\(number)") }
            case .process(nil), .path(nil): element("td", data: name) { $0.text("-") }
            case .process(let process?):
                element("td", ["class": "task"], data: name) {
                    $0.foreign(process.comm.text)
                    $0.text("/\(process.pid)")
                }
            case .path(let path?): element("td", ["class": "path"], data: name) { $0.foreign(path) }
            case .foreign(let text): element("td", data: name) { $0.foreign(text) }
            case .mark(let text):
                element("td", data: name) { $0.element("span", ["class": "mark"], text) }
            }
        }
    }

    /// A list of names and values, as of counters.
    mutating func write(counters: [(name: String, value: String)]) {
        element("dl", ["class": "head"]) { list in
            for (name, value) in counters {
                list.title("dt", name)
                list.element("dd") { $0.foreign(value) }
            }
        }
    }

    /// The meanings of the titles that were written so far, and of the words that those need.
    mutating func writeGlossary() {
        for word in Glossary.always { explain(word) }
        section("Words and numbers on this page", "glossary") { section in
            section.element("dl") { list in
                for (title, meaning) in Glossary.entries where list.titles.contains(title) {
                    list.element("div") {
                        $0.element("dt", title)
                        $0.element("dd", meaning)
                    }
                }
            }
        }
    }
}

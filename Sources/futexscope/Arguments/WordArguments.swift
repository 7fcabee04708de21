// SPDX-License-Identifier: Apache-2.0

// Arguments that are words of this program: causes by name or by the abbreviation that tables print, columns. A word
// that is nearly right is answered with the right one.

internal import ArgumentParser
internal import Correlation
internal import Presentation

/// The words that an argument takes.
struct Vocabulary<Value: Sendable>: Sendable {
    /// What the words are, with an article.
    let what: String
    /// The words and what each means; the first word of a value is its name.
    let words: [(word: String, value: Value)]
    /// The names, for messages and help.
    let names: [String]

    func value(of text: String) throws -> Value {
        if let found = words.first(where: { $0.word == text }) { return found.value }
        var message = "expected \(what)"
        if let near = nearest(to: text) { message += "; did you mean \(near)?" } else { message += ":" }
        throw ValidationError(message + (message.hasSuffix("?") ? " All of them: " : " ") + list)
    }

    /// `a, b or c`.
    var list: String { names.dropLast().joined(separator: ", ") + (names.count > 1 ? " or " : "") + (names.last ?? "") }

    /// The word that needs fewest changes, if those are few; nil otherwise.
    private func nearest(to text: String) -> String? {
        let ranked = words.map { (word: $0.word, distance: Self.distance(text.lowercased(), $0.word)) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }),
            best.distance <= max(1, best.word.utf8.count / 3)
        else { return words.first { $0.word.hasPrefix(text.lowercased()) && text.utf8.count > 2 }?.word }
        return best.word
    }

    /// How many letters have to be inserted, removed or replaced (Levenshtein).
    private static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right.utf8)
        var row = Array(0...right.count)
        // An argument may have any length.
        for (position, letter) in left.utf8.prefix(64).enumerated() {
            var corner = row[0]
            row[0] = position + 1
            for column in right.indices {
                let cost = min(row[column], row[column + 1]) + 1
                (corner, row[column + 1]) = (row[column + 1], min(cost, corner + (right[column] == letter ? 0 : 1)))
            }
        }
        return row[right.count]
    }
}

extension Vocabulary<Correlation.Cause> {
    static let causes = Vocabulary(
        what: "a cause",
        words: Correlation.Cause.allCases.flatMap { cause in
            [(cause.rawValue, cause)] + (cause.abbreviation == cause.rawValue ? [] : [(cause.abbreviation, cause)])
        }, names: Correlation.Cause.allCases.map(\.rawValue))

    static let help = ArgumentHelp(
        "Only findings with this cause; may be repeated.", discussion: "One of \(causes.list).", valueName: "cause")
}

/// Columns of the table as a user lists them.
struct ColumnList: Equatable {
    var columns: [TableColumn]

    init(_ text: String) throws {
        columns = try text.split(separator: ",").map { try Self.words.value(of: String($0)) }
        guard !columns.isEmpty, Set(columns).count == columns.count else {
            throw ValidationError("expected columns with commas between them, each once: \(Self.words.list)")
        }
    }

    static let words = Vocabulary(
        what: "columns with commas between them", words: TableColumn.allCases.map { ($0.rawValue, $0) },
        names: TableColumn.allCases.map(\.rawValue))
}

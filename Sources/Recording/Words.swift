// SPDX-License-Identifier: Apache-2.0

// Every enumeration whose words stand in recordings, and which of its words a format has. A new enumeration is added
// to the list here; a new word needs nothing but its own format.

import Events

/// The words of the recording format.
enum Words {
    private static let types: [any RecordedWord.Type] = [
        RecordKind.self, PageFacts.SlotAnswer.self, Detach.Source.self, ActivityKind.self, Phase.self, FileState.self,
        Loss.Stage.self, Hook.self,
    ]

    /// The format of the newest word.
    static let newestFormat = types.map { newestFormat(of: $0) }.max() ?? 1

    /// The words of an enumeration that recordings of this format have, in the order of the enumeration.
    static func of<Word: RecordedWord>(_ type: Word.Type, in format: Int) -> [Word] {
        type.allCases.filter { $0.format <= format }
    }

    private static func newestFormat<Word: RecordedWord>(of type: Word.Type) -> Int {
        type.allCases.map(\.format).max() ?? 1
    }
}

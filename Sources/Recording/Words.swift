// SPDX-License-Identifier: Apache-2.0

// Every enumeration and set of bits whose words are in recordings, and which of its words a format has. A new
// enumeration is added to the list here; a new word needs nothing but its own format.

import Events

/// The words of the recording format.
enum Words {
    private static let enumerations: [any RecordedWord.Type] = [
        RecordKind.self, PageFacts.SlotAnswer.self, Detach.Source.self, ActivityKind.self, Phase.self, FileState.self,
        Loss.Stage.self, Hook.self,
    ]
    /// By the name of the field.
    private static let sets: [(field: String, bits: any RecordedBits.Type)] = [
        ("flags", Lookup.Flags.self), ("page_facts", PageFacts.Facts.self), ("landmarks", Landmarks.self),
    ]

    /// The format of the newest word.
    static let newestFormat =
        (enumerations.map { newestFormat(of: $0) } + sets.map { $0.bits.newestFormat }).max() ?? 1

    /// The words of an enumeration that recordings of this format have, in the order of the enumeration.
    static func of<Word: RecordedWord>(_ type: Word.Type, in format: Int) -> [Word] {
        type.allCases.filter { $0.format <= format }
    }

    /// One line for each set of bits: the field, and the bits that recordings of this format have.
    static func bits(in format: Int) -> [String] {
        sets.map { "\($0.field): \($0.bits.words(in: format))" }
    }

    private static func newestFormat<Word: RecordedWord>(of type: Word.Type) -> Int {
        type.allCases.map(\.format).max() ?? 1
    }
}

extension RecordedBits {
    fileprivate static var newestFormat: Int { words.map(\.format).max() ?? 1 }

    /// The bits that recordings of this format have, as "0x1 name, 0x2 name".
    fileprivate static func words(in format: Int) -> String {
        words.filter { $0.format <= format }.map { "0x\(String($0.bit.rawValue, radix: 16)) \($0.name)" }
            .joined(separator: ", ")
    }
}

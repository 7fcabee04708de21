// SPDX-License-Identifier: Apache-2.0

// Words of the recording format. An enumeration that conforms to `RecordedWord`, and a set of bits that conforms to
// `RecordedBits`, is part of a file format: recordings hold its values, and the metadata of a recording lists its words.
// So that older recordings stay readable, each word says which format brought it, and the reader compares a recording
// with the words of the recording's own format.
//
// To add a word, add the case with its number (if it has one) and the next format, which no release has written yet.
// The format that is written is that of the newest word or layout; nothing else has to change. A word keeps its name,
// its number and its place among the older ones for ever, and is never removed. docs/recording.md says the same.

/// A word that recordings hold.
public protocol RecordedWord: CaseIterable, Hashable, Sendable {
    /// The name in all output and in the metadata of recordings.
    var name: String { get }
    /// The recording format that brought the word, from 1.
    var format: Int { get }
}

/// A word for which records hold a number.
public protocol NumberedWord: RecordedWord {
    /// Unique in its enumeration, and never given to another word.
    var number: UInt8 { get }
    /// The word with this number; nil when there is none.
    init?(number: UInt8)
}

extension RecordedWord where Self: RawRepresentable, RawValue == String {
    public var name: String { rawValue }
}

extension NumberedWord {
    public init?(number: UInt8) {
        guard let word = Self.allCases.first(where: { $0.number == number }) else { return nil }
        self = word
    }
}

extension NumberedWord where Self: RawRepresentable, RawValue == UInt8 {
    @inlinable public var number: UInt8 { rawValue }
    @inlinable public init?(number: UInt8) { self.init(rawValue: number) }
}

/// A set of bits that recordings hold as a number.
public protocol RecordedBits: OptionSet, Sendable where RawValue: FixedWidthInteger & Sendable {
    /// Every bit, in the order of the bits.
    static var words: [RecordedBit<Self>] { get }
}

/// One bit of a set.
public struct RecordedBit<Bits: RecordedBits>: Sendable {
    public let bit: Bits
    /// Plain words with hyphens.
    public let name: String
    /// The recording format that brought the bit, from 1.
    public let format: Int

    public init(_ bit: Bits, _ name: String, format: Int) { (self.bit, self.name, self.format) = (bit, name, format) }
}

// SPDX-License-Identifier: Apache-2.0

// A value for some cases of an enum, found by the case's number. Enums here have strings as raw values, and a dictionary
// would hash a string for every finding.

/// A table with a place for each case of an enum without payloads, with at most 256 cases.
public struct CaseTable<Key: CaseIterable & Sendable, Value> {
    /// By the case's number; empty as long as nothing was set.
    private var places: [Value?] = []

    public init() {}

    /// The number of a case, in the order in which they are declared.
    static func number(of key: Key) -> Int {
        precondition(MemoryLayout<Key>.size == 1, "only enums of one byte have a number")
        // The first and only byte: without payloads it is the number.
        return unsafe withUnsafeBytes(of: key) { unsafe Int($0[0]) }
    }

    /// Nil where nothing was set.
    public subscript(key: Key) -> Value? { places.isEmpty ? nil : places[Self.number(of: key)] }

    public subscript(key: Key, default initial: @autoclosure () -> Value) -> Value {
        get { self[key] ?? initial() }
        _modify {
            if places.isEmpty { places = Array(repeating: nil, count: Key.allCases.count) }
            let number = Self.number(of: key)
            if places[number] == nil { places[number] = initial() }
            // In its place: a row of the summary is large.
            yield &places[number]!
        }
    }

    public var isEmpty: Bool { places.isEmpty }
    public var keys: [Key] { Key.allCases.filter { self[$0] != nil } }
    public var values: [Value] { places.compactMap(\.self) }

    public func mapValues<Result>(_ transform: (Value) -> Result) -> CaseTable<Key, Result> {
        var result = CaseTable<Key, Result>()
        result.places = places.map { $0.map(transform) }
        return result
    }
}

extension CaseTable: Equatable where Value: Equatable {}
extension CaseTable: Sendable where Value: Sendable {}

// SPDX-License-Identifier: Apache-2.0

// The part of FoundationEssentials that swift-argument-parser uses, under the same names: what an error says of
// itself, and a JSON encoder for `--experimental-dump-help`, from which manual pages are made. The module takes the
// place of the toolchain's own in release builds; the texts are the same, byte for byte.

/// An error with a description for people.
public protocol LocalizedError: Error {
    var errorDescription: String? { get }
}

extension LocalizedError {
    public var errorDescription: String? { nil }
}

/// Bytes.
public struct Data: Sendable {
    let bytes: [UInt8]
}

extension String {
    public struct Encoding: Sendable {
        public static let utf8 = Encoding()
    }

    /// Always succeeds: `JSONEncoder` makes nothing but UTF-8.
    public init?(data: Data, encoding: Encoding) {
        self.init(decoding: data.bytes, as: UTF8.self)
    }
}

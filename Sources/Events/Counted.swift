// SPDX-License-Identifier: Apache-2.0

// A number with its noun, as a reader expects it: "1 pass", "2 passes". Every sentence that counts something has its noun
// from here.

/// "1 pass", "2 passes"; without `many` the noun gets an s.
public func counted(_ count: some BinaryInteger, _ one: String, _ many: String? = nil) -> String {
    "\(count) " + noun(count, one, many)
}

/// The noun alone, where the number is written in another way.
public func noun(_ count: some BinaryInteger, _ one: String, _ many: String? = nil) -> String {
    count == 1 ? one : many ?? one + "s"
}

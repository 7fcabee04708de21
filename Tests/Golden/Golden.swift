// SPDX-License-Identifier: Apache-2.0

// Golden files: what output looked like when somebody last looked at it. Used by every test target that
// has a folder `Golden` beside its tests.

internal import Foundation

/// How `bytes` differ from a file of `Golden`; nil when they do not. With FUTEXSCOPE_RECORD=1 in the
/// environment the file is written instead, and that counts as a difference: a recording run always
/// fails, so that nobody takes it for a test.
public func difference(of bytes: some Sequence<UInt8>, from name: String, test: String = #filePath) throws -> String? {
    let bytes = Array(bytes)
    let file = URL(filePath: test).deletingLastPathComponent().appending(components: "Golden", name)
    if ProcessInfo.processInfo.environment["FUTEXSCOPE_RECORD"] == "1" {
        try Data(bytes).write(to: file)
        return "recorded \(name); run again without FUTEXSCOPE_RECORD"
    }
    let expected = try [UInt8](Data(contentsOf: file))
    if bytes == expected { return nil }
    let (left, right) = (lines(expected), lines(bytes))
    let number = zip(left, right).enumerated().first { $1.0 != $1.1 }?.offset ?? min(left.count, right.count)
    return """
        \(name), line \(number + 1)
          expected \(number < left.count ? left[number] : "(nothing)")
          got      \(number < right.count ? right[number] : "(nothing)")
        """
}

private func lines(_ bytes: [UInt8]) -> [String] {
    bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        .map { String(decoding: $0, as: UTF8.self) }
}

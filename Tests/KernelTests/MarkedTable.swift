// SPDX-License-Identifier: Apache-2.0

// Tables of the documentation that a run of the matrix writes anew, each between two marks that say so.

import Foundation
import Testing

struct MarkedTable {
    /// Below the folder of the project.
    var document: String
    /// The word of make that writes it.
    var word: String

    /// Whether this run writes tables instead of looking at them.
    static let isRecording = ProcessInfo.processInfo.environment["FUTEXSCOPE_RECORD"] != nil

    private var url: URL { GuestRuns.root.appending(path: "../../\(document)").standardizedFileURL }
    private var begin: String { "<!-- made by `make \(word)`: begin -->" }
    private var end: String { "<!-- made by `make \(word)`: end -->" }

    /// What stands there now.
    func read() throws -> Substring {
        let text = try String(contentsOf: url, encoding: .utf8)
        let start = try #require(text.range(of: begin)).upperBound
        return text[start..<(try #require(text.range(of: end))).lowerBound]
    }

    func write(_ table: String) throws {
        let text = try String(contentsOf: url, encoding: .utf8)
        let start = try #require(text.range(of: begin)).upperBound
        let stop = try #require(text.range(of: end)).lowerBound
        try "\(text[..<start])\n\(table)\n\(text[stop...])".write(to: url, atomically: true, encoding: .utf8)
    }
}

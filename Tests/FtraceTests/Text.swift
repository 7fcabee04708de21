// SPDX-License-Identifier: Apache-2.0

// Texts for tests: the samples, which guests recorded with the recipe, and ways to take something out of
// them or to put something in.

import Correlation
import Events
import Foundation
import Ftrace

/// Text of a trace, as lines.
struct Text {
    var lines: [[UInt8]]

    init(_ bytes: [UInt8]) {
        lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Array.init)
    }

    init(_ text: String) { self.init(Array(text.utf8)) }

    /// A file of `Samples`.
    static func sample(_ name: String) throws -> Text {
        Text([UInt8](try Data(contentsOf: samples.appending(path: name + ".txt"))))
    }

    static let samples = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Samples")

    var bytes: [UInt8] { Array(lines.joined(separator: [UInt8(ascii: "\n")])) }

    func without(_ words: String...) -> Text {
        var text = self
        text.lines.removeAll { line in words.contains { String(decoding: line, as: UTF8.self).contains($0) } }
        return text
    }

    func replacing(_ pattern: String, with replacement: String) -> Text {
        Text(
            String(decoding: bytes, as: UTF8.self)
                .replacingOccurrences(of: pattern, with: replacement, options: .regularExpression))
    }

    /// Place of the first line with this word.
    func first(_ word: String) -> Int? {
        lines.firstIndex { String(decoding: $0, as: UTF8.self).contains(word) }
    }
}

/// What reading a text gave.
struct Reading {
    var events: [Event] = []
    var findings: [Finding] = []
    var totals = Totals()
    var losses: [Loss.Stage: UInt64] = [:]
    var omissions: [Omission] = []
    var run = RunInfo()

    init(_ text: Text, chunk: Int = 256 << 10, emitsAll: Bool = false) throws {
        try self.init(bytes: text.bytes, chunk: chunk, emitsAll: emitsAll)
    }

    init(bytes: [UInt8], chunk: Int = 256 << 10, threads: Int = 2, emitsAll: Bool = false) throws {
        var position = 0
        try self.init(
            FtraceReader(name: "t.txt", showsKernelAddresses: true, emitsAll: emitsAll, threads: threads) { buffer in
                guard position < bytes.count else { return false }
                buffer += bytes[position..<min(position + chunk, bytes.count)]
                position += chunk
                return true
            }, emitsAll: emitsAll)
    }

    /// Of a trace.dat.
    init(data: [UInt8], emitsAll: Bool = false) throws {
        try self.init(
            TraceDataReader(
                name: "t.dat", size: UInt64(data.count), showsKernelAddresses: true, emitsAll: emitsAll
            ) { offset, count, bytes in
                let begin = min(Int(clamping: offset), data.count)
                bytes.replaceSubrange(0..., with: data[begin..<min(begin + count, data.count)])
            }, emitsAll: emitsAll)
    }

    private init(_ source: some EventSource, emitsAll: Bool) throws {
        var reader = source
        while try reader.read(into: &events) {}
        var correlator = Correlator(emitsAll: emitsAll)
        for event in events {
            if let finding = correlator.take(event), !finding.isProgress { findings.append(finding) }
            if case .totals(let sum) = event { totals = sum }
        }
        (losses, omissions, run) = (correlator.losses, reader.omissions, reader.run)
    }

    /// Causes of what was observed, in alphabetical order.
    var causes: [String] {
        findings.filter { $0.lookup.observations > 0 }.map(\.cause.rawValue).sorted()
    }

    func finding(_ cause: Cause) -> Finding? { findings.first { $0.cause == cause } }

    func omits(_ word: String) -> Bool { omissions.contains { $0.what.contains(word) } }
}

/// The message of the error that a text gives.
func refusal(of bytes: [UInt8]) -> String? { message { _ = try Reading(bytes: bytes) } }

/// The message of the error that a trace.dat gives.
func refusal(ofData bytes: [UInt8]) -> String? { message { _ = try Reading(data: bytes) } }

private func message(_ read: () throws -> Void) -> String? {
    do {
        try read()
        return nil
    } catch {
        return (error as? SourceError)?.message
    }
}

// SPDX-License-Identifier: Apache-2.0

// Programs of others that read what is exported: Python's csv and json, DuckDB, Perfetto's trace processor.
// They live in a virtual environment that `make` sets up; plain `swift test` goes without them.

import Foundation
import Testing

enum Readers {
    /// Set by `make test` and `make unit-test`.
    static let python = ProcessInfo.processInfo.environment["FUTEXSCOPE_PYTHON"]

    /// Runs one of the programs in `readers` on a file or folder; what it says of it, as JSON.
    static func run(_ program: String, on input: URL) throws -> Data {
        let python = try #require(python)
        try #require(
            FileManager.default.isExecutableFile(atPath: python),
            "there is no \(python), which FUTEXSCOPE_PYTHON names: `make readers` installs it")
        let readers = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "readers")
        let process = Process()
        process.executableURL = URL(filePath: python)
        process.arguments = ["-B", readers.appending(path: program).path, input.path]
        let (output, errors) = (Pipe(), Pipe())
        (process.standardOutput, process.standardError) = (output, errors)
        try process.run()
        let reported = try output.fileHandleForReading.readToEnd() ?? Data()
        let trouble = try errors.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(program): \(String(decoding: trouble, as: UTF8.self))")
        return reported
    }

    /// What a program reported of `input` against what it should have; one line for each number that differs.
    static func differences(
        _ program: String, on input: URL, from expected: [String: any Encodable]
    ) throws -> [String] {
        let reported = try JSONSerialization.jsonObject(with: run(program, on: input)) as? [String: Any] ?? [:]
        return try expected.flatMap { part, sums in
            let wanted = try JSONSerialization.jsonObject(with: JSONEncoder().encode(sums)) as? [String: Any] ?? [:]
            return differences(reported[part] as? [String: Any] ?? [:], from: wanted, at: part)
        }
    }

    private static func differences(_ reported: [String: Any], from wanted: [String: Any], at place: String) -> [String]
    {
        Set(reported.keys).union(wanted.keys).sorted().flatMap { key -> [String] in
            if let reported = reported[key] as? [String: Any], let wanted = wanted[key] as? [String: Any] {
                return differences(reported, from: wanted, at: "\(place) \(key)")
            }
            let (found, should) = (reported[key].map { "\($0)" } ?? "nothing", wanted[key].map { "\($0)" } ?? "nothing")
            return found == should ? [] : ["\(place) \(key.debugDescription): \(found), should be \(should)"]
        }
    }

    /// A folder for the time of `body`.
    static func inFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "futexscope-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder)
    }
}

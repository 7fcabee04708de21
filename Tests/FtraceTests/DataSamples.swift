// SPDX-License-Identifier: Apache-2.0

// Recordings for tests: the samples, which trace-cmd made in guests by the recipe (`Samples/data.sh`), and what
// trace-cmd makes of them where it is installed, as `make readers` does.

import Foundation
import Ftrace

/// A trace.dat.
struct DataSample: Sendable, CustomStringConvertible {
    let name: String
    static let all = ["trace-6.1", "trace-6.12", "trace-newest", "lost-6.12", "removal-6.1", "v6-6.1"].map(Self.init)

    init(_ name: String) { self.name = name }

    var description: String { name }
    var file: URL { Text.samples.appending(path: "data-\(name).dat") }
    var bytes: [UInt8] { get throws { [UInt8](try Data(contentsOf: file)) } }
}

/// The program itself.
enum TraceCmd {
    static let path = "/usr/bin/trace-cmd"
    static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: path) }

    /// What it prints of a recording.
    static func text(of file: URL) throws -> [UInt8] {
        try output(Array(TraceData.command(for: file.path).dropFirst()))
    }

    /// The same recording in another form, by options of `trace-cmd convert`.
    static func converted(_ bytes: [UInt8], _ options: String...) throws -> [UInt8] {
        try withFile(bytes) { source in
            let target = source.appendingPathExtension("new")
            defer { try? FileManager.default.removeItem(at: target) }
            _ = try output(["convert", "-i", source.path, "-o", target.path] + options)
            return [UInt8](try Data(contentsOf: target))
        }
    }

    static func withFile<Result>(_ bytes: [UInt8], _ body: (URL) throws -> Result) throws -> Result {
        let file = FileManager.default.temporaryDirectory.appending(path: "futexscope-\(UUID()).dat")
        try Data(bytes).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try body(file)
    }

    private static func output(_ arguments: [String]) throws -> [UInt8] {
        let (process, pipe) = (Process(), Pipe())
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        (process.standardOutput, process.standardError) = (pipe, FileHandle.nullDevice)
        try process.run()
        let bytes = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return [UInt8](bytes)
    }
}

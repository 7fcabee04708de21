// SPDX-License-Identifier: Apache-2.0

// Untrusted text in what the command itself writes: messages and the report of `provoke`. The formats of findings have
// the same table of texts in PresentationTests.

import EventSamples
import Foundation
import Testing

@testable import Provocation
@testable import futexscope

@Suite("Hostile text in the command") struct HostileTextTests {
    @Test("a message is one line, and nothing in it is interpreted", arguments: HostileText.all)
    func message(text: HostileText) throws {
        let line = Messages.line("cannot read \(text.text): it is damaged")
        #expect(line.hasPrefix("futexscope: cannot read ") && line.hasSuffix(": it is damaged\n"))
        #expect(!line.dropLast().unicodeScalars.contains(where: HostileText.isInterpreted))
    }

    private static func report(_ text: HostileText) -> ProvocationReport {
        ProvocationReport(
            cause: .truncate, calls: 1, succeeded: 1, efault: 0, otherErrors: 0, efaultBeyondEnd: 0, operations: 1,
            operationsFailed: 0, victim: .init(pid: 11, tid: 11), culprit: .init(pid: 12, tid: 12),
            file: .init(path: text.text, device: "254:16", inode: 13), durationNs: 1, evidence: [],
            notes: [text.text])
    }

    @Test("the report of provoke has its lines and no others", arguments: HostileText.all)
    func provocation(text: HostileText) throws {
        let shown = Self.report(text).text
        for line in shown.components(separatedBy: "\n") {
            #expect(!line.unicodeScalars.contains(where: HostileText.isInterpreted), "\(line)")
        }
        #expect(shown.utf8.count { $0 == 0x0a } == Self.report(.plain).text.utf8.count { $0 == 0x0a })
    }

    @Test("the report of provoke as JSON gives the very text back", arguments: HostileText.all)
    func provocationJSON(text: HostileText) throws {
        let shown = try #require(String(validating: Self.report(text).json, as: UTF8.self))
        #expect(!shown.dropLast().unicodeScalars.contains(where: HostileText.isInterpreted))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(shown.utf8)) as? [String: Any])
        #expect(object["path"] as? String == text.text)
        #expect(object["notes"] as? [String] == [text.text])
    }
}

/// What the command says of a directory that a recorder left, as a script sees it.
@Suite("Directories that are no recording") struct NoRecordingTests {
    @Test(
        "a directory of a recorder that was killed at once gives one line and exit code 1",
        arguments: [["report"], ["export", "-f", "csv"]])
    func killedAtOnce(command: [String]) throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "futexscope-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let process = Process()
        let (output, complaint) = (Pipe(), Pipe())
        process.executableURL = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(
            path: "futexscope")
        process.arguments = command + [directory]
        (process.standardOutput, process.standardError) = (output, complaint)
        try process.run()
        let shown = try output.fileHandleForReading.readToEnd() ?? Data()
        let line = String(decoding: try complaint.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
        #expect(shown.isEmpty)
        #expect(
            line
                == "futexscope: cannot read the recording \(directory): nothing was recorded; a recorder that is killed while it attaches its probes leaves such a directory; remove it and record again\n"
        )
    }
}

/// Where findings go to a standard output that nobody has opened.
@Suite("A closed standard output") struct ClosedOutputTests {
    @Test(
        "a report without a standard output fails and says so",
        arguments: ["report", "export -f csv", "export -f json"])
    func closed(command: String) throws {
        let program = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "futexscope")
        let sample = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "FtraceTests/Samples/field/console-whole.txt")
        let (process, complaint) = (Process(), Pipe())
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", "exec \"$0\" \(command) \"$1\" >&-", program.path, sample.path]
        process.standardError = complaint
        try process.run()
        let text = String(decoding: try complaint.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
        #expect(text.contains("cannot write to standard output: it is closed"), "\(text)")
    }
}

// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Golden
import Testing

@testable import futexscope

/// The help of each command, compared with the files in `Golden`.
@Suite("Help") struct HelpTests {
    @Test("the root") func root() throws {
        #expect(try difference(of: Futexscope.helpMessage(columns: 80).utf8, from: "futexscope.txt") == nil)
    }

    @Test("trace") func trace() throws {
        #expect(try difference(of: help(Trace.self).utf8, from: "trace.txt") == nil)
    }

    @Test("doctor") func doctor() throws {
        #expect(try difference(of: help(Doctor.self).utf8, from: "doctor.txt") == nil)
    }

    @Test("record") func record() throws {
        #expect(try difference(of: help(Record.self).utf8, from: "record.txt") == nil)
    }

    @Test("report") func report() throws {
        #expect(try difference(of: help(Report.self).utf8, from: "report.txt") == nil)
    }

    @Test("export") func export() throws {
        #expect(try difference(of: help(Export.self).utf8, from: "export.txt") == nil)
    }

    @Test("serve") func serve() throws {
        #expect(try difference(of: help(Serve.self).utf8, from: "serve.txt") == nil)
    }

    @Test("provoke") func provoke() throws {
        #expect(try difference(of: help(Provoke.self).utf8, from: "provoke.txt") == nil)
    }

    private func help(_ command: any ParsableCommand.Type) -> String {
        Futexscope.helpMessage(for: command, columns: 80)
    }

    @Test(
        "no line is wider than a terminal",
        arguments: [
            Futexscope.self, Trace.self, Record.self, Report.self, Export.self, Doctor.self, Serve.self, Provoke.self,
        ] as [any ParsableCommand.Type])
    func width(command: any ParsableCommand.Type) {
        for line in help(command).split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
    }

    @Test(
        "help and version go to standard output",
        arguments: [
            ["--help"], ["help", "trace"], ["trace", "-h"], ["record", "-h"], ["help", "report"], ["--version"], [],
        ])
    func answers(arguments: [String]) {
        let ending = ending(of: arguments)
        #expect(ending?.code == 0)
        #expect(ending?.complaint == nil)
        #expect(ending?.answer?.isEmpty == false)
    }

    /// CHANGELOG.md decides: with entries under "Unreleased" the version is a development version of a later release, and
    /// otherwise the latest release.
    @Test("--version agrees with the changelog") func version() throws {
        #expect(ending(of: ["--version"])?.answer == "futexscope \(Futexscope.version) (\(Futexscope.architecture))")
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
        let changelog = try String(contentsOf: root.appending(path: "CHANGELOG.md"), encoding: .utf8)
        let sections = changelog.components(separatedBy: "\n## ").dropFirst()
        let latest = try #require(sections.first { !$0.hasPrefix("Unreleased") }).prefix { $0 != " " && $0 != "\n" }
        let unreleased = sections.first { $0.hasPrefix("Unreleased") } ?? ""
        if unreleased.contains("\n- ") {
            #expect(Futexscope.version.hasSuffix("-dev"))
            #expect(numbers(latest).lexicographicallyPrecedes(numbers(Futexscope.version.dropLast(4))))
        } else {
            #expect(Futexscope.version == latest)
        }
    }

    private func numbers(_ version: Substring) -> [Int] { version.split(separator: ".").compactMap { Int($0) } }
}

/// How a run with these arguments ends before anything is traced; nil when it would go on.
func ending(of arguments: [String]) -> Ending? {
    do {
        var command = try Futexscope.parseAsRoot(arguments)
        if command is Trace || command is Doctor || command is Record || command is Serve { return nil }
        try command.run()
        return nil
    } catch {
        return Ending(error)
    }
}

// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Golden
import Testing

@testable import futexscope

/// What the command says of itself, as it stands in the files of `Golden`.
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

    private func help(_ command: any ParsableCommand.Type) -> String {
        Futexscope.helpMessage(for: command, columns: 80)
    }

    @Test(
        "no line is wider than a terminal",
        arguments: [Futexscope.self, Trace.self, Record.self, Report.self, Export.self, Doctor.self, Serve.self]
            as [any ParsableCommand.Type])
    func width(command: any ParsableCommand.Type) {
        for line in help(command).split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
    }

    @Test(
        "help and version are answers, not complaints",
        arguments: [
            ["--help"], ["help", "trace"], ["trace", "-h"], ["record", "-h"], ["help", "report"], ["--version"], [],
        ])
    func answers(arguments: [String]) {
        let ending = ending(of: arguments)
        #expect(ending?.code == 0)
        #expect(ending?.complaint == nil)
        #expect(ending?.answer?.isEmpty == false)
    }

    @Test("the version names the program") func version() {
        #expect(ending(of: ["--version"])?.answer?.hasPrefix("futexscope ") == true)
    }
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

// SPDX-License-Identifier: Apache-2.0

// Names of tasks with marks and blanks in them, behind fronts and without blanks: the name is right or is not known, and
// never another one.

import Correlation
import Events
import Testing

@testable import Ftrace

@Suite("Names of tasks") struct NameTests {
    private func names(_ reading: Reading) -> Set<String> {
        Set(
            reading.findings.flatMap { [$0.lookup.victim.comm.text] + ($0.detach.map { [$0.culprit.comm.text] } ?? []) }
        )
    }

    @Test(
        "a mark and a blank in the name of a console's dump", arguments: ["", "[   15.866674] ", "db1: ", "ttyS0 | "],
        ["a: b", "x; y", "tokio: 5", "[a] b"])
    func console(front: String, name: String) throws {
        let padded = String(repeating: " ", count: 8 - name.utf8.count) + name
        let text = try Text.sample("console-6.12").replacing(#"(?m)^\[ *[0-9.]+\] "#, with: front)
            .replacing("provoke--218", with: padded + "-218")
        let victims = Set(try Reading(text).findings.map(\.lookup.victim.comm.text))
        #expect(victims.isSubset(of: [name, "provoke-", "<...>"]), "\(victims)")
        #expect(name.utf8.count > 6 || victims.contains(name), "\(victims)")
    }

    @Test(
        "a front without the blanks behind it that fills the columns of a name",
        arguments: ["host kernel: ", "kernel: "])
    func filled(front: String) throws {
        for name in ["a", "app", "server", "provoke-victim"] {
            let text = try Text.sample("trace-6.12").without("#")
                .replacing("(?m)^ *(?=[a-z])", with: "Nov 25 19:51:59 " + front).replacing(
                    "provoke-victim-", with: name + "-")
            let found = names(try Reading(text))
            #expect(found.isSubset(of: [name, "provoke-culprit", "<...>"]), "\(found)")
        }
    }

    @Test(
        "a date, a host or a number before a line without its blanks is no name",
        arguments: ["Nov 25 19:51:59 ", "INFO ", "12:", "node7|", "db1 ", "\"", "`"])
    func stripped(front: String) throws {
        for name in ["app", "my-server", "provoke-victim"] {
            var text = try Text.sample("trace-6.12").without("#").replacing("provoke-victim", with: name)
            for place in text.lines.indices {
                text.lines[place] = Array(front.utf8) + text.lines[place].drop { $0 <= 0x20 }
            }
            let victims = Set(try Reading(text).findings.map(\.lookup.victim.comm.text))
            #expect(victims.isSubset(of: [name, "<...>"]), "\(name): \(victims)")
        }
    }

    @Test("a name of fifteen bytes with a blank behind grep", arguments: ["14:", "console.txt:", "a|"])
    func longName(front: String) throws {
        let text = try Text.sample("trace-6.12").without("#").replacing(" provoke-victim-", with: "C1 CompilerThre-")
        let reading = try Reading(text.replacing("(?m)^(?=.)", with: front))
        #expect(names(reading).contains("C1 CompilerThre"))
    }

    @Test(
        "names of perf without a processor, where the name ends with a digit", arguments: ["worker1", "a-1", "rcu_3"])
    func digitAtEnd(name: String) throws {
        let text = try Text.sample("field/perf-script").replacing("provoke-victim", with: name)
            .replacing(#" \[\d+\] "#, with: " ")
        let reading = try Reading(text)
        #expect(reading.causes == ["hole-punch", "truncate", "zero-page"])
        #expect(names(reading).contains(name))
    }

    @Test("names of perf with marks and blanks", arguments: ["tokio-rt: 5", "kworker/0:1", "a: b", "x y z", "a|b"])
    func perf(name: String) throws {
        let text = try Text.sample("field/perf-script").replacing("(?m)^provoke-victim ", with: name + " ")
        let whole = names(try Reading(text))
        #expect(whole == [name, "provoke-culprit"])
        for front in ["kernel: ", "Nov 25 19:51:59 db-1 kernel: ", "console.txt:", "17:", "a:", "db1 | "] {
            let reading = try Reading(text.replacing("(?m)^(?=[a-z#])", with: front))
            #expect(names(reading).isSubset(of: [name, "provoke-culprit", "<...>"]), "\(front): \(names(reading))")
        }
    }

    @Test("a letter before each line of perf", arguments: [true, false])
    func letter(hasComment: Bool) throws {
        let text = try Text.sample("field/perf-script")
        let other = (hasComment ? text : text.without("#")).replacing("(?m)^(?=.)", with: "o")
        let found = names(try Reading(other))
        if hasComment { #expect(found == ["provoke-victim", "provoke-culprit"]) }
        #expect(found.isDisjoint(with: ["rovoke-victim", "victim", "oprovoke-culprit"]))
    }

    @Test("a tabulator in place of blanks")
    func tabulators() throws {
        let text = try Text.sample("trace-6.12")
        let reading = try Reading(text.replacing("  +", with: "\t"))
        let found = names(reading)
        #expect(found == ["provoke-victim", "provoke-culprit"], "\(found)")
        let wanted = try Reading(text)
        #expect(reading.causes == wanted.causes)
    }
}

// SPDX-License-Identifier: Apache-2.0

// From the symptom: what a user sees of objects of glibc, and of an LMDB database, while an ordinary tool works on the same
// file, and what the command that README names for it says. Which of the two processes is hurt is a race: a wait that fails
// ends the waiter, a wake that fails leaves it asleep.

import Testing

@Suite(.enabled(if: Guests.areWanted))
struct SymptomTests {
    static func guest(_ kernel: String) -> Guest {
        Guest(
            kernel: kernel, mode: .sentinel, scenario: "symptoms", program: "symptoms", hasDebian: true,
            variables: ["LONG": Guests.areLong ? "1" : "0"], patience: 1200)
    }

    /// What a tool does to the file of an object.
    struct Case: CustomStringConvertible, Sendable {
        var kernel = "6.12"
        /// Of the files of the scenario.
        var name: String
        var tool: String
        var cause: String
        /// Where it says so, whether only a neighbour of the page was cut.
        var neighbour: Bool?
        /// It cuts the page itself: the object is zero then, and a waiter is lost without a failed call.
        var cutsObject = false

        var description: String { "\(name) on \(kernel)" }
    }

    static let cases = [
        Case(name: "dd", tool: "dd", cause: "direct-io-invalidation"),
        Case(name: "punch", tool: "fallocate", cause: "hole-punch", neighbour: true),
    ].filter { _ in Guests.areWanted }
    /// Those that take minutes.
    static let longCases = [
        Case(name: "truncate", tool: "truncate", cause: "truncate"),
        Case(kernel: Kernels.newest, name: "punch", tool: "fallocate", cause: "hole-punch", neighbour: true),
        Case(
            kernel: Kernels.newest, name: "discard", tool: "blkdiscard", cause: "block-zero-out", cutsObject: true),
    ].filter { Guests.areWanted && Guests.areLong && Kernels.matrix.contains($0.kernel) }

    static let waits = ["wait", "lock-pi"]
    static let wakes = ["wake", "requeue", "cmp-requeue", "wake-op"]
    static let message = "The futex facility returned an unexpected error code."

    @Test("each affected process is the victim of a spurious failure by the tool", arguments: cases + longCases)
    func symptoms(change: Case) async throws {
        let guest = Self.guest(change.kernel)
        let run = try await GuestRuns.shared.run(guest)
        let place: Comment = "\(change)"
        let lines = try run.text("\(change.name).out").split(separator: "\n")
        let outcome = try #require(lines.last, place)
        say("guest: \(guest): \(change.name): \(outcome)")
        // The last pair: those before were lost with their objects.
        let words = try #require(lines.last { $0.hasPrefix("waiter ") }, place).split(separator: " ")
        let (waiter, waker) = (Int(words[1]), Int(words[3]))
        let wasEnded = outcome.hasPrefix("ended by signal 6 ")
        let isHurt = wasEnded || outcome.hasPrefix("asleep ")
        if change.cutsObject && !isHurt {
            // Rare, for few waiters meet the moment between pin and lock. The tool was at work, and that is all.
            #expect(outcome.hasPrefix("unhurt ") && !outcome.hasSuffix(" 0 lost"), "\(outcome), \(place)")
            return
        }
        try #require(isHurt, "\(outcome), \(place)")
        // glibc says it in its own words, and only of a wait.
        let message = try run.text("\(change.name).message")
        #expect(message.contains(Self.message) == wasEnded, "\(message), \(place)")

        let hurt = try run.trace("symptoms").lookups.filter { $0.number("pid") == (wasEnded ? waiter : waker) }
        let operations = wasEnded ? Self.waits : Self.wakes
        // A wake that nobody waited for may have failed before.
        let finding = try #require(hurt.last { operations.contains($0.text("operation") ?? "") }, place)
        #expect(finding.text("failure") == "unmapped" && finding.flag("spurious") == true, place)
        #expect(finding.text("cause") == change.cause, place)
        #expect(finding.object("detach")?.text("comm") == change.tool, place)
        if let neighbour = change.neighbour {
            #expect(finding.object("detach")?.flag("neighbour") == neighbour, place)
        }
        if !change.cutsObject {
            #expect(finding.object("page")?.text("path") == "/mnt/memory/\(change.name)", place)
        }
    }

    @Test(
        "a program that loads a database, and is ended or sleeps, is explained by dd on its lock file",
        .enabled(if: Guests.areLong))
    func database() async throws {
        let guest = Self.guest("6.12")
        let run = try await GuestRuns.shared.run(guest)
        let place: Comment = "\(guest)"
        let findings = try run.trace("symptoms").lookups.filter { $0.text("comm") == "mdb_load" }
        let messages = try ["one", "two"].map { try run.text("lmdb.\($0).message") }.joined()
        let asleep = (try? run.text("lmdb.asleep")) ?? ""
        say("guest: \(guest): lmdb: \(messages) \(asleep)")
        // Not every run has one, but no symptom is without a finding.
        #expect(asleep.isEmpty || !findings.isEmpty, place)
        for finding in findings {
            #expect(finding.text("failure") == "unmapped" && finding.flag("spurious") == true, place)
            #expect(finding.text("cause") == "direct-io-invalidation", place)
            #expect(finding.object("detach")?.text("comm") == "dd", place)
            #expect(finding.object("page")?.text("path") == "/mnt/memory/database/lock.mdb", place)
        }
        // Each symptom has its finding: the wait that ended a program, the wake that another one sleeps for.
        let operations = findings.compactMap { $0.text("operation") }
        let wasEnded = messages.contains(Self.message)
        #expect(wasEnded == operations.contains { Self.waits.contains($0) }, "\(messages), \(place)")
        if !asleep.isEmpty && !wasEnded { #expect(operations.contains { Self.wakes.contains($0) }, place) }
    }
}

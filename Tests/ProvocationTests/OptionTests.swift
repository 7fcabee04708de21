// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Provocation

/// What is refused before anything is started, and with which words and exit codes.
@Suite("Options") struct OptionTests {
    @Test("every cause has a name, a line and what it needs")
    func causeList() {
        #expect(
            Cause.allCases.map(\.rawValue) == [
                "ordinary", "zero-page", "special-mapping", "hole-punch", "truncate",
                "direct-io-invalidation", "neighbour-punch", "hugetlb-punch", "block-zero-out",
                "memory-failure", "drop-caches", "fadvise", "reclaim", "swap-out", "migration", "collapse",
            ])
        let lines = Cause.listing.split(separator: "\n")
        #expect(lines.count == Cause.allCases.count)
        for (line, cause) in zip(lines, Cause.allCases) {
            #expect(line.hasPrefix("\(cause) "))
            #expect(line.hasSuffix("[needs: \(cause.needs)]"))
        }
    }

    @Test("every cause has the scenario of its own name, with somebody to play it")
    func scenarios() {
        for cause in Cause.allCases {
            let scenario = Scenario(cause)
            #expect(scenario.cause == cause)
            let lasts = scenario.standardCalls != nil
            #expect((scenario.disturber == nil) == lasts, "\(cause)")
            #expect(scenario.napNs >= 200_000, "\(cause): the victim must have time to call")
        }
    }

    @Test(
        "a limit out of range is a usage error",
        arguments: [
            Provocation.Limit.calls(0), .calls(-1), .seconds(0), .seconds(-1), .seconds(86_401), .seconds(.nan),
            .seconds(.infinity),
        ])
    func badLimits(limit: Provocation.Limit) {
        let failure = #expect(throws: ProvocationFailure.self) {
            _ = try Provocation(cause: .zeroPage, limit: limit)
        }
        #expect(failure?.exitCode == 64)
    }

    @Test("a run ends after a count where calls do not race, else after three seconds")
    func standardLimits() throws {
        #expect(try Provocation(cause: .ordinary).calls == 23)
        #expect(try Provocation(cause: .zeroPage).calls == 1000)
        #expect(try Provocation(cause: .zeroPage).durationNs == 0)
        #expect(try Provocation(cause: .holePunch).calls == 0)
        #expect(try Provocation(cause: .holePunch).durationNs == 3_000_000_000)
        #expect(try Provocation(cause: .holePunch, limit: .seconds(0.25)).durationNs == 250_000_000)
        #expect(try Provocation(cause: .zeroPage, limit: .seconds(1)).calls == 0)
    }

    @Test(
        "a path that does not suit the cause is refused in one line",
        arguments: [
            (Cause.zeroPage, "/tmp", "zero-page has no file: leave --path out"),
            (
                .holePunch, "/proc/self/status",
                "cannot use --path /proc/self/status: it is not a directory, expected is an existing directory"
            ),
            (
                .holePunch, "/nowhere/at/all",
                "cannot use --path /nowhere/at/all: it is not there, expected is an existing directory"
            ),
            (
                .fadvise, "/dev/shm",
                "cannot use --path /dev/shm: it is on another kind of file system (0x1021994), "
                    + "expected is an existing directory on a disk file system, such as ext4 or XFS"
            ),
            (.fadvise, nil, "fadvise needs --path: an existing directory on a disk file system, such as ext4 or XFS"),
            (
                .blockZeroOut, "/dev/null",
                "cannot use --path /dev/null: it is not a directory, "
                    + "expected is an existing directory, or an unused block device"
            ),
        ] as [(Cause, String?, String)])
    func badPaths(cause: Cause, path: String?, line: String) {
        let failure = #expect(throws: ProvocationFailure.self) {
            _ = try Stage(Scenario(cause), at: path).path
        }
        #expect(failure?.description == line)
        #expect(failure?.exitCode == 64)
    }

    @Test("an empty path is refused")
    func emptyPath() {
        let failure = #expect(throws: ProvocationFailure.self) {
            _ = try Provocation(cause: .holePunch, path: "")
        }
        #expect(failure?.exitCode == 64)
    }

    @Test("what the kernel refuses is 77 and says what is needed, what else goes wrong is 1")
    func refusals() {
        let refused = SystemError(action: "poison the page (madvise)", subject: "", number: 1)
        let failure = ProvocationFailure(refused, in: .memoryFailure)
        #expect(failure.exitCode == 77)
        let line = "cannot poison the page (madvise): Operation not permitted; memory-failure needs root"
        #expect(failure.description.hasPrefix(line))
        let full = SystemError(action: "write on", subject: "/x/y", number: 28)
        #expect(ProvocationFailure(full, in: .fadvise).exitCode == 1)
        #expect(ProvocationFailure(full, in: .fadvise).description == "cannot write on /x/y: No space left on device")
    }

    @Test("a player's ticket survives the command line, whatever the path holds")
    func tickets() {
        let ticket = Ticket(
            role: .culprit, cause: .directIOInvalidation, coordinator: 12, scoreboard: 5, cpu: 1, calls: 0,
            durationNs: 3_000_000_000, path: "/mnt/a, b,c/ö")
        #expect(Ticket(argument: ticket.argument) == ticket)
        #expect(Ticket(argument: "victim,zero-page,1,2") == nil)
        #expect(Ticket(argument: "judge,zero-page,1,2,3,4,5,") == nil)
    }
}

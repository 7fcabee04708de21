// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Provocation

/// What is refused before a process is started, with its message and exit code.
@Suite("Options") struct OptionTests {
    @Test("every cause has a name, a line and what it needs")
    func causeList() {
        #expect(
            ProvokedCause.allCases.map(\.rawValue) == [
                "ordinary", "zero-page", "special-mapping", "hole-punch", "truncate",
                "direct-io-invalidation", "neighbour-punch", "hugetlb-punch", "block-zero-out",
                "memory-failure", "drop-caches", "fadvise", "reclaim", "swap-out", "migration", "collapse",
                "unmapped-address", "no-permission", "beyond-end-of-file", "device-memory", "secret-memory",
                "poisoned", "read-only-anonymous", "no-memory",
            ])
        let lines = ProvokedCause.listing.split(separator: "\n")
        #expect(lines.count == ProvokedCause.allCases.count)
        for (line, cause) in zip(lines, ProvokedCause.allCases) {
            #expect(line.hasPrefix("\(cause) "))
            #expect(line.hasSuffix("[needs: \(cause.needs)]"))
        }
    }

    @Test("every cause has the scenario of its own name, with a culprit where one is needed")
    func scenarios() {
        for cause in ProvokedCause.allCases {
            let scenario = Scenario(cause)
            #expect(scenario.cause == cause)
            let lasts = scenario.standardCalls != nil
            #expect((scenario.culprit == nil) == lasts, "\(cause)")
            #expect(scenario.napNs >= 200_000, "\(cause): the victim must have time to call")
        }
    }

    @Test(
        "a limit out of range is a usage error",
        arguments: [
            Provocation.Limit.calls(0), .calls(-1), .duration(0), .duration(86_400_000_000_001), .duration(.max),
        ])
    func badLimits(limit: Provocation.Limit) {
        let failure = #expect(throws: ProvocationError.self) {
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
        #expect(try Provocation(cause: .holePunch, limit: .duration(250_000_000)).durationNs == 250_000_000)
        #expect(try Provocation(cause: .zeroPage, limit: .duration(1_000_000_000)).calls == 0)
    }

    @Test(
        "a path that does not suit the cause is refused in one line",
        arguments: [
            (ProvokedCause.zeroPage, "/tmp", "cannot use --path with zero-page, which has no file; leave --path out"),
            (
                .holePunch, "/proc/self/status",
                "cannot use --path /proc/self/status: it is not a directory; expected an existing directory"
            ),
            (
                .holePunch, "/nowhere/at/all",
                "cannot use --path /nowhere/at/all: it is not there; expected an existing directory"
            ),
            (
                .fadvise, "/dev/shm",
                "cannot use --path /dev/shm: it is on another kind of file system (0x1021994); "
                    + "expected an existing directory on a disk file system, such as ext4 or XFS"
            ),
            (
                .fadvise, nil,
                "cannot provoke fadvise without --path; "
                    + "expected an existing directory on a disk file system, such as ext4 or XFS"
            ),
            (
                .blockZeroOut, "/dev/null",
                "cannot use --path /dev/null: it is not a directory; "
                    + "expected an existing directory, or an unused block device"
            ),
        ] as [(ProvokedCause, String?, String)])
    func badPaths(cause: ProvokedCause, path: String?, line: String) {
        let failure = #expect(throws: ProvocationError.self) {
            _ = try TestFile(Scenario(cause), at: path).path
        }
        #expect(failure?.description == line)
        #expect(failure?.exitCode == 64)
    }

    @Test("an empty path is refused")
    func emptyPath() {
        let failure = #expect(throws: ProvocationError.self) {
            _ = try Provocation(cause: .holePunch, path: "")
        }
        #expect(failure?.exitCode == 64)
    }

    @Test("a refusal of the kernel is 77 and names what is needed, another error is 1")
    func refusals() {
        let refused = SyscallError(action: "poison the page (madvise)", subject: "", number: 1)
        let failure = ProvocationError(refused, in: .memoryFailure)
        #expect(failure.exitCode == 77)
        let line = "cannot poison the page (madvise): Operation not permitted; memory-failure needs root"
        #expect(failure.description.hasPrefix(line))
        let full = SyscallError(action: "write on", subject: "/x/y", number: 28)
        #expect(ProvocationError(full, in: .fadvise).exitCode == 1)
        #expect(ProvocationError(full, in: .fadvise).description == "cannot write on /x/y: No space left on device")
    }

    @Test("the arguments of a worker survive the command line, whatever the path contains")
    func workerArguments() {
        let arguments = WorkerArguments(
            role: .culprit, cause: .directIOInvalidation, coordinator: 12, scoreboard: 5, cpu: 1, calls: 0,
            durationNs: 3_000_000_000, path: "/mnt/a, b,c/ö")
        #expect(WorkerArguments(argument: arguments.argument) == arguments)
        #expect(WorkerArguments(argument: "victim,zero-page,1,2") == nil)
        #expect(WorkerArguments(argument: "judge,zero-page,1,2,3,4,5,") == nil)
    }
}

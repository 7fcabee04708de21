// SPDX-License-Identifier: Apache-2.0

// One of the two processes that the coordinator starts. It sets its name and its CPU, runs as the victim or as the
// culprit, and stores on the scoreboard why it failed, if it did.

internal import Glibc

enum WorkerProcess {
    /// Above ordinary tasks, and below watchdogs of the kernel.
    private static let priority: Int32 = 10

    /// The exit code.
    static func run(_ arguments: WorkerArguments) -> Int32 {
        Syscalls.dieWithParent()
        // The coordinator may have ended before this call.
        guard Syscalls.parentId == arguments.coordinator, let board = Scoreboard(inherited: arguments.scoreboard) else {
            return ProvocationError.usage("").exitCode
        }
        Syscalls.name(arguments.role.comm)
        if (try? Syscalls.pin(to: arguments.cpu)) == nil { board[.pinRefused] = 1 }
        let scenario = Scenario(arguments.cause)
        do throws(SyscallError) {
            switch arguments.role {
            case .victim: try runVictim(scenario, arguments, board)
            case .culprit: try runCulprit(scenario, arguments, board)
            }
            return 0
        } catch {
            let failure = ProvocationError(error, in: arguments.cause)
            board.store(failure, of: arguments.role)
            return failure.exitCode
        }
    }

    private static func runVictim(_ scenario: Scenario, _ arguments: WorkerArguments, _ board: Scoreboard)
        throws(SyscallError)
    {
        board[.victimPid] = Int(Syscalls.processId)
        board[.victimTid] = Int(Syscalls.threadId)
        var victim = try Victim(scenario, path: arguments.path, board: board)
        victim.run(calls: arguments.calls, durationNs: arguments.durationNs)
    }

    private static func runCulprit(_ scenario: Scenario, _ arguments: WorkerArguments, _ board: Scoreboard)
        throws(SyscallError)
    {
        board[.culpritPid] = Int(Syscalls.processId)
        board[.culpritTid] = Int(Syscalls.threadId)
        if (try? Syscalls.realTime(priority: priority)) == nil { board[.realTimeRefused] = 1 }
        try Culprit(scenario: scenario, board: board).run(path: arguments.path)
    }
}

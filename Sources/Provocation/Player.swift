// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// One of the two processes that the coordinator starts, from the inside: it takes its name and its
/// CPU, plays its role, and leaves why it failed, if it did, on the scoreboard.
enum Player {
    /// Above ordinary tasks is all that is needed; watchdogs and the like stay above it.
    private static let priority: Int32 = 10

    /// The exit code.
    static func play(_ ticket: Ticket) -> Int32 {
        Syscalls.dieWithParent()
        // The coordinator may have gone before that was asked for.
        guard Syscalls.parentId == ticket.coordinator, let board = Scoreboard(inherited: ticket.scoreboard) else {
            return ProvocationFailure.usage("").exitCode
        }
        Syscalls.name(ticket.role.comm)
        if (try? Syscalls.pin(to: ticket.cpu)) == nil { board[.pinRefused] = 1 }
        let scenario = Scenario(ticket.cause)
        do throws(SystemError) {
            switch ticket.role {
            case .victim: try playVictim(scenario, ticket, board)
            case .culprit: try playCulprit(scenario, ticket, board)
            }
            return 0
        } catch {
            let failure = ProvocationFailure(error, in: ticket.cause)
            board.leave(failure, as: ticket.role)
            return failure.exitCode
        }
    }

    private static func playVictim(_ scenario: Scenario, _ ticket: Ticket, _ board: Scoreboard) throws(SystemError) {
        board[.victimPid] = Int(Syscalls.processId)
        board[.victimTid] = Int(Syscalls.threadId)
        var victim = try Victim(scenario, path: ticket.path, board: board)
        victim.run(calls: ticket.calls, durationNs: ticket.durationNs)
    }

    private static func playCulprit(_ scenario: Scenario, _ ticket: Ticket, _ board: Scoreboard) throws(SystemError) {
        board[.culpritPid] = Int(Syscalls.processId)
        board[.culpritTid] = Int(Syscalls.threadId)
        if (try? Syscalls.realTime(priority: priority)) == nil { board[.realTimeRefused] = 1 }
        try Disturber(scenario: scenario, board: board).run(path: ticket.path)
    }
}

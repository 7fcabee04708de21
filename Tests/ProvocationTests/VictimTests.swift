// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import Provocation

/// The victim's calls and the stage, in this very process: nothing here races, and nothing needs
/// privileges.  One at a time, since the file is named for the process.
@Suite("Victim and stage", .serialized) struct VictimTests {
    private func play(_ cause: Cause, calls: Int) throws -> (board: Scoreboard, path: String) {
        let scenario = Scenario(cause)
        let stage = try Stage(scenario, at: nil)
        let board = try Scoreboard()
        board[.go] = 1
        var victim = try Victim(scenario, path: stage.path, board: board)
        victim.run(calls: calls, durationNs: 0)
        return (board, stage.path)
    }

    @Test("every one of 1000 calls on the zero page fails with EFAULT")
    func zeroPage() throws {
        let (board, _) = try play(.zeroPage, calls: 1000)
        #expect(board[.calls] == 1000)
        #expect(board[.efault] == 1000)
        #expect(board[.succeeded] == 0)
        #expect(board[.efaultBeyondEnd] == 0)
    }

    @Test("so does every call on the vDSO and on a driver's page")
    func specialMapping() throws {
        let (board, _) = try play(.specialMapping, calls: 100)
        #expect(board[.efault] == 100)
    }

    @Test("the control's 23 calls all succeed, on a file that is gone afterwards")
    func ordinary() throws {
        let (board, path) = try play(.ordinary, calls: 23)
        #expect(path == "/dev/shm/futexscope-provoke-\(getpid())")
        #expect(board[.calls] == 23)
        #expect(board[.succeeded] == 23)
        #expect((try? Syscalls.facts(of: path)) == nil)
    }

    @Test("a call is counted as beyond the end only if the file was short before and after it")
    func beyondEnd() throws {
        let scenario = Scenario.truncate
        let stage = try Stage(scenario, at: nil)
        let board = try Scoreboard()
        board[.go] = 1
        var victim = try Victim(scenario, path: stage.path, board: board)
        let file = try Descriptor(opening: stage.path, flags: O_RDWR)
        try file.resize(to: 0)
        victim.run(calls: 5, durationNs: 0)
        #expect(board[.efault] == 5)
        #expect(board[.efaultBeyondEnd] == 0, "nobody has said yet that the file is short")
        board[.truncations] = 1
        board[.stop] = 0
        victim.run(calls: 5, durationNs: 0)
        #expect(board[.efault] == 10)
        #expect(board[.efaultBeyondEnd] == 5)
    }

    @Test("a file that exists is left alone")
    func existing() throws {
        let path = "/dev/shm/futexscope-provoke-\(getpid())"
        let file = try Descriptor(creating: path)
        try file.write(text: "precious")
        defer { try? Syscalls.unlink(path) }
        let failure = #expect(throws: ProvocationFailure.self) {
            _ = try Stage(.ordinary, at: "/dev/shm").path
        }
        #expect(failure?.exitCode == 1)
        #expect(
            failure?.description
                == "cannot create \(path): it exists, and only new files are touched; remove it or use another --path")
        #expect(Host.text(of: path) == "precious")
    }

    @Test("what was put in the place of the file is left alone too")
    func replaced() throws {
        let path: String
        do {
            let stage = try Stage(.ordinary, at: "/dev/shm")
            path = stage.path
            try Syscalls.unlink(path)
            let other = try Descriptor(creating: path)
            try other.write(text: "precious")
        }
        #expect(Host.text(of: path) == "precious")
        try Syscalls.unlink(path)
    }

    @Test("a player's last words reach the coordinator, cut to what fits")
    func lastWords() throws {
        let board = try Scoreboard()
        #expect(board.lastWords(of: .victim) == nil)
        board.leave(.notPermitted("no swäp"), as: .culprit)
        #expect(board.lastWords(of: .victim) == nil)
        #expect(board.lastWords(of: .culprit) == .notPermitted("no swäp"))
        board.leave(.failed(String(repeating: "x", count: 5000)), as: .victim)
        #expect(board.lastWords(of: .victim)?.description.count == 1000)
        #expect(board.lastWords(of: .culprit) == .notPermitted("no swäp"))
        #expect(board[.calls] == 0)
    }

    @Test("a process that nobody started as a player does not play")
    func foreignPlayer() {
        #expect(Provocation.play("victim,zero-page,1,0,0,1,0,") == 64)
        #expect(Provocation.play("nonsense") == 64)
    }
}

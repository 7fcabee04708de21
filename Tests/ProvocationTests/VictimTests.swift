// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import Provocation

/// The victim's calls and the test file, in this process: nothing here races, and nothing needs privileges. One test at a
/// time, because the file has the pid in its name.
@Suite("Victim and test file", .serialized) struct VictimTests {
    private func run(_ cause: ProvokedCause, calls: Int) throws -> (board: Scoreboard, path: String) {
        let scenario = Scenario(cause)
        let file = try TestFile(scenario, at: nil)
        let board = try Scoreboard()
        board[.go] = 1
        var victim = try Victim(scenario, path: file.path, board: board)
        victim.run(calls: calls, durationNs: 0)
        return (board, file.path)
    }

    @Test("every one of 1000 calls on the zero page fails with EFAULT")
    func zeroPage() throws {
        let (board, _) = try run(.zeroPage, calls: 1000)
        #expect(board[.calls] == 1000)
        #expect(board[.efault] == 1000)
        #expect(board[.succeeded] == 0)
        #expect(board[.efaultBeyondEnd] == 0)
    }

    @Test("every call on the vDSO and on a page of a driver fails with EFAULT")
    func specialMapping() throws {
        let (board, _) = try run(.specialMapping, calls: 100)
        #expect(board[.efault] == 100)
    }

    @Test("the 23 calls of the control succeed, on a file that is removed afterwards")
    func ordinary() throws {
        let (board, path) = try run(.ordinary, calls: 23)
        #expect(path == "/dev/shm/futexscope-provoke-\(getpid())")
        #expect(board[.calls] == 23)
        #expect(board[.succeeded] == 23)
        #expect((try? Syscalls.facts(of: path)) == nil)
    }

    @Test("a call is counted as beyond the end only if the file was short before and after it")
    func beyondEnd() throws {
        let scenario = Scenario.truncate
        let file = try TestFile(scenario, at: nil)
        let board = try Scoreboard()
        board[.go] = 1
        var victim = try Victim(scenario, path: file.path, board: board)
        let opened = try Descriptor(opening: file.path, flags: O_RDWR)
        try opened.resize(to: 0)
        victim.run(calls: 5, durationNs: 0)
        #expect(board[.efault] == 5)
        #expect(board[.efaultBeyondEnd] == 0, "nobody has said yet that the file is short")
        board[.truncations] = 1
        board[.stop] = 0
        victim.run(calls: 5, durationNs: 0)
        #expect(board[.efault] == 10)
        #expect(board[.efaultBeyondEnd] == 5)
    }

    @Test("an existing file is not touched")
    func existing() throws {
        let path = "/dev/shm/futexscope-provoke-\(getpid())"
        let file = try Descriptor(creating: path)
        try file.write(text: "precious")
        defer { try? Syscalls.unlink(path) }
        let failure = #expect(throws: ProvocationError.self) {
            _ = try TestFile(.ordinary, at: "/dev/shm").path
        }
        #expect(failure?.exitCode == 1)
        #expect(
            failure?.description
                == "cannot create \(path): it exists, and only new files are touched; remove it or use another --path")
        #expect(Host.text(of: path) == "precious")
    }

    @Test("a file that replaced the test file is not removed")
    func replaced() throws {
        let path: String
        do {
            let file = try TestFile(.ordinary, at: "/dev/shm")
            path = file.path
            try Syscalls.unlink(path)
            let other = try Descriptor(creating: path)
            try other.write(text: "precious")
        }
        #expect(Host.text(of: path) == "precious")
        try Syscalls.unlink(path)
    }

    @Test("the reason why a worker failed reaches the coordinator, cut to 1000 bytes")
    func lastWords() throws {
        let board = try Scoreboard()
        #expect(board.failure(of: .victim) == nil)
        board.store(.notPermitted("no swäp"), of: .culprit)
        #expect(board.failure(of: .victim) == nil)
        #expect(board.failure(of: .culprit) == .notPermitted("no swäp"))
        board.store(.failed(String(repeating: "x", count: 5000)), of: .victim)
        #expect(board.failure(of: .victim)?.description.count == 1000)
        #expect(board.failure(of: .culprit) == .notPermitted("no swäp"))
        #expect(board[.calls] == 0)
    }

    @Test("a process that no coordinator started does not run as a worker")
    func foreignWorker() {
        #expect(Provocation.runWorker("victim,zero-page,1,0,0,1,0,") == 64)
        #expect(Provocation.runWorker("nonsense") == 64)
    }
}

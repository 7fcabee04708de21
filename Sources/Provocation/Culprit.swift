// SPDX-License-Identifier: Apache-2.0

// The task that detaches pages: a real-time task on the victim's CPU, whose timer interrupts the victim at any point,
// sometimes inside a futex call. Two tasks that race on two CPUs almost never meet there.

internal import Glibc

struct Culprit {
    let scenario: Scenario
    let board: Scoreboard

    /// Enough for the page to be mapped again; then the timer decides where it interrupts the victim.
    private static let callsBetween = 8
    /// A victim that makes no calls must not stop the culprit.
    private static let naps = 50
    /// Operations that may be refused at the start before the cause counts as not permitted.
    private static let patience = 20

    /// Operates and sleeps until the run stops or the scenario's limit is reached.
    func run(path: String) throws(SyscallError) {
        guard let setUp = scenario.culprit else { return }
        let operate = try setUp(path, board)
        board[.culpritReady] = 1
        guard board.wait(for: .go) else { return }
        while board[.stop] == 0 {
            do {
                try operate()
                board[.operations] += 1
            } catch {
                board[.operationsFailed] += 1
                board[.lastOperationError] = Int(error.number)
                let neverWorked = board[.operations] == 0 && board[.operationsFailed] >= Self.patience
                if neverWorked, error.isRefusal { throw error }
            }
            let made = board[.operations] + board[.operationsFailed]
            if scenario.operationLimit > 0, made >= scenario.operationLimit { board[.stop] = 1 }
            letVictimCall()
        }
    }

    /// Sleeps until the victim has its page again and makes calls: otherwise, on a slow disk or a busy host, it would be
    /// interrupted in its page fault every time, and never in a call.
    private func letVictimCall() {
        let before = board[.calls]
        for _ in 0..<Self.naps {
            Syscalls.nap(nanoseconds: scenario.napNs)
            if board[.stop] != 0 || board[.calls] - before >= Self.callsBetween { return }
        }
    }
}

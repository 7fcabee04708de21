// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The task that takes pages away: a real-time one on the victim's CPU, whose timer interrupts the
/// victim at any point, inside a futex call now and then.  Two tasks that race on two CPUs hardly
/// ever meet there.
struct Disturber {
    let scenario: Scenario
    let board: Scoreboard

    /// Enough that the page is mapped; then the timer decides where it finds the victim.
    private static let callsBetween = 8
    /// A victim that does not call at all must not stop the disturber.
    private static let naps = 50
    /// So many operations may be refused at the start before the cause counts as not permitted.
    private static let patience = 20

    /// Operates and naps until the run is stopped or the scenario's limit is reached.
    func run(path: String) throws(SystemError) {
        guard let setUp = scenario.disturber else { return }
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

    /// Naps until the victim has its page back and is calling again: on a slow disk or a busy host it
    /// would otherwise be interrupted in its page fault every time, and never in a call.
    private func letVictimCall() {
        let before = board[.calls]
        for _ in 0..<Self.naps {
            Syscalls.nap(nanoseconds: scenario.napNs)
            if board[.stop] != 0 || board[.calls] - before >= Self.callsBetween { return }
        }
    }
}

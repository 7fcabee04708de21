// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import Live

@Suite("Signals that are put off") struct SignalHoldTests {
    @Test("a signal waits until the action is over") func hold() throws {
        // Whoever ignores a signal does not end by it.
        _ = signal(SIGHUP, SIG_IGN)
        // The threads of tests may have all signals blocked. The sets live over the calls.
        var (hangUp, mask) = (sigset_t(), sigset_t())
        unsafe sigemptyset(&hangUp)
        unsafe sigaddset(&hangUp, SIGHUP)
        unsafe pthread_sigmask(SIG_UNBLOCK, &hangUp, &mask)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &mask, nil) }
        func isPending() -> Bool {
            var set = sigset_t()
            return unsafe sigpending(&set) == 0 && sigismember(&set, SIGHUP) == 1
        }
        let (before, during) = try puttingOffSignals {
            let before = isPending()
            pthread_kill(pthread_self(), SIGHUP)
            return (before, isPending())
        }
        #expect(!before && during)
        #expect(!isPending())
    }
}

// SPDX-License-Identifier: Apache-2.0

// Puts signals off while something is on the host that has to be removed again.

public import Events
internal import Glibc

/// Runs `action`, which removes what it makes on the host; a signal that ends this process does so afterwards.
public func puttingOffSignals<Result>(_ action: () throws(CaptureError) -> Result) throws(CaptureError) -> Result {
    var (ending, before) = (sigset_t(), sigset_t())
    // The sets live over the calls.
    unsafe sigemptyset(&ending)
    for signal in [SIGINT, SIGTERM, SIGHUP] { unsafe sigaddset(&ending, signal) }
    unsafe pthread_sigmask(SIG_BLOCK, &ending, &before)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
    return try action()
}

// SPDX-License-Identifier: Apache-2.0

// What a run waits for besides events: signals as a descriptor, and several descriptors at once.

internal import CLinux
public import Events
internal import Glibc
internal import System

/// Waits until one of the descriptors is readable, and returns which are; none after the time-out or an interruption.
/// Negative descriptors are ignored.
func waitFor(_ descriptors: [Int32], timeoutMs: Int32) -> [Bool] {
    var polled = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    let count = unsafe poll(&polled, nfds_t(polled.count), timeoutMs)
    return polled.map { count > 0 && $0.revents != 0 }
}

/// SIGINT, SIGTERM, SIGHUP and SIGUSR1 as a descriptor; from now on this process blocks them. Create it before any
/// thread, so that all threads inherit the blocked signals.
public final class SignalDescriptor {
    let descriptor: Int32

    /// - Throws: with exit code 1 when the kernel has no descriptor left.
    public init() throws(CaptureError) {
        descriptor = clinux_signal_descriptor()
        guard descriptor >= 0 else { throw .failed("wait for signals", reason: errorText(-descriptor)) }
    }

    /// The signal that made it readable.
    func next() -> (number: Int32, isFromTerminal: Bool) {
        var isFromKernel: Int32 = 0
        // The number lives over the call.
        let number = unsafe clinux_next_signal(descriptor, &isFromKernel)
        return number > 0 ? (number, isFromKernel != 0) : (SIGTERM, false)
    }

    deinit { close(descriptor) }
}

// SPDX-License-Identifier: Apache-2.0

// The clocks of Linux, in nanoseconds. Events carry CLOCK_MONOTONIC; the others serve to show wall time and the use of
// this process.

internal import Glibc

/// The time now, by the clock that the name says.
public enum Clock {
    /// CLOCK_MONOTONIC, the clock of all events, which all processes share.
    public static var monotonicNs: UInt64 { now(CLOCK_MONOTONIC) }
    /// CLOCK_REALTIME: since 1970, UTC.
    public static var wallNs: UInt64 { now(CLOCK_REALTIME) }
    /// CLOCK_BOOTTIME: since the start of the host, time asleep included.
    public static var bootNs: UInt64 { now(CLOCK_BOOTTIME) }
    /// CLOCK_PROCESS_CPUTIME_ID: CPU time that this process has used.
    public static var processCPUNs: UInt64 { now(CLOCK_PROCESS_CPUTIME_ID) }

    private static func now(_ id: clockid_t) -> UInt64 {
        var time = timespec()
        // The structure lives over the call.
        unsafe clock_gettime(id, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

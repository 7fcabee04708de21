// SPDX-License-Identifier: Apache-2.0

// A word for whoever waits while probes are being attached. The kernel attaches and detaches one probe after the
// other for the whole host, and while a task spins in the kernel it may not get done with detaching. Whoever attaches
// then waits inside a system call that no signal interrupts, so that somebody else has to say so: no thread, since
// capabilities are given up before there is a second one, but a child.

internal import Capture
internal import CLinux
internal import Glibc

enum AttachWatch {
    /// A kernel in software emulation takes seconds.
    private static let patienceSeconds: Int32 = 30

    private static let line =
        "futexscope: the probes are not attached after \(patienceSeconds) s, and until they are nothing ends this "
        + "process: a task that spins in the kernel holds up all tracing on this host; find one that takes a whole "
        + "CPU of system time, and end it\n"

    /// Says so when `attach` takes longer than that.
    static func during<Result>(_ attach: () throws(CaptureError) -> Result) throws(CaptureError) -> Result {
        var leash: Int32 = -1
        // The child has its own copy of the line; both arguments live over the call.
        let watcher = unsafe clinux_tell_later(patienceSeconds, line, &leash)
        defer {
            if watcher > 0 {
                close(leash)
                // It is no matter how it ended.
                waitpid(watcher, nil, 0)
            }
        }
        return try attach()
    }
}

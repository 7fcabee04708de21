// SPDX-License-Identifier: Apache-2.0

// A message for the user when attaching takes long. The kernel attaches and detaches one probe after the other for the
// whole host, and while a task spins in the kernel, detaching may not end. This process then waits inside a system call
// that no signal interrupts, so a child emits the message. A thread cannot, because capabilities must be dropped before
// there is a second thread.

internal import Capture
internal import Events
internal import CLinux
internal import Glibc

enum AttachWatch {
    /// A kernel in software emulation takes some seconds.
    private static let patienceSeconds: Int32 = 30

    private static let line =
        "futexscope: the probes are not attached after \(patienceSeconds) s, and this process cannot end before they are: "
        + "a task that spins in the kernel may delay all tracing on this host; look for a task that uses a whole CPU of "
        + "system time, and end it\n"

    /// Emits the message when `attach` takes longer than that.
    static func during<Result>(_ attach: () throws(CaptureError) -> Result) throws(CaptureError) -> Result {
        var leash: Int32 = -1
        // The child has its own copy of the line; both arguments live over the call.
        let watcher = unsafe clinux_tell_later(patienceSeconds, line, &leash)
        defer {
            if watcher > 0 {
                close(leash)
                // Its exit status does not matter.
                waitpid(watcher, nil, 0)
            }
        }
        return try attach()
    }
}

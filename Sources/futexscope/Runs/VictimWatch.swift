// SPDX-License-Identifier: Apache-2.0

// Detects the end of the process or thread of -p or -t, so that a run does not wait forever for a victim that has ended. It
// has a descriptor of the task, so a later task with the same number is not taken for it. Kernels before 6.9 have no
// descriptor of a thread; there /proc is checked instead.

internal import CLinux
internal import Glibc

/// The one task that a run follows.
final class VictimWatch {
    /// Readable when the task has ended.
    let descriptor: Int32
    /// For messages: "process 4711".
    let name: String
    private let thread: (process: pid_t, thread: pid_t)?
    /// Closing it makes `descriptor` readable; -1 when the kernel does that, and after the end.
    private var end: Int32

    /// - Returns: nil without -p and -t, and when the kernel cannot watch the task.
    init?(_ wanted: LookupArguments) {
        if let tid = wanted.tid {
            guard let process = TaskFiles.process(ofThread: tid) else { return nil }
            let ids = (process: pid_t(clamping: process), thread: pid_t(clamping: tid))
            (name, thread) = ("thread \(tid)", ids)
            let number = clinux_thread_descriptor(ids.thread)
            if number >= 0 {
                (descriptor, end) = (number, -1)
                return
            }
            var ends: [Int32] = [-1, -1]
            // Two numbers are written into the two of the array.
            guard errno == EINVAL, unsafe pipe(&ends) == 0 else { return nil }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            (descriptor, end) = (ends[0], ends[1])
        } else if let pid = wanted.pid {
            (name, thread, end) = ("process \(pid)", nil, -1)
            descriptor = clinux_process_descriptor(pid_t(clamping: pid))
            guard descriptor >= 0 else { return nil }
        } else {
            return nil
        }
    }

    deinit { for number in [descriptor, end] where number >= 0 { close(number) } }

    /// Call it a few times a second, for kernels that do not report the end of a thread.
    func check() {
        guard end >= 0, let thread, clinux_thread_exists(thread.process, thread.thread) == 0 else { return }
        close(end)
        end = -1
    }

    var hasEnded: Bool {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        // One descriptor, as the count says.
        return unsafe poll(&polled, 1, 0) == 1
    }
}

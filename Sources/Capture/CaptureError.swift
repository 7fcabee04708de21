// SPDX-License-Identifier: Apache-2.0

// Every error that can prevent a capture with BPF, with all wording in one place. An error is one line: what was tried,
// on what, what was expected and what to do. It carries its exit code.

internal import Events
import Glibc
internal import System

extension CaptureError {
    static func noCgroup(path: String, reason: String) -> CaptureError {
        CaptureError(
            message:
                "cannot filter by control group \(path): \(reason); expected a directory below /sys/fs/cgroup (cgroup v2)",
            exitCode: 64)
    }

    static func badRingSize(_ bytes: UInt32) -> CaptureError {
        CaptureError(
            message:
                "cannot make a ring buffer of \(bytes) bytes: expected a power of two, one page (\(sysconf(Int32(_SC_PAGESIZE)))) "
                + "or more, such as 8388608 (8M)",
            exitCode: 64)
    }

    static func objectUnreadable(_ reason: String) -> CaptureError {
        CaptureError(message: "cannot open the BPF object inside this binary: \(reason)", exitCode: 1)
    }

    static func loadFailed(_ reason: String) -> CaptureError {
        CaptureError(
            message: "cannot load the BPF programs: \(reason); run `futexscope doctor` to see what this kernel offers",
            exitCode: 1)
    }

    static func missingProbe(role: String, function: String, note: String) -> CaptureError {
        CaptureError(
            message:
                "cannot attach to \(function) (\(role)), without which nothing can be seen: \(note); run `futexscope doctor`",
            exitCode: 77)
    }

    static func system(_ action: String, errno number: Int32) -> CaptureError {
        .failed(action, reason: errorText(number))
    }
}

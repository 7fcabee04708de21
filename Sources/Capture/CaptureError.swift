// SPDX-License-Identifier: Apache-2.0

// Everything that can go wrong on the way to a running capture, with all wording in one place. An
// error says what was tried, on what, what was expected and what to do, in one line, and carries the
// exit code that belongs to it.

internal import System

/// Why a capture could not start or go on.
public struct CaptureError: Error, Sendable, Equatable {
    /// One line for the user.
    public var message: String
    /// 1 failed while running, 64 wrong usage, 77 this host does not permit it.
    public var exitCode: Int32

    public init(message: String, exitCode: Int32) {
        self.message = message
        self.exitCode = exitCode
    }

    static func notPermitted(_ reason: String) -> CaptureError {
        CaptureError(message: reason, exitCode: 77)
    }

    static func noCgroup(path: String, reason: String) -> CaptureError {
        CaptureError(
            message:
                "cannot filter by control group \(path): \(reason); expected a directory below /sys/fs/cgroup (cgroup v2)",
            exitCode: 64)
    }

    static func badRingSize(_ bytes: UInt32) -> CaptureError {
        CaptureError(
            message:
                "cannot make a ring buffer of \(bytes) bytes: expected a power of two, 4096 or more, such as 8388608 (8M)",
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
        CaptureError(message: "cannot \(action): \(errorText(number))", exitCode: 1)
    }
}

// SPDX-License-Identifier: Apache-2.0

// Why a live source cannot start or continue: one line, and its exit code. The modules of the sources have the wording
// of their own errors.

/// An error of a live source. Its line says what was tried, on what, what was expected and what to do.
public struct CaptureError: Error, Sendable, Equatable {
    /// One line for the user.
    public var message: String
    /// 1 failed while running, 64 wrong usage, 77 this host does not permit it.
    public var exitCode: Int32

    public init(message: String, exitCode: Int32) {
        self.message = message
        self.exitCode = exitCode
    }

    /// This host does not permit it.
    public static func notPermitted(_ reason: String) -> CaptureError {
        CaptureError(message: reason, exitCode: 77)
    }

    /// Something that every host permits did not work.
    public static func failed(_ action: String, reason: String) -> CaptureError {
        CaptureError(message: "cannot \(action): \(reason)", exitCode: 1)
    }
}

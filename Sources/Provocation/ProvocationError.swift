// SPDX-License-Identifier: Apache-2.0

// Why a provocation did not run, or failed. All messages of this module are here: what was tried, on what, what was
// expected, and what to do.

internal import System

/// Why a provocation did not run, or failed.
public struct ProvocationError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: Int, Equatable, Sendable {
        case failed = 1
        case usage = 64
        case notPermitted = 77
    }

    public let kind: Kind
    /// One line without a newline at its end.
    public let description: String

    /// The exit code for it: 1, 64 or 77.
    public var exitCode: Int32 { Int32(kind.rawValue) }

    static func usage(_ description: String) -> Self { Self(kind: .usage, description: description) }
    static func failed(_ description: String) -> Self { Self(kind: .failed, description: description) }
    static func notPermitted(_ description: String) -> Self {
        Self(kind: .notPermitted, description: description)
    }
}

extension ProvocationError {
    /// A system call failed. When the kernel refused it, the message names what the cause needs.
    init(_ error: SyscallError, in cause: ProvokedCause) {
        self =
            error.isRefusal
            ? .notPermitted("\(error); \(cause) needs \(cause.needs)")
            : .failed("\(error)")
    }

    static func needsPath(_ cause: ProvokedCause, _ expected: String) -> Self {
        .usage("cannot provoke \(cause) without --path; expected \(expected)")
    }

    static func wrongPath(_ path: String, found: String, expected: String) -> Self {
        .usage("cannot use --path \(path): it is \(found); expected \(expected)")
    }

    static func exists(_ path: String) -> Self {
        .failed("cannot create \(path): it exists, and only new files are touched; remove it or use another --path")
    }

    static func badLimit(_ option: String, _ expected: String) -> Self {
        .usage("cannot use this \(option); expected \(expected)")
    }

    static func idle(_ cause: ProvokedCause, tries: Int, errno number: Int32) -> Self {
        .failed(
            "cannot provoke \(cause): none of \(tries) operations succeeded: \(errorText(number)); "
                + "it needs \(cause.needs)")
    }

    static func died(_ role: Role, pid: Int32, signal: Int32, code: Int32) -> Self {
        let how = signal > 0 ? "was killed by signal \(signal)" : "ended with exit code \(code)"
        return .failed(
            "the \(role.rawValue) (pid \(pid)) \(how) before the end of the run; "
                + "its file is removed, try again")
    }

    /// `waitsIn` is the kernel function in which the worker sleeps, if it does.
    static func notReady(_ role: Role, pid: Int32, seconds: Int, waitsIn function: String?) -> Self {
        let place = function.map { " and waits in the kernel (\($0))" } ?? ""
        return .failed(
            "the \(role.rawValue) (pid \(pid)) was not ready after \(seconds) s\(place); "
                + "try again when the machine and its disk are less busy")
    }
}

/// Runs `body`; errors of its system calls become errors of this cause.
func failing<Result: ~Copyable>(
    in cause: ProvokedCause, _ body: () throws(SyscallError) -> Result
) throws(ProvocationError) -> Result {
    do { return try body() } catch { throw ProvocationError(error, in: cause) }
}

// SPDX-License-Identifier: Apache-2.0

/// Why a provocation did not run, or did not end well.  Every line that a person may read about it
/// is worded here: what was tried, on what, what was expected, and what to do.
public struct ProvocationFailure: Error, Equatable, Sendable, CustomStringConvertible {
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

extension ProvocationFailure {
    /// A system call failed for this cause: a refusal names what the cause needs.
    init(_ error: SystemError, in cause: Cause) {
        self =
            error.isRefusal
            ? .notPermitted("\(error); \(cause) needs \(cause.needs)")
            : .failed("\(error)")
    }

    static func needsPath(_ cause: Cause, _ expected: String) -> Self {
        .usage("\(cause) needs --path: \(expected)")
    }

    static func wrongPath(_ path: String, found: String, expected: String) -> Self {
        .usage("cannot use --path \(path): it is \(found), expected is \(expected)")
    }

    static func exists(_ path: String) -> Self {
        .failed("cannot create \(path): it exists, and only new files are touched; remove it or use another --path")
    }

    static func badLimit(_ option: String, _ expected: String) -> Self {
        .usage("\(option) must be \(expected)")
    }

    static func idle(_ cause: Cause, tries: Int, errno number: Int32) -> Self {
        .failed(
            "none of \(tries) operations of \(cause) could be done: "
                + "\(Syscalls.describe(errno: number)); it needs \(cause.needs)")
    }

    static func died(_ role: Role, pid: Int32, signal: Int32, code: Int32) -> Self {
        let how = signal > 0 ? "was killed by signal \(signal)" : "ended with exit code \(code)"
        return .failed(
            "the \(role.rawValue) (pid \(pid)) \(how) before the run was over; "
                + "what was made is removed, try again")
    }
}

/// Runs `body`, with the errors of its system calls as failures of this cause.
func failing<Result: ~Copyable>(
    in cause: Cause, _ body: () throws(SystemError) -> Result
) throws(ProvocationFailure) -> Result {
    do { return try body() } catch { throw ProvocationFailure(error, in: cause) }
}

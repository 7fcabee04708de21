// SPDX-License-Identifier: Apache-2.0

// Errors of the C library, and the text for them. Every module that calls it uses these; a module adds what was tried
// and on what.

internal import Glibc

/// The C library's text for an error number: `No such file or directory`.
public func errorText(_ number: Int32) -> String {
    // strerror() returns a static string for every number in the C library that is linked in.
    unsafe String(cString: strerror(number))
}

/// An error number. Its meaning depends on the call that returned it, which the catcher knows.
public struct SystemError: Error, Equatable, Sendable {
    /// The value of `errno`.
    public let number: Int32

    public init(number: Int32) { self.number = number }

    /// The error of the last call on this thread; valid until the next one.
    public static func last() -> SystemError { SystemError(number: errno) }

    /// The C library's text for it.
    public var text: String { errorText(number) }

    /// A file or directory does not exist.
    public var isMissing: Bool { number == ENOENT }
    /// A file or directory exists already.
    public var isExisting: Bool { number == EEXIST }
    /// No room: the disk, a quota, or a limit of the process.
    public var isNoRoom: Bool { [ENOSPC, EDQUOT, EFBIG].contains(number) }
}

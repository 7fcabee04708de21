// SPDX-License-Identifier: Apache-2.0

// A system call that failed: which one, on what, and why. ProvocationError.swift makes a message of it.

internal import Glibc
internal import System

struct SyscallError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was tried, as a verb phrase: "open", "punch a hole in".
    let action: String
    /// On what: a path, or empty where the action says it all.
    let subject: String
    /// The value of `errno`.
    let number: Int32

    /// Whether the kernel refuses or does not know the call; another host may permit it.
    var isRefusal: Bool {
        switch number {
        case EPERM, EACCES, ENOSYS, EOPNOTSUPP, EINVAL, ENODEV, ENOTTY, EROFS: true
        // A control file that this kernel does not have, or a module that is not loaded.
        case ENOENT, ENXIO: ["/dev/loop", "/proc/", "/sys/"].contains { subject.hasPrefix($0) }
        default: false
        }
    }

    var description: String {
        let what = subject.isEmpty ? action : "\(action) \(subject)"
        return "cannot \(what): \(errorText(number))"
    }
}

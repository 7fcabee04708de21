// SPDX-License-Identifier: Apache-2.0

// Names of error numbers, for results of the kernel. The numbers are those of Linux on x86-64 and arm64; only errors
// that a lookup or a futex call may return are in the list.

/// An errno by name and by number.
public enum ErrorNumber {
    private static let names: [(number: Int32, name: String)] = [
        (1, "EPERM"), (2, "ENOENT"), (3, "ESRCH"), (4, "EINTR"), (5, "EIO"), (9, "EBADF"), (11, "EAGAIN"),
        (12, "ENOMEM"), (13, "EACCES"), (14, "EFAULT"), (16, "EBUSY"), (17, "EEXIST"), (19, "ENODEV"),
        (22, "EINVAL"), (26, "ETXTBSY"), (28, "ENOSPC"), (34, "ERANGE"), (35, "EDEADLK"), (38, "ENOSYS"),
        (75, "EOVERFLOW"), (95, "EOPNOTSUPP"), (110, "ETIMEDOUT"), (133, "EHWPOISON"),
        (512, "ERESTARTSYS"), (516, "ERESTART_RESTARTBLOCK"),
    ]

    /// `ok` for 0, else the name of the error; `errno-N` where no name is known.
    public static func name(ofResult result: Int32) -> String {
        if result >= 0 { return "ok" }
        let number = result == .min ? .max : -result
        return names.first { $0.number == number }?.name ?? "errno-\(number)"
    }

    /// What the kernel returns for `ok`, a name or a number; nil when there is no such error.
    public static func result(named text: String) -> Int32? {
        if text.lowercased() == "ok" { return 0 }
        if let entry = names.first(where: { $0.name == text.uppercased() }) { return -entry.number }
        let digits = text.lowercased().hasPrefix("errno-") ? String(text.dropFirst(6)) : text
        guard let number = Int32(digits), (0...4095).contains(number) else { return nil }
        return -number
    }
}

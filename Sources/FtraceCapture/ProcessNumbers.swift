// SPDX-License-Identifier: Apache-2.0

// Whether the numbers of tasks mean the same here as in the kernel's records. ftrace records those of the host; in a
// container with numbers of its own, what /proc says of such a number is about another task.

import Events
import Glibc

/// The numbers by which this process knows tasks.
enum ProcessNumbers {
    /// The first pid namespace, whose number every kernel since 3.8 has (PROC_PID_INIT_INO).
    private static let first = "pid:[4026531836]"

    /// They are those of the host. Also where the kernel has no namespaces.
    static var areOfHost: Bool { isFirst(target(of: "/proc/self/ns/pid")) }

    static func isFirst(_ name: String?) -> Bool { name == nil || name == first }

    /// What a link leads to; nil when there is none.
    private static func target(of link: String) -> String? {
        var bytes = [CChar](repeating: 0, count: 64)
        // At most as many bytes as there is room for, without a zero at their end.
        let count = unsafe readlink(link, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }

    /// - Throws: with exit code 77 where numbers are others; `purpose` begins a sentence.
    static func require(_ purpose: String) throws(CaptureError) {
        guard !areOfHost else { return }
        throw .notPermitted(
            "\(purpose) needs the host's numbers of processes, and this process has others; share the host's pid namespace"
        )
    }
}

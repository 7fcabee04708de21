// SPDX-License-Identifier: Apache-2.0

// The path of a control group whose task has ended, so that /proc/PID/cgroup does not show it any more. The directories
// below /sys/fs/cgroup are searched for the one whose inode number is the number of the group. This is done only on
// hosts with cgroup v2 alone, and at most once a second, because a host can have thousands of groups.

import Events
import Glibc
import System

/// Finds control groups by their numbers.
struct ControlGroupTree {
    /// The largest number of groups in one search, and the largest depth.
    private static let limit = 16_384
    private static let depth = 10
    private static let patienceNs: UInt64 = 1_000_000_000

    private let root: String
    private let isUnified: Bool
    private var until: UInt64 = 0

    init() {
        // Only the root of cgroup v2 has this file.
        let root = "/sys/fs/cgroup"
        self.init(root: root, isUnified: unsafe access(root + "/cgroup.controllers", F_OK) == 0)
    }

    init(root: String, isUnified: Bool) { (self.root, self.isUnified) = (root, isUnified) }

    /// The path of a group below the root, such as "/system.slice/app.service". Nil if it is not found, or if the last
    /// search was less than a second ago. `time` is in nanoseconds.
    mutating func path(of group: UInt64, at time: UInt64) -> String? {
        guard isUnified, time >= until else { return nil }
        until = time &+ Self.patienceNs
        var looked = 0
        var pattern = root
        for _ in 0..<Self.depth {
            pattern += "/*"
            let directories = paths(matching: pattern + "/")
            if directories.isEmpty { return nil }
            for directory in directories {
                looked += 1
                if looked > Self.limit { return nil }
                var status = stat()
                guard unsafe stat(directory, &status) == 0, UInt64(status.st_ino) == group else { continue }
                return String(directory.dropFirst(root.utf8.count).dropLast())
            }
        }
        return nil
    }
}

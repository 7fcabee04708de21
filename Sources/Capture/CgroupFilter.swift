// SPDX-License-Identifier: Apache-2.0

// The control group of `-c`: its number and its depth in the hierarchy, read before anything is attached.

internal import Events
import Glibc
internal import System

/// A control group with everything below it.
struct CgroupFilter {
    /// Inode of the group's directory, which is its id in the kernel.
    let id: UInt64
    /// How many groups lie between it and the root.
    let level: UInt32

    /// `path` is absolute, or as in /proc/PID/cgroup: relative to the root of the hierarchy.
    init(path: String) throws(CaptureError) {
        let root = "/sys/fs/cgroup"
        guard unsafe access(root + "/cgroup.controllers", F_OK) == 0 else {
            throw .noCgroup(path: path, reason: "cgroup v2 is not mounted at \(root)")
        }
        var full = path == root || path.hasPrefix(root + "/") ? path : root + "/" + path
        while full.hasSuffix("/") { full.removeLast() }
        var status = stat()
        guard unsafe stat(full, &status) == 0 else {
            throw .noCgroup(path: path, reason: errorText(errno))
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw .noCgroup(path: path, reason: "it is no directory")
        }
        guard unsafe access(full + "/cgroup.controllers", F_OK) == 0 else {
            throw .noCgroup(path: path, reason: "it is no control group")
        }
        id = UInt64(status.st_ino)
        level = UInt32(full.dropFirst(root.count).split(separator: "/").count)
    }
}

extension CaptureOptions {
    func check() throws(CaptureError) {
        if let path = wanted.cgroup { _ = try CgroupFilter(path: path) }
        guard ringBytes >= sysconf(Int32(_SC_PAGESIZE)), ringBytes & (ringBytes - 1) == 0 else {
            throw .badRingSize(ringBytes)
        }
    }
}

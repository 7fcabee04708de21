// SPDX-License-Identifier: Apache-2.0

// Where files are, for every live source: where a path leads to from this program's root, without waiting for a file
// system that would have to ask a server; and the names of block devices, because no path leads to their own pages.

internal import CLinux
public import Events
internal import Glibc
internal import System

/// Where a path leads to from the root of this program.
public enum Reach: Sendable, Equatable {
    case file(FileID)
    case nothing
    /// The kernel would have to ask a file system, or refuses the call.
    case notKnown

    /// File systems that answer from the kernel's cache for a name that is in use: a name that they do not have does
    /// not exist. Network and user space file systems may have to ask a server.
    private static let localFileSystems: Set<UInt32> = [
        FileSystemMagic.ext, FileSystemMagic.xfs, FileSystemMagic.btrfs, FileSystemMagic.tmpfs,
        FileSystemMagic.hugetlbfs, FileSystemMagic.f2fs,
    ]

    /// - Parameter magic: of the file system on which the file lies.
    public init(of path: String, magic: UInt32) {
        self = .notKnown
        let directory = unsafe clinux_open_root("/")
        guard directory >= 0 else { return }
        defer { close(directory) }
        var found = clinux_file()
        // The structure lives over the call.
        if unsafe clinux_identify_cached(directory, String(path.drop { $0 == "/" }), &found) == 0 {
            self = .file(FileID(device: found.major << 20 | found.minor & 0xfffff, inode: found.inode))
            return
        }
        switch errno {
        case ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG: self = .nothing
        case EAGAIN where Self.localFileSystems.contains(magic): self = .nothing
        default: break
        }
    }
}

/// Names of block devices; each is looked up once.
public struct BlockDeviceNames {
    private static let limit = 4096
    /// The devices that were looked up.
    private var known: Set<FileID> = []

    public init() {}

    /// The page cache of a block device has an inode of its own, which no path leads to: the device's name stands for it.
    /// - Returns: the name that must precede a detach; nil when it is known, or the file is no block device.
    public mutating func name(for detach: Detach) -> Name? {
        guard let number = Self.blockDevice(of: detach), known.insert(detach.file).inserted else { return nil }
        if known.count > Self.limit { known = [detach.file] }
        return readText("/sys/dev/block/\(number.major):\(number.minor)/uevent")
            .flatMap { Self.deviceName(uevent: $0) }
            .map { Name(subject: .file(detach.file), text: "/dev/" + $0, detail: "bdev") }
    }

    /// The number of the block device whose page was detached; nil for any other page. Its inode has that number where
    /// the kernel sets i_ino to the device (`bdev_add`); elsewhere it is 0, and there is no name.
    static func blockDevice(of detach: Detach) -> (major: UInt64, minor: UInt64)? {
        guard detach.magic == FileSystemMagic.bdev, detach.file.inode != 0 else { return nil }
        return (detach.file.inode >> 20, detach.file.inode & 0xfffff)
    }

    /// The kernel's name of a device, which may have slashes (`mapper/x` does not occur, `cciss/c0d0` does).
    static func deviceName(uevent: String) -> String? {
        uevent.split(separator: "\n").first { $0.hasPrefix("DEVNAME=") }.map { String($0.dropFirst(8)) }
    }
}

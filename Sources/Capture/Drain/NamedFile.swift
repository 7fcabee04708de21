// SPDX-License-Identifier: Apache-2.0

// The path of a file as a BPF program has collected it (bpf/name.h), and whether that path leads to the file. The parts
// of the path are untrusted text. A BPF program cannot know whether the path leads to the file from this program's
// root. So that is tried here, without a wait for a file system that needs an answer of a server.

import CRecords
import Events
import Glibc
import Live
import System

/// A file and its path, from one record of a BPF program.
struct NamedFile: Equatable {
    /// Bits of `fs_name.facts`.
    struct Facts: OptionSet {
        let rawValue: UInt32
        static let complete = Facts(rawValue: FS_NAME_COMPLETE)
        static let inVictimRoot = Facts(rawValue: FS_NAME_IN_VICTIM_ROOT)
        static let deleted = Facts(rawValue: FS_NAME_DELETED)
        static let notInDirectory = Facts(rawValue: FS_NAME_NOT_IN_DIRECTORY)
        static let isInternal = Facts(rawValue: FS_NAME_INTERNAL)
        static let overlay = Facts(rawValue: FS_NAME_OVERLAY)
    }

    var file: FileID
    var magic: UInt32
    /// The type of the file system, as in /proc/filesystems: "ext4".
    var fileSystem: String
    /// The path from the root of the mount namespace. One that lacks its first parts begins with "…/".
    var path: String
    var facts: Facts
    /// Number of the mount namespace; 0 where the mount is in none.
    var mountNamespace: UInt32

    /// - Parameters:
    ///   - parts: the path's parts from the file towards the root, each with a NUL at its end.
    init(
        file: FileID, magic: UInt32, fileSystem: String, parts: some Collection<UInt8>, facts: Facts,
        mountNamespace: UInt32
    ) {
        (self.file, self.magic, self.fileSystem) = (file, magic, fileSystem)
        (self.facts, self.mountNamespace) = (facts, mountNamespace)
        let names = parts.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        path = (facts.contains(.complete) ? "/" : "…/") + names.reversed().joined(separator: "/")
    }

    /// How the path leads to the file; nil when that is not known.
    /// - Parameters:
    ///   - here: where the path leads to from this program's root.
    ///   - ownNamespace: the number of this program's mount namespace.
    func state(here: Reach, ownNamespace: UInt32) -> FileState? {
        if facts.contains(.isInternal) {
            // "/memfd:NAME", "/SYSV00000001" or "/dev/zero": files on a mount of the kernel, which gives them these
            // names.
            return path.hasPrefix("/memfd:")
                ? .memfd : path.hasPrefix("/SYSV") ? .sysvShm : path == "/dev/zero" ? .sharedAnonymous : nil
        }
        if facts.contains(.deleted) { return .deleted }
        guard facts.contains(.complete), !facts.contains(.notInDirectory) else { return nil }
        let isShown = mountNamespace != 0 && facts.contains(.inVictimRoot)
        // An overlay shows other numbers of device and inode, so a comparison with the file proves nothing.
        if facts.contains(.overlay) { return isShown ? .overlay : nil }
        if leads(here) { return .linked }
        // The mount is in no namespace, or the file is outside the victim's root: if the path does not lead to the file
        // from here either, the file cannot be reached.
        if here == .notKnown { return nil }
        if mountNamespace == 0 || !facts.contains(.inVictimRoot) { return .unreachable }
        return isShown && mountNamespace != ownNamespace ? .otherRoot : nil
    }

    /// Whether the file at the end of the path is this file.
    private func leads(_ here: Reach) -> Bool {
        guard case .file(let found) = here else { return false }
        // In btrfs, stat() gives each subvolume another device, so only the inode is compared.
        return magic == FileSystemMagic.btrfs ? found.inode == file.inode : found == file
    }
}

extension NamedFile {
    /// Bytes of a record: `fs_name` and the space for its text.
    static let recordBytes = MemoryLayout<fs_name>.size + Int(FS_NAME_LEN + FS_NAME_PART_LEN)

    /// Nil when the record claims more bytes of text than it has. `record` has `recordBytes` bytes of any alignment.
    init?(record: UnsafeRawBufferPointer) {
        // Safe, because `record` has `recordBytes` bytes.
        let head = unsafe record.loadUnaligned(as: fs_name.self)
        let text = unsafe record[MemoryLayout<fs_name>.size...]
        guard unsafe head.bytes <= text.count else { return nil }
        let type = unsafe withUnsafeBytes(of: head.fs_type) { unsafe Array($0.prefix { $0 != 0 }) }
        self.init(
            file: FileID(device: head.dev, inode: head.inode), magic: head.fs_magic,
            fileSystem: String(decoding: type, as: UTF8.self), parts: unsafe Array(text.prefix(Int(head.bytes))),
            facts: Facts(rawValue: head.facts), mountNamespace: head.mount_namespace)
    }

    /// The number of this program's mount namespace; 0 where /proc is not mounted.
    static func ownNamespace() -> UInt32 {
        var status = stat()
        // The structure lives over the call.
        return unsafe stat("/proc/self/ns/mnt", &status) == 0 ? UInt32(truncatingIfNeeded: status.st_ino) : 0
    }
}

// SPDX-License-Identifier: Apache-2.0

// The file behind a memory area of another task: its path, and how that path leads to it. The kernel's
// text says it badly: "(deleted)" may be a part of a name, a path of another root or of a detached mount
// looks like any other, and an overlay shows another device and inode than the page cache has. So the
// text is compared with what paths lead to. Everything read here was chosen by other tasks.

import CLinux
import Events
import Glibc
import System

/// One line of /proc/PID/maps.
struct MemoryArea: Equatable {
    var range: Range<UInt64>
    /// Of its first byte in the file.
    var offset: UInt64
    /// As the victim's own file has them: those of the overlay, where there is one.
    var file: FileID
    var text: String

    /// The area at an address: "start-end perms offset major:minor inode path". Nil when it maps no file.
    init?(at address: UInt64, maps: String) {
        for line in maps.split(separator: "\n") {
            let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            let ends = fields.first?.split(separator: "-").compactMap { UInt64($0, radix: 16) } ?? []
            guard fields.count == 6, ends.count == 2, ends[0] < ends[1], (ends[0]..<ends[1]).contains(address)
            else { continue }
            let device = fields[3].split(separator: ":").compactMap { UInt32($0, radix: 16) }
            let text = fields[5].drop { $0 == " " }
            // The first segment of System V has the inode 0; a stack or a heap has no path.
            guard let offset = UInt64(fields[2], radix: 16), device.count == 2, let inode = UInt64(fields[4]),
                text.hasPrefix("/")
            else { return nil }
            self.offset = offset
            range = ends[0]..<ends[1]
            file = FileID(device: device[0] << 20 | device[1] & 0xfffff, inode: inode)
            self.text = Self.unescaped(text)
            return
        }
        return nil
    }

    /// Index in the file of the page at an address.
    func pageIndex(of address: UInt64) -> UInt64 { (address - range.lowerBound &+ offset) >> 12 }

    /// The kernel writes a line end in a path as \012.
    private static func unescaped(_ text: Substring) -> String {
        var result = ""
        var rest = text
        while let character = rest.first {
            if rest.hasPrefix("\\012") {
                result.append("\n")
                rest = rest.dropFirst(4)
            } else {
                result.append(character)
                rest = rest.dropFirst()
            }
        }
        return result
    }
}

/// What a path or a link leads to.
struct FileIdentity: Equatable {
    var file: FileID
    var links: UInt32

    init(file: FileID, links: UInt32) { (self.file, self.links) = (file, links) }

    fileprivate init(_ found: clinux_file) {
        file = FileID(device: found.major << 20 | found.minor & 0xfffff, inode: found.inode)
        links = found.links
    }
}

/// Where a path leads to from one root.
enum Reach: Equatable {
    case file(FileID)
    case nothing
    /// The kernel would have to ask a file system, or does not permit the question.
    case notKnown
}

/// The path and what is to be said of it.
struct MappedFile: Equatable {
    private static let deletedMark = " (deleted)"

    var path: String
    /// Nil when it is not known.
    var state: FileState?

    init(path: String, state: FileState?) { (self.path, self.state) = (path, state) }

    /// From what was found out; pure.
    /// - Parameters:
    ///   - mapped: What is mapped; nil when that was not permitted or the area is gone.
    ///   - here: Where the whole text leads to from this program's root.
    ///   - there: The same from the victim's.
    ///   - isOverlay: Whether it lies on an overlay.
    ///   - isMemory: Whether the area's device is the one of nameless files in memory.
    init(area: MemoryArea, mapped: FileIdentity?, here: Reach, there: Reach, isOverlay: Bool, isMemory: Bool) {
        path = area.text
        let isMarked = area.text.hasSuffix(Self.deletedMark)
        let bare = isMarked ? String(area.text.dropLast(Self.deletedMark.utf8.count)) : area.text
        if isMemory {
            // The kernel alone gives names there, and all but memfd's are fixed.
            state =
                bare.hasPrefix("/memfd:")
                ? .memfd : bare.hasPrefix("/SYSV") ? .sysvShm : bare == "/dev/zero" ? .sharedAnonymous : nil
            if state != nil { path = bare }
            return
        }
        let target = Reach.file(mapped?.file ?? area.file)
        if mapped?.links == 0 {
            (path, state) = (bare, .deleted)
        } else if here == target || there == target {
            state = isOverlay ? .overlay : here == target ? .linked : .otherRoot
        } else if mapped != nil, here == .nothing || here != .notKnown, there == .nothing || there != .notKnown {
            // A name that is gone while the file has others, or a file really named so where nobody gets.
            state = isMarked ? nil : .unreachable
        }
    }
}

/// Looks files up.
struct MappedFileFinder {
    /// Devices of the mounts that nobody sees: nameless files in memory, ordinary and huge.
    private let memoryDevices: Set<UInt32>
    private let ownMounts: String

    /// File systems that answer for a name from the kernel's cache when it is in use: what they do not
    /// answer for is not there. Network and user space file systems may have to ask.
    private static let localFileSystems: Set<UInt32> = [
        FileSystemMagic.ext, FileSystemMagic.xfs, FileSystemMagic.btrfs, FileSystemMagic.tmpfs,
        FileSystemMagic.hugetlbfs, FileSystemMagic.f2fs,
    ]

    init() {
        memoryDevices = Set(
            [Int32(0), 1].compactMap { huge in
                var found = clinux_file()
                // The structure lives over the call.
                return unsafe clinux_identify_memory(huge, &found) == 0 ? FileIdentity(found).file.device : nil
            })
        ownMounts = readText("/proc/self/mountinfo") ?? ""
    }

    /// The file that a lookup met, as its victim maps it; nil when the victim is gone or maps another by now.
    func name(of page: PageFacts, of lookup: Lookup) -> Name? {
        let process = "/proc/\(lookup.victim.pid)"
        guard let maps = readText(process + "/maps"), let area = MemoryArea(at: lookup.address, maps: maps)
        else { return nil }
        let range = [area.range.lowerBound, area.range.upperBound].map { String($0, radix: 16) }.joined(separator: "-")
        let mapped = Self.identity { unsafe clinux_identify_link(process + "/map_files/" + range, &$0) }
        let mounts = readText(process + "/mountinfo") ?? ""
        let isOverlay = fileSystem(of: mapped?.file ?? area.file, mounts: mounts) == "overlay"
        // An overlay's own numbers say nothing about the page cache; the place in the file has to do.
        guard area.file == page.file || isOverlay && area.pageIndex(of: lookup.address) == page.index
        else { return nil }
        let isLocal = Self.localFileSystems.contains(page.magic)
        let file = MappedFile(
            area: area, mapped: mapped, here: reach(area.text, root: "/", isLocal: isLocal),
            there: reach(area.text, root: process + "/root", isLocal: isLocal), isOverlay: isOverlay,
            isMemory: memoryDevices.contains(area.file.device))
        return Name(
            subject: .file(page.file), text: file.path, detail: fileSystem(of: page.file, mounts: mounts) ?? "",
            fileState: file.state)
    }

    private func reach(_ path: String, root: String, isLocal: Bool) -> Reach {
        let relative = String(path.drop { $0 == "/" })
        let directory = unsafe clinux_open_root(root)
        guard directory >= 0 else { return .notKnown }
        defer { close(directory) }
        if let found = Self.identity({ unsafe clinux_identify_cached(directory, relative, &$0) }) {
            return .file(found.file)
        }
        switch errno {
        case ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG: return .nothing
        case EAGAIN where isLocal: return .nothing
        default: return .notKnown
        }
    }

    private static func identity(_ ask: (inout clinux_file) -> Int32) -> FileIdentity? {
        var found = clinux_file()
        return ask(&found) == 0 ? FileIdentity(found) : nil
    }

    private func fileSystem(of file: FileID, mounts: String) -> String? {
        Self.fileSystem(of: file, mounts: mounts) ?? Self.fileSystem(of: file, mounts: ownMounts)
    }

    /// The type of the file system on a device: "… major:minor root mountpoint options - type source …".
    static func fileSystem(of file: FileID, mounts: String) -> String? {
        let device = "\(file.major):\(file.minor)"
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 6, fields[2] == device, let dash = fields.firstIndex(of: "-"),
                dash + 1 < fields.count
            else { continue }
            return String(fields[dash + 1])
        }
        return nil
    }
}

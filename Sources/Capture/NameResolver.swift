// SPDX-License-Identifier: Apache-2.0

// Text that belongs to numbers: the path of a file through its victim's own mappings, and the path of a
// control group. Looked up once for each number, soon after the event, since the victim may be gone a
// moment later; what cannot be found stays without a name, and is looked for again.

import Events
import Glibc
import System

/// Finds names for the first event that mentions a file or a control group.
struct NameResolver {
    /// Places remembered. Above this number all are forgotten, and their names are emitted again when they recur.
    private static let limit = 4096
    private static let patienceNs: UInt64 = 1_000_000_000
    private let finder = MappedFileFinder()
    /// Files and control groups, and the time from which on each is looked up again: never when its name was emitted.
    /// Every event of a storm has one, and not every host shows them.
    private var files: [FilePlace: UInt64] = [:]
    private var cgroups: [UInt64: UInt64] = [:]
    /// Block devices that were looked for.
    private var devices: Set<FileID> = []
    /// The last one of these, which is that of most events that follow.
    private var latest: (cgroup: UInt64, until: UInt64) = (0, 0)

    /// Where the name of a file was found. An inode's number is given again when its file is gone, so a file is
    /// looked up anew for each process and page.
    private struct FilePlace: Hashable {
        var file: FileID
        var pid: UInt32
        var page: UInt64
    }

    /// False when this lookup needs no new name, as most lookups of a storm.
    func mayHaveNames(for lookup: Lookup) -> Bool {
        lookup.page != nil || isNews(lookup.victim.cgroup, at: lookup.time)
    }

    /// The names that have to go ahead of a lookup.
    mutating func names(for lookup: Lookup) -> [Name] {
        var names: [Name] = []
        if let name = cgroup(of: lookup.victim, at: lookup.time) { names.append(name) }
        if let page = lookup.page, let name = file(of: page, of: lookup) { names.append(name) }
        return names
    }

    /// The names that have to go ahead of a detach.
    mutating func names(for detach: Detach) -> [Name] {
        [cgroup(of: detach.culprit, at: detach.time), blockDevice(of: detach)].compactMap(\.self)
    }

    /// The page cache of a block device has an inode of its own, which no path leads to: the device's name stands for it.
    private mutating func blockDevice(of detach: Detach) -> Name? {
        guard let number = Self.blockDevice(of: detach), devices.insert(detach.file).inserted else { return nil }
        if devices.count > Self.limit { devices = [detach.file] }
        return readText("/sys/dev/block/\(number.major):\(number.minor)/uevent")
            .flatMap { Self.deviceName(uevent: $0) }
            .map { Name(subject: .file(detach.file), text: "/dev/" + $0, detail: "bdev") }
    }

    /// The number of the block device whose page was detached; nil for any other page. Its inode has that number where
    /// the kernel sets i_ino to the device (`bdev_add`); elsewhere it is 0, and there is no name.
    static func blockDevice(of detach: Detach) -> (major: UInt64, minor: UInt64)? {
        // BDEVFS_MAGIC of linux/magic.h.
        guard detach.magic == 0x6264_6576, detach.file.inode != 0 else { return nil }
        return (detach.file.inode >> 20, detach.file.inode & 0xfffff)
    }

    /// The kernel's name of a device, which may have slashes (`mapper/x` does not occur, `cciss/c0d0` does).
    static func deviceName(uevent: String) -> String? {
        uevent.split(separator: "\n").first { $0.hasPrefix("DEVNAME=") }.map { String($0.dropFirst(8)) }
    }

    private mutating func file(of page: PageFacts, of lookup: Lookup) -> Name? {
        let place = FilePlace(file: page.file, pid: lookup.victim.pid, page: lookup.address >> 12)
        guard !page.file.isNone, lookup.time >= files[place] ?? 0 else { return nil }
        let name = finder.name(of: page, of: lookup)
        Self.remember(place, in: &files, until: name == nil ? lookup.time &+ Self.patienceNs : .max)
        return name
    }

    private func isNews(_ cgroup: UInt64, at time: UInt64) -> Bool {
        cgroup != 0 && (cgroup != latest.cgroup || time >= latest.until)
    }

    private mutating func cgroup(of task: TaskIdentity, at time: UInt64) -> Name? {
        guard isNews(task.cgroup, at: time) else { return nil }
        var found: Name?
        var until = cgroups[task.cgroup] ?? 0
        if time >= until {
            let name = Self.cgroup(of: task)
            until = name == nil ? time &+ Self.patienceNs : .max
            Self.remember(task.cgroup, in: &cgroups, until: until)
            found = name
        }
        latest = (task.cgroup, until)
        return found
    }

    private static func remember<Key>(_ key: Key, in places: inout [Key: UInt64], until: UInt64) {
        if places.count >= limit { places = [:] }
        places[key] = until
    }

    private static func cgroup(of task: TaskIdentity) -> Name? {
        guard let text = readText("/proc/\(task.pid)/cgroup"),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("0::/") })
        else { return nil }
        let path = String(line.dropFirst(3))
        var status = stat()
        // The task may have moved since: only the group with this very id gets the name.
        guard unsafe stat("/sys/fs/cgroup" + path, &status) == 0, UInt64(status.st_ino) == task.cgroup else {
            return nil
        }
        return Name(subject: .cgroup(task.cgroup), text: path)
    }
}

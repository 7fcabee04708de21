// SPDX-License-Identifier: Apache-2.0

// Text for numbers: the path of a file, which the BPF programs send; the name of a block device; and the path of a
// control group. A control group is searched soon after its event: by its task, or by its number if the task has ended.
// If it is not found, the search is repeated at an event that comes a second later or more.

import Events
import Glibc
import Live
import System

/// Gives the names that must be emitted before an event: those of its file, its device and its control group, unless
/// they were emitted before.
struct NameResolver {
    /// The largest number of files, and of control groups. At this number all are removed, and their names are emitted
    /// again with their next event.
    private static let limit = 4096
    private static let patienceNs: UInt64 = 1_000_000_000
    private let ownNamespace = NamedFile.ownNamespace()
    /// The name of each file as it was emitted last.
    private var files: [FileID: Name] = [:]
    /// Control groups, each with the time of the next search in nanoseconds; `.max` once its name was emitted. Without
    /// such a time each event of a storm would cause a search on a host that does not show the paths.
    private var cgroups: [UInt64: UInt64] = [:]
    private var tree = ControlGroupTree()
    private var devices = BlockDeviceNames()
    /// The group of the last event, with the time of its next search. Most events have the group of the one before.
    private var latest: (cgroup: UInt64, until: UInt64) = (0, 0)

    /// The name that must be emitted before a lookup: that of the victim's control group.
    mutating func name(for lookup: Lookup) -> Name? { cgroup(of: lookup.victim, at: lookup.time) }

    /// The name of a file, if it differs from the one that was emitted last.
    mutating func name(of file: NamedFile) -> Name? {
        let state = file.state(here: Reach(of: file.path, magic: file.magic), ownNamespace: ownNamespace)
        let name = Name(subject: .file(file.file), text: file.path, detail: file.fileSystem, fileState: state)
        guard files[file.file] != name else { return nil }
        Self.remember(file.file, in: &files, name)
        return name
    }

    /// An empty name for a file whose name was lost: the last name for its inode number may be that of an earlier file.
    /// Nil if an empty name was emitted last.
    mutating func withoutName(_ file: FileID) -> Name? {
        let none = Name(subject: .file(file), text: "")
        guard files[file] != none else { return nil }
        Self.remember(file, in: &files, none)
        return none
    }

    /// The names that must be emitted before a detach: those of the culprit's control group and of a block device.
    mutating func names(for detach: Detach) -> [Name] {
        [cgroup(of: detach.culprit, at: detach.time), devices.name(for: detach)].compactMap(\.self)
    }

    private func isNews(_ cgroup: UInt64, at time: UInt64) -> Bool {
        cgroup != 0 && (cgroup != latest.cgroup || time >= latest.until)
    }

    private mutating func cgroup(of task: TaskIdentity, at time: UInt64) -> Name? {
        guard isNews(task.cgroup, at: time) else { return nil }
        var found: Name?
        var until = cgroups[task.cgroup] ?? 0
        if time >= until {
            let name =
                Self.cgroup(of: task)
                ?? tree.path(of: task.cgroup, at: time).map { Name(subject: .cgroup(task.cgroup), text: $0) }
            until = name == nil ? time &+ Self.patienceNs : .max
            Self.remember(task.cgroup, in: &cgroups, until)
            found = name
        }
        latest = (task.cgroup, until)
        return found
    }

    private static func remember<Key, Value>(_ key: Key, in places: inout [Key: Value], _ value: Value) {
        if places.count >= limit { places = [:] }
        places[key] = value
    }

    private static func cgroup(of task: TaskIdentity) -> Name? {
        guard let text = readText("/proc/\(task.pid)/cgroup"),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("0::/") })
        else { return nil }
        let path = String(line.dropFirst(3))
        var status = stat()
        // The task may have moved to another group since the event, so the inode number of the directory is compared.
        guard unsafe stat("/sys/fs/cgroup" + path, &status) == 0, UInt64(status.st_ino) == task.cgroup else {
            return nil
        }
        return Name(subject: .cgroup(task.cgroup), text: path)
    }
}

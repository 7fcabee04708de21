// Text that belongs to numbers: the path of a file through its victim's own mappings, and the path of a
// control group. Looked up once for each number, soon after the event, since the victim may be gone a
// moment later; what cannot be found stays without a name, and is looked for again.

import Events
import Glibc

/// Finds names for the first event that mentions a file or a control group.
struct NameResolver {
    /// Places remembered. Above this all are forgotten, and their names told again when they recur.
    private static let limit = 4096
    private var told: Set<FilePlace> = []
    /// Control groups, and from when on each is looked for again: never when it was told. Every event of a
    /// storm has one, and not every host shows its groups.
    private var cgroups: [UInt64: UInt64] = [:]
    /// The last one of these, which is that of most events that follow.
    private var latest: (cgroup: UInt64, until: UInt64) = (0, 0)
    private static let patienceNs: UInt64 = 1_000_000_000

    /// Where the name of a file was found. An inode's number is given again when its file is gone, so a file is
    /// looked up anew for each process and page.
    private struct FilePlace: Hashable {
        var file: FileID
        var pid: UInt32
        var page: UInt64
    }

    /// Calls `tell` with the names that have to go ahead of `event`.
    mutating func names(for event: Event, tell: (Name) -> Void) {
        switch event {
        case .lookup(let lookup), .progress(let lookup):
            cgroup(of: lookup.victim, at: lookup.time, tell)
            if let page = lookup.page { file(page.file, of: lookup, tell) }
        case .detach(let detach): cgroup(of: detach.culprit, at: detach.time, tell)
        case .activity, .name, .lost, .totals: break
        }
    }

    private mutating func file(_ file: FileID, of lookup: Lookup, _ tell: (Name) -> Void) {
        let place = FilePlace(file: file, pid: lookup.victim.pid, page: lookup.address >> 12)
        guard !file.isNone, !told.contains(place), let name = Self.name(of: file, in: lookup) else { return }
        if told.count >= Self.limit { told = [] }
        told.insert(place)
        tell(name)
    }

    private mutating func cgroup(of task: TaskIdentity, at time: UInt64, _ tell: (Name) -> Void) {
        guard task.cgroup != 0, task.cgroup != latest.cgroup || time >= latest.until else { return }
        var until = cgroups[task.cgroup] ?? 0
        if time >= until {
            let name = Self.cgroup(of: task)
            until = name == nil ? time &+ Self.patienceNs : .max
            if cgroups.count >= Self.limit { cgroups = [:] }
            cgroups[task.cgroup] = until
            name.map(tell)
        }
        latest = (task.cgroup, until)
    }

    private static func name(of file: FileID, in lookup: Lookup) -> Name? {
        let process = "/proc/\(lookup.victim.pid)"
        guard let maps = readText(process + "/maps"),
            let path = path(at: lookup.address, inode: file.inode, maps: maps)
        else { return nil }
        let mounts = readText(process + "/mountinfo") ?? ""
        return Name(subject: .file(file), text: path, detail: fileSystem(of: file, mounts: mounts) ?? "")
    }

    /// The path that a memory area maps: "start-end perms offset major:minor inode path".
    static func path(at address: UInt64, inode: UInt64, maps: String) -> String? {
        for line in maps.split(separator: "\n") {
            let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            let ends = fields.first?.split(separator: "-").compactMap { UInt64($0, radix: 16) } ?? []
            guard fields.count == 6, ends.count == 2, (ends[0]..<ends[1]).contains(address) else { continue }
            guard UInt64(fields[4]) == inode else { return nil }
            return unescaped(fields[5].drop { $0 == " " })
        }
        return nil
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

// Text that belongs to numbers: the path of a file through its victim's own mappings, and the path of a
// control group. Looked up once for each number, soon after the event, since the victim may be gone a
// moment later; what cannot be found any more stays without a name.

import Events
import Glibc

/// Finds names for the first event that mentions a file or a control group.
struct NameResolver {
    /// Names remembered as told. Above this all are forgotten and told again when they recur.
    private static let limit = 4096
    private var told: Set<Place> = []

    /// Where a name was found. An inode's number is given again when its file is gone, so a file is
    /// looked up anew for each process and page.
    private struct Place: Hashable {
        var subject: Name.Subject
        var pid: UInt32 = 0
        var page: UInt64 = 0
    }

    /// The names that have to go ahead of `event`.
    mutating func names(for event: Event) -> [Name] {
        switch event {
        case .lookup(let lookup), .progress(let lookup):
            var names = [cgroup(of: lookup.victim)]
            if let page = lookup.page { names.append(file(page.file, of: lookup)) }
            return names.compactMap { $0 }
        case .detach(let detach): return [cgroup(of: detach.culprit)].compactMap { $0 }
        case .activity, .name, .lost, .totals: return []
        }
    }

    private mutating func isNew(_ place: Place) -> Bool {
        if told.count >= Self.limit { told = [] }
        return !told.contains(place)
    }

    private mutating func file(_ file: FileID, of lookup: Lookup) -> Name? {
        let place = Place(subject: .file(file), pid: lookup.victim.pid, page: lookup.address >> 12)
        guard !file.isNone, isNew(place) else { return nil }
        let process = "/proc/\(lookup.victim.pid)"
        guard let maps = readText(process + "/maps"),
            let path = Self.path(at: lookup.address, inode: file.inode, maps: maps)
        else { return nil }
        let mounts = readText(process + "/mountinfo") ?? ""
        told.insert(place)
        return Name(subject: .file(file), text: path, detail: Self.fileSystem(of: file, mounts: mounts) ?? "")
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

    private mutating func cgroup(of task: TaskIdentity) -> Name? {
        let place = Place(subject: .cgroup(task.cgroup))
        guard task.cgroup != 0, isNew(place),
            let text = readText("/proc/\(task.pid)/cgroup"),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("0::/") })
        else { return nil }
        let path = String(line.dropFirst(3))
        var status = stat()
        // The task may have moved since: only the group with this very id gets the name.
        guard unsafe stat("/sys/fs/cgroup" + path, &status) == 0, UInt64(status.st_ino) == task.cgroup else {
            return nil
        }
        told.insert(place)
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

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
    private let files = MappedFileFinder()

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
            if let page = lookup.page { names.append(file(of: page, of: lookup)) }
            return names.compactMap { $0 }
        case .detach(let detach): return [cgroup(of: detach.culprit)].compactMap { $0 }
        case .activity, .name, .lost, .totals: return []
        }
    }

    private mutating func isNew(_ place: Place) -> Bool {
        if told.count >= Self.limit { told = [] }
        return !told.contains(place)
    }

    private mutating func file(of page: PageFacts, of lookup: Lookup) -> Name? {
        let place = Place(subject: .file(page.file), pid: lookup.victim.pid, page: lookup.address >> 12)
        guard !page.file.isNone, isNew(place), let name = files.name(of: page, of: lookup) else { return nil }
        told.insert(place)
        return name
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
}

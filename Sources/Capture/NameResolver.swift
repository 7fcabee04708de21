// Text that belongs to numbers: the path of a file through its victim's own mappings, and the path of a
// control group. Looked up once for each number, soon after the event, since the victim may be gone a
// moment later; what cannot be found stays without a name, and is looked for again a second later at the
// earliest, since every event of a storm may ask.

import Events
import Glibc

/// Finds names for the first event that mentions a file or a control group.
struct NameResolver {
    /// Places remembered. Above this all are forgotten, and their names told again when they recur.
    private static let limit = 4096
    private static let patienceNs: UInt64 = 1_000_000_000
    private let files = MappedFileFinder()
    /// Until when a place is not asked about: for ever when its name was told.
    private var answered: [Place: UInt64] = [:]
    /// The control group of the last event, which is that of most that follow.
    private var latest: (cgroup: UInt64, until: UInt64) = (0, 0)

    /// Where a name was found. An inode's number is given again when its file is gone, so a file is
    /// looked up anew for each process and page.
    private struct Place: Hashable {
        var subject: Name.Subject
        var pid: UInt32 = 0
        var page: UInt64 = 0
    }

    /// Calls `tell` with the names that have to go ahead of `event`.
    mutating func names(for event: Event, tell: (Name) -> Void) {
        switch event {
        case .lookup(let lookup), .progress(let lookup):
            cgroup(of: lookup.victim, at: lookup.time, tell)
            if let page = lookup.page { file(of: page, of: lookup, tell) }
        case .detach(let detach): cgroup(of: detach.culprit, at: detach.time, tell)
        case .activity, .name, .lost, .totals: break
        }
    }

    private mutating func file(of page: PageFacts, of lookup: Lookup, _ tell: (Name) -> Void) {
        let place = Place(subject: .file(page.file), pid: lookup.victim.pid, page: lookup.address >> 12)
        guard !page.file.isNone, answered[place] ?? 0 <= lookup.time else { return }
        let name = files.name(of: page, of: lookup)
        remember(place, isTold: name != nil, at: lookup.time)
        name.map(tell)
    }

    private mutating func cgroup(of task: TaskIdentity, at time: UInt64, _ tell: (Name) -> Void) {
        guard task.cgroup != 0, task.cgroup != latest.cgroup || time >= latest.until else { return }
        let place = Place(subject: .cgroup(task.cgroup))
        if answered[place] ?? 0 <= time {
            let name = Self.cgroup(of: task)
            remember(place, isTold: name != nil, at: time)
            name.map(tell)
        }
        latest = (task.cgroup, answered[place] ?? 0)
    }

    private mutating func remember(_ place: Place, isTold: Bool, at time: UInt64) {
        if answered.count >= Self.limit { answered = [:] }
        answered[place] = isTold ? .max : time &+ Self.patienceNs
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

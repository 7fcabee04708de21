// Text that belongs to numbers: the path of a file through its victim's own mappings, and the path of a
// control group. Looked up once for each number, soon after the event, since the victim may be gone a
// moment later; what cannot be found stays without a name, and is looked for again. Events go through
// here on their way to a sink, and names go ahead of them.

import Events
import Glibc

/// Finds names for the first event that mentions a file or a control group.
struct NameResolver {
    /// Places remembered. Above this all are forgotten, and their names told again when they recur.
    private static let limit = 4096
    private static let patienceNs: UInt64 = 1_000_000_000
    private let finder = MappedFileFinder()
    /// Files and control groups, and from when on each is looked for again: never when it was told. Every event
    /// of a storm has one, and not every host shows them.
    private var files: [FilePlace: UInt64] = [:]
    private var cgroups: [UInt64: UInt64] = [:]
    /// The last one of these, which is that of most events that follow.
    private var latest: (cgroup: UInt64, until: UInt64) = (0, 0)

    /// Where the name of a file was found. An inode's number is given again when its file is gone, so a file is
    /// looked up anew for each process and page.
    private struct FilePlace: Hashable {
        var file: FileID
        var pid: UInt32
        var page: UInt64
    }

    /// The names that have to go ahead of a lookup: of its victim's control group and of its file.
    fileprivate mutating func name(_ lookup: Lookup, _ tell: (Name) -> Void) {
        cgroup(of: lookup.victim, at: lookup.time, tell)
        if let page = lookup.page { file(of: page, of: lookup, tell) }
    }

    /// The name that has to go ahead of a detach: of its culprit's control group.
    fileprivate mutating func name(_ detach: Detach, _ tell: (Name) -> Void) {
        cgroup(of: detach.culprit, at: detach.time, tell)
    }

    private mutating func file(of page: PageFacts, of lookup: Lookup, _ tell: (Name) -> Void) {
        guard !page.file.isNone else { return }
        let place = FilePlace(file: page.file, pid: lookup.victim.pid, page: lookup.address >> 12)
        if let until = files[place], lookup.time < until { return }
        let name = finder.name(of: page, of: lookup)
        Self.remember(place, in: &files, until: name == nil ? lookup.time &+ Self.patienceNs : .max)
        name.map(tell)
    }

    private mutating func cgroup(of task: TaskIdentity, at time: UInt64, _ tell: (Name) -> Void) {
        guard task.cgroup != 0, task.cgroup != latest.cgroup || time >= latest.until else { return }
        var until = cgroups[task.cgroup] ?? 0
        if time >= until {
            let name = Self.cgroup(of: task)
            until = name == nil ? time &+ Self.patienceNs : .max
            Self.remember(task.cgroup, in: &cgroups, until: until)
            name.map(tell)
        }
        latest = (task.cgroup, until)
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

/// Hands events on to another sink, each with the names that it needs ahead of it. A detach waits for the event
/// after it: the lookup that met it is told next, and the name of their file goes ahead of both.
struct NamedEvents<Sink: EventSink>: EventSink {
    var sink: Sink
    private var resolver = NameResolver()
    /// None or one.
    private var waiting: [Detach] = []

    init(into sink: Sink) { self.sink = sink }

    /// Nothing more may come for a while.
    mutating func letGo() {
        for detach in waiting { sink.take(detach) }
        waiting.removeAll(keepingCapacity: true)
    }

    mutating func take(_ lookup: Lookup, isProgress: Bool) {
        let page = lookup.page
        if let detach = waiting.first, detach.page != page?.page || detach.time != page?.detachTime { letGo() }
        resolver.name(lookup) { sink.take($0) }
        if !waiting.isEmpty { letGo() }
        sink.take(lookup, isProgress: isProgress)
    }

    mutating func take(_ detach: Detach) {
        letGo()
        resolver.name(detach) { sink.take($0) }
        waiting.append(detach)
    }

    mutating func take(_ activity: Activity) {
        letGo()
        sink.take(activity)
    }

    mutating func take(_ name: Name) { sink.take(name) }
    mutating func take(_ loss: Loss) { sink.take(loss) }
    mutating func take(_ totals: Totals) { sink.take(totals) }
}

// SPDX-License-Identifier: Apache-2.0

// Paths of files, which ftrace does not record. They come from the mappings that a victim shows in /proc soon after its
// observation. A path is the kernel's text for the area that maps the same file; other tasks choose it. Where the
// victim has ended, or does not show its mappings, a file has no path.

import Events
import Live
import System

/// Finds the path of a file for the first event that mentions it.
struct FileNames {
    /// Places remembered. Above this number all are forgotten, and their names are emitted again when they recur.
    private static let limit = 4096
    private static let patienceNs: UInt64 = 1_000_000_000

    /// An inode number is reused when its file is removed, so a file is looked up again for each process.
    private struct Place: Hashable {
        var file: FileID
        var process: UInt32
        var page: UInt64
    }

    /// The result of each lookup, nil for nothing, and the time from which it is looked up again.
    private var places: [Place: (name: Name?, until: UInt64)] = [:]
    /// The name of each file as it was emitted last.
    private var emitted: [FileID: Name] = [:]
    /// Detaches that lookups have met. Between the two there can be events of other tasks.
    private var met: [Met: Detach] = [:]

    private struct Met: Hashable {
        var page: PageID
        var time: UInt64
    }
    private let find: (_ file: FileID, _ magic: UInt32, _ page: UInt64, _ process: UInt32) -> Answer

    /// What the mappings of a process show about a file.
    enum Answer {
        case name(Name)
        /// It maps no such page.
        case notMapped
        /// It has ended, or does not show its mappings.
        case gone
    }

    /// - Parameter find: looks a name up; the default reads /proc.
    init(find: @escaping (FileID, UInt32, UInt64, UInt32) -> Answer = Self.name) { self.find = find }

    /// Takes a detach that a lookup has met.
    mutating func take(_ detach: Detach) {
        if met.count >= Self.limit { met = [:] }
        met[Met(page: detach.page, time: detach.time)] = detach
    }

    /// The name that must precede a lookup that met a detach; nil without one, and when it is the one that was emitted
    /// last. Where it cannot be found, and the file's number had a name before, that name is withdrawn, because it can
    /// be another file's.
    mutating func name(for lookup: Lookup) -> Name? {
        guard let page = lookup.page, let detach = met[Met(page: page.page, time: page.detachTime)] else { return nil }
        let place = Place(file: detach.file, process: lookup.victim.pid, page: lookup.page?.index ?? detach.index)
        guard !place.file.isNone else { return nil }
        let name: Name?
        if let known = places[place], lookup.time < known.until {
            name = known.name
        } else {
            name =
                switch find(detach.file, detach.magic, place.page, place.process) {
                case .name(let name): name
                case .notMapped: nil
                // A process keeps the mappings that were seen until it ends.
                case .gone: places[place]?.name
                }
            if places.count >= Self.limit { places = [:] }
            places[place] = (name, lookup.time &+ Self.patienceNs)
        }
        guard name != emitted[place.file] else { return nil }
        if emitted.count >= Self.limit { emitted = [:] }
        emitted[place.file] = name
        return name ?? Name(subject: .file(place.file), text: "")
    }

    private static func name(of file: FileID, magic: UInt32, page: UInt64, process: UInt32) -> Answer {
        guard let maps = readText("/proc/\(process)/maps"), !maps.isEmpty else { return .gone }
        guard let area = MemoryArea.of(file, page: page, maps: maps) else { return .notMapped }
        // If the path does not lead to the file from this program's root, its state is not known.
        let state: FileState? = Reach(of: area.text, magic: magic) == .file(file) ? .linked : nil
        return .name(
            Name(
                subject: .file(file), text: area.text,
                detail: fileSystem(of: file, mounts: readText("/proc/\(process)/mountinfo") ?? "") ?? "",
                fileState: state))
    }

    /// The type of the file system on a device: "… major:minor root mountpoint options - type source …".
    static func fileSystem(of file: FileID, mounts: String) -> String? {
        let device = "\(file.major):\(file.minor)"
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 6, fields[2] == device, let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count
            else { continue }
            return String(fields[dash + 1])
        }
        return nil
    }
}

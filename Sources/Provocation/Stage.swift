// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The file or device that one run plays on: made new, never found, and removed with its owner.
/// The one exception is a block device that the user names, which must be unused and all zero.
struct Stage: ~Copyable {
    typealias Shown = (path: String, device: String, inode: UInt64)

    /// What the players open; empty where the cause has no file.
    let path: String
    /// What is shown of it: file system or device as "MAJ:MIN", inode in there.
    let shown: Shown?

    // Owned until the players have ended.
    private let device: HeldDevice?
    private let file: NewFile?
    private let memory: Descriptor?

    /// Checks `place` against what the scenario wants and makes what it needs there.
    init(_ scenario: Scenario, at place: String?) throws(ProvocationFailure) {
        let cause = scenario.cause
        // Gathered here first: nothing of a stage that could not be set may be left to clean up.
        let path: String
        let shown: Shown?
        var device: HeldDevice?
        var file: NewFile?
        var memory: Descriptor?
        switch scenario.place {
        case .nowhere:
            if place != nil { throw .usage("\(cause) has no file: leave --path out") }
            path = ""
            shown = nil
        case .hugetlb where Host.freeHugePages < 2:
            throw .notPermitted("no two huge pages of 2 MiB are free; \(cause) needs \(cause.needs)")
        case .hugetlb where place == nil:
            let made = try Self.hugeMemory(scenario)
            // The players find it through their parent; it has no other name.
            path = "/proc/\(Syscalls.processId)/fd/\(made.number)"
            let facts = try Self.facts(of: path, cause)
            shown = (made.subject, facts.fileSystem, facts.inode)
            memory = consume made
        case .directory, .tmpfs, .disk, .hugetlb:
            let made = try NewFile(in: Directory(place, for: scenario), for: scenario)
            path = made.path
            shown = (made.path, made.facts.fileSystem, made.facts.inode)
            file = consume made
        case .blockDevice:
            guard let place else { throw .needsPath(cause, cause.needs) }
            if (try? Syscalls.facts(of: place))?.isBlockDevice == true {
                device = try HeldDevice(unused: place, cause)
                path = place
            } else {
                let made = try NewFile(in: Directory(place, for: scenario), for: scenario)
                let loop = try HeldDevice(loopOn: made, cause)
                path = loop.path
                device = consume loop
                file = consume made
            }
            let facts = try Self.facts(of: path, cause)
            shown = (path, facts.device, facts.deviceInode)
        }
        self.path = path
        self.shown = shown
        self.device = device
        self.file = file
        self.memory = memory
    }

    private static func facts(of path: String, _ cause: Cause) throws(ProvocationFailure) -> Syscalls.FileFacts {
        try failing(in: cause) { () throws(SystemError) in try Syscalls.facts(of: path) }
    }

    private static func hugeMemory(_ scenario: Scenario) throws(ProvocationFailure) -> Descriptor {
        try failing(in: scenario.cause) { () throws(SystemError) in
            let name = "futexscope-provoke-\(Syscalls.processId)"
            let made = Descriptor(owning: try Syscalls.hugeMemoryFile(name), subject: "memfd:\(name)")
            try made.resize(to: scenario.fileBytes)
            return made
        }
    }
}

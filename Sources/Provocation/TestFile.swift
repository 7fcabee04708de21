// SPDX-License-Identifier: Apache-2.0

// The file or device of one run. It is created new and removed with its value. The one exception is a block device that
// the user names, which must be unused and begin with zeros.

internal import Glibc

struct TestFile: ~Copyable {
    typealias Shown = (path: String, device: String, inode: UInt64)

    /// What the workers open; empty where the cause has no file.
    let path: String
    /// For the report: file system or device as "MAJ:MIN", and the inode there.
    let shown: Shown?

    // Owned until the workers have ended.
    private let device: HeldDevice?
    private let file: NewFile?
    private let memory: Descriptor?

    /// Checks `place` against the scenario and creates what it needs there.
    init(_ scenario: Scenario, at place: String?) throws(ProvocationError) {
        let cause = scenario.cause
        // Local until all of it succeeds, so that each part is cleaned up after a failure.
        let path: String
        let shown: Shown?
        var device: HeldDevice?
        var file: NewFile?
        var memory: Descriptor?
        switch scenario.place {
        case .nowhere:
            if place != nil { throw .usage("cannot use --path with \(cause), which has no file; leave --path out") }
            path = ""
            shown = nil
        case .hugetlb where Host.freeHugePages < 2:
            throw .notPermitted(
                "cannot provoke \(cause): fewer than two huge pages of 2 MiB are free; it needs \(cause.needs)")
        case .hugetlb where place == nil:
            let made = try Self.hugeMemory(scenario)
            // The workers open it through their parent; it has no other name.
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

    private static func facts(of path: String, _ cause: ProvokedCause) throws(ProvocationError) -> Syscalls.FileFacts {
        try failing(in: cause) { () throws(SyscallError) in try Syscalls.facts(of: path) }
    }

    private static func hugeMemory(_ scenario: Scenario) throws(ProvocationError) -> Descriptor {
        try failing(in: scenario.cause) { () throws(SyscallError) in
            let name = "futexscope-provoke-\(Syscalls.processId)"
            let made = Descriptor(owning: try Syscalls.hugeMemoryFile(name), subject: "memfd:\(name)")
            try made.resize(to: scenario.fileBytes)
            return made
        }
    }
}
